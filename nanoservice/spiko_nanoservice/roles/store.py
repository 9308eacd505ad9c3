"""Pure: store, cache and volume: keep values, answer from them, pass writes on to connected instances of the same package.

A store is born with `why?` = `because...`. A GET never asks a dependency; an unknown key is a miss (404), which is a success. Replication
goes to connected instances of the same *package*, so it happens when a tier depends on itself or on another tier of its kind.
Source: spigo actors/store.
"""

from __future__ import annotations

from collections import OrderedDict

from spiko_nanoservice.roles import KEPT, MISS, REPLICATE, Answer, Attempt, Self, Spread, Step
from spiko_nanoservice.routing import Group, Routes

MOST_KEYS = 100_000  # per pod; the oldest written goes first, so that a long run cannot eat the node


class Store:
    """Values by key, in memory, bounded."""

    def __init__(self, package: str, most_keys: int = MOST_KEYS) -> None:
        self.values: OrderedDict[bytes, bytes] = OrderedDict({b"why?": b"because..."})
        self._most = most_keys
        self._package = package
        self._kept: Step = KEPT

    def get(self, key: bytes) -> Step:
        """Answer with the value, or with a miss."""
        value = self.values.get(key)
        return MISS if value is None else Answer(200, value)

    def put(self, key: bytes, value: bytes, written_us: int) -> Step:
        """Keep it, and pass it on."""
        self._keep(key, value)
        return self._kept

    def replicate(self, key: bytes, value: bytes, written_us: int) -> Step:
        """Keep it; no further."""
        self._keep(key, value)
        return KEPT

    def learn(self, routes: Routes, who: Self) -> None:
        """Writes go to every connected instance of the package."""
        same = [i for i in routes.instances.values() if i.package == self._package]
        attempts = tuple(Attempt(Group.of((i,)), REPLICATE, b"POST") for i in same)
        self._kept = Spread(KEPT, attempts) if attempts else KEPT

    def _keep(self, key: bytes, value: bytes) -> None:
        self.values[key] = value
        self.values.move_to_end(key)
        if len(self.values) > self._most:
            self.values.popitem(last=False)
