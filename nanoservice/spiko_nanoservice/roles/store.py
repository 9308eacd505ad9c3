"""Pure: store, cache and volume.

They keep values, answer from them, and copy writes to connected instances of the same package.

A store begins with the key `why?`, whose value is `because...`. A GET never asks a dependency; an unknown key
is a miss (404), which is a success. Writes are copied to connected instances of the same *package*, so a
store replicates if its tier depends on itself or on another tier of its package. Source: spigo actors/store.
"""

from __future__ import annotations

from spiko_nanoservice.roles import (
    KEPT,
    MISS,
    MOST_BYTES,
    MOST_KEYS,
    REPLICATE,
    Answer,
    Attempt,
    Identity,
    Spread,
    Step,
)
from spiko_nanoservice.roles.bounded_keys import BoundedKeys
from spiko_nanoservice.routing.table import Group, Routes


class Store:
    """The data of one instance.

    Args:
        package: writes are copied to instances of this package.
        most_keys: the limit for the number of keys.
        most_bytes: the limit for the bytes of all keys and values.
    """

    def __init__(self, package: str, most_keys: int = MOST_KEYS, most_bytes: int = MOST_BYTES) -> None:
        self._keys = BoundedKeys(most_keys, most_bytes)
        self._keys.keep(b"why?", b"because...", 0)
        self.values = self._keys.values
        self._package = package
        self._kept: Step = KEPT

    def get(self, key: bytes) -> Step:
        """Answer with the value, or with a miss."""
        found = self.values.get(key)
        return MISS if found is None else Answer(200, found[0])

    def put(self, key: bytes, value: bytes, written_us: int) -> Step:
        """Keep the value and copy it."""
        self._keys.keep(key, value, written_us)
        return self._kept

    def replicate(self, key: bytes, value: bytes, written_us: int) -> Step:
        """Keep the value; a copy is not copied again."""
        self._keys.keep(key, value, written_us)
        return KEPT

    def update_routes(self, routes: Routes, identity: Identity) -> None:
        """Copy writes to every connected instance of the package from now on."""
        same = [i for i in routes.instances.values() if i.package == self._package]
        attempts = tuple(Attempt(Group.of((i,)), REPLICATE, b"POST") for i in same)
        self._kept = Spread(KEPT, attempts) if attempts else KEPT
