"""Pure: keys and values in memory, bounded in number and bytes."""

from __future__ import annotations

from collections import OrderedDict

from spiko_nanoservice.roles import MOST_BYTES, MOST_KEYS


class BoundedKeys:
    """Values by key, each with the time of its write.

    The key written first is dropped first when a limit is exceeded.

    Args:
        most_keys: the limit for the number of keys.
        most_bytes: the limit for the bytes of all keys and values.

    Attributes:
        values: (value, written_us) by key, in the order of the writes. Change it with `keep` and `drop` only.
    """

    def __init__(self, most_keys: int = MOST_KEYS, most_bytes: int = MOST_BYTES) -> None:
        self.values: OrderedDict[bytes, tuple[bytes, int]] = OrderedDict()
        self._most_keys, self._most_bytes, self._bytes = most_keys, most_bytes, 0

    def keep(self, key: bytes, value: bytes, written_us: int) -> None:
        """Keep a value; a key that is kept already counts as written now."""
        self.drop(key)
        self.values[key] = value, written_us
        self._bytes += len(key) + len(value)
        while len(self.values) > self._most_keys or self._bytes > self._most_bytes:
            self.drop(next(iter(self.values)))

    def drop(self, key: bytes) -> None:
        """Remove a key if it is there."""
        found = self.values.pop(key, None)
        if found is not None:
            self._bytes -= len(key) + len(found[0])
