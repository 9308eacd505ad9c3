"""Pure: store, cache and volume: keep values, answer from them, pass writes on to connected instances of the same package.

A store is born with `why?` = `because...`. A GET never asks a dependency; an unknown key is a miss (404), which is a success. Replication
goes to connected instances of the same *package*, so it happens when a tier depends on itself or on another tier of its kind.
Source: spigo actors/store.
"""

from __future__ import annotations

from collections import OrderedDict

from spiko_nanoservice.roles import KEPT, MISS, MOST_BYTES, MOST_KEYS, REPLICATE, Answer, Attempt, Self, Spread, Step
from spiko_nanoservice.routing.table import Group, Routes


class Store:
    """Values by key, in memory, bounded."""

    def __init__(self, package: str, most_keys: int = MOST_KEYS, most_bytes: int = MOST_BYTES) -> None:
        self.values: OrderedDict[bytes, bytes] = OrderedDict({b"why?": b"because..."})
        self._most_keys, self._most_bytes = most_keys, most_bytes
        self._bytes = sum(len(key) + len(value) for key, value in self.values.items())
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
        values = self.values
        before = values.pop(key, None)
        self._bytes += len(value) - len(before) if before is not None else len(key) + len(value)
        values[key] = value
        while len(values) > self._most_keys or self._bytes > self._most_bytes:
            oldest, gone = values.popitem(last=False)
            self._bytes -= len(oldest) + len(gone)
