"""The changes that watches begin from, bounded in number, bytes and age.

A change is dropped when a bound is passed, so that the memory of a large cluster is given back after
it was deleted. A watch can begin after a version if no later change of its kind was dropped.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator

from kube_devserver.objects.kinds import Kind
from kube_devserver.storage.memory import give_back
from kube_devserver.storage.watch_cache import Change

HISTORY = 20_000  # changes; more than 1,000 pods cause while they start
HISTORY_BYTES = 32 << 20  # of objects in these changes
HISTORY_S = 75.0  # age, as in the watch cache of kube-apiserver; bookmarks are 60 s apart
SPARE = 4  # a quarter more than HISTORY is kept before it is cut, so that cutting is rare
MARK_S = 5.0  # between the moments by which the age is measured
LARGE_BYTES = 4 << 20  # of dropped changes, after which memory is given back to the system


class History:
    """The changes of all kinds, oldest first.

    Args:
        begin: the version before the first change.
        clock: seconds that never go back.
    """

    def __init__(self, begin: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.oldest = begin  # no change up to this version is held
        self._begin, self._clock = begin, clock
        self._changes: list[Change] = []
        self._bytes = 0
        self._marks: deque[tuple[float, int]] = deque()  # moments, and the version that was reached then
        self._dropped: dict[Kind, int] = {}  # the version of the last change that was dropped
        self._dropped_bytes = 0  # since memory was given back

    def __len__(self) -> int:
        """The number of changes."""
        return len(self._changes)

    def add(self, change: Change) -> bool:
        """Add a change; returns whether older ones were dropped."""
        self._changes.append(change)
        self._bytes += change.size
        now, old = self._clock(), 0
        if not self._marks or now >= self._marks[-1][0] + MARK_S:
            self._marks.append((now, change.revision))
        while self._marks[0][0] < now - HISTORY_S:
            old = self._marks.popleft()[1]
        is_large = len(self) > HISTORY + HISTORY // SPARE or self._bytes > HISTORY_BYTES
        gone = self._count_too_many(self._first_after(old)) if is_large else self._first_after(old)
        if gone:
            self._drop(gone)
        return bool(gone)

    def _count_too_many(self, gone: int) -> int:
        """The number of changes to drop, at least `gone`, so that number and bytes are in bounds."""
        size = self._bytes - sum(change.size for change in self._changes[:gone])
        most = HISTORY_BYTES - HISTORY_BYTES // SPARE
        while len(self) - gone > HISTORY or (size > most and gone < len(self) - 1):
            size -= self._changes[gone].size
            gone += 1
        return gone

    def _drop(self, gone: int) -> None:
        for change in self._changes[:gone]:
            self._dropped[change.kind] = change.revision
            self._bytes -= change.size
            self._dropped_bytes += change.size
        self.oldest = self._changes[gone - 1].revision
        del self._changes[:gone]
        if self._dropped_bytes > LARGE_BYTES:
            self._dropped_bytes = 0
            give_back()

    def has_all_since(self, kind: Kind, version: int) -> bool:
        """Whether every later change of a kind is held."""
        return version >= max(self._begin, self._dropped.get(kind, 0))

    def after(self, kind: Kind, version: int) -> Iterator[Change]:
        """The changes of a kind after a version."""
        return (change for change in self._changes[self._first_after(version) :] if change.kind == kind)

    def _first_after(self, version: int) -> int:
        return bisect_right(self._changes, version, key=lambda change: change.revision)
