"""Pure: store and cache: keep values, answer from them, pass writes on to connected instances of the same package.

A store is born with `why?` = `because...`. A GET never asks a dependency; an unknown key is a miss (404), which is a success. Replication
goes to connected instances of the same *package*, so it happens when a tier depends on itself or on another tier of its kind.
Source: spigo actors/store.
"""

from __future__ import annotations

from collections import OrderedDict

from spiko_nanoservice.roles import Answer, Replicate, Step

MOST_KEYS = 100_000  # per pod; the oldest written goes first, so that a long run cannot eat the node
KEPT = Answer(200)
MISS = Answer(404)


class Store:
    """Values by key, in memory, bounded."""

    def __init__(self, package: str, most_keys: int = MOST_KEYS) -> None:
        self.values: OrderedDict[bytes, bytes] = OrderedDict({b"why?": b"because..."})
        self._most = most_keys
        self._same = frozenset({package})

    def get(self, key: bytes) -> Step:
        """Answer with the value, or with a miss."""
        value = self.values.get(key)
        return MISS if value is None else Answer(200, value)

    def put(self, key: bytes, value: bytes) -> Step:
        """Keep it, and pass it on."""
        self._keep(key, value)
        return Replicate(KEPT, self._same)

    def replicate(self, key: bytes, value: bytes) -> Step:
        """Keep it; no further."""
        self._keep(key, value)
        return KEPT

    def _keep(self, key: bytes, value: bytes) -> None:
        self.values[key] = value
        self.values.move_to_end(key)
        if len(self.values) > self._most:
            self.values.popitem(last=False)
