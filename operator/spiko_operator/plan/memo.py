"""Pure: the last result of a function for each of its callers, so that a pass repeats no work."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, Generic, TypeVar

MOST_SLOTS = 1000
V = TypeVar("V")


class Memo(Generic[V]):
    """One result for each slot, kept until the slot gets other arguments; the least recent slots are dropped.

    Results are shared, so they must not be changed. Passes may run in several threads.

    >>> memo = Memo()
    >>> memo.get("lamp", [1], lambda: "built"), memo.get("lamp", [1], lambda: "again")
    ('built', 'built')
    """

    def __init__(self, most: int = MOST_SLOTS) -> None:
        self._most, self._lock = most, Lock()
        self._results: dict[Hashable, tuple[Any, V]] = {}

    def get(self, slot: Hashable, arguments: Any, build: Callable[[], V]) -> V:
        """Return the result for these arguments, which are compared by equality; build it if they changed."""
        with self._lock:
            known = self._results.pop(slot, None)
            if known is not None and known[0] == arguments:
                self._results[slot] = known
                return known[1]
        result = build()
        with self._lock:
            self._results[slot] = arguments, result
            while len(self._results) > self._most:
                del self._results[next(iter(self._results))]
        return result

    def forget(self, slot: Hashable) -> None:
        """Drop the result of a slot."""
        with self._lock:
            self._results.pop(slot, None)
