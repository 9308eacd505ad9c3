"""Changes of objects, and the watchers that wait for some of them.

The store puts changes in, watch streams take them out. Watchers are indexed by the namespace, name or node
that they select, so that a change is compared with few of them. A change that a selector excludes wakes no
watcher.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import orjson

from kube_devserver.objects.kinds import Body, Kind
from kube_devserver.objects.selectors import Selection, Test, digest

ADDED, MODIFIED, DELETED, BOOKMARK = "ADDED", "MODIFIED", "DELETED", "BOOKMARK"
OVERHEAD_BYTES = 800  # of a change in addition to its object: labels, fields and Python's objects


class Version:
    """An object at one version: its JSON, and the part that selectors read."""

    __slots__ = ("digest", "raw")

    def __init__(self, kind: Kind, body: Body, raw: bytes) -> None:
        self.digest, self.raw = digest(kind, body), raw

    def body(self) -> Body:
        """The object, decoded at each call."""
        found: Body = orjson.loads(self.raw)
        return found


class Change:
    """One change of one object."""

    __slots__ = ("before", "kind", "now", "revision", "type")

    def __init__(self, revision: int, kind: Kind, type_: str, now: Version, before: Version | None) -> None:
        self.revision, self.kind, self.type, self.now, self.before = revision, kind, type_, now, before

    @property
    def size(self) -> int:
        """The memory that the change takes in the history; the state before belongs to an earlier one."""
        return len(self.now.raw) + OVERHEAD_BYTES


class Notice(NamedTuple):
    """A change as one watcher gets it: its type for the watcher's selector, and the state to show."""

    type: str
    change: Change
    version: Version


class Watcher:
    """The changes that one watch selects, in order.

    Args:
        selection: of objects.
        close: removes the watcher from the watch cache.
    """

    def __init__(self, selection: Selection, close: Callable[[Watcher], None]) -> None:
        self.selection, self._close = selection, close
        self._queue: deque[Notice] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self.behind = False  # the history has been cut: the client must list again
        self.ended = False

    def put(self, change: Change) -> None:
        """Add a change if it is selected."""
        notice = _notice(self.selection, change)
        if notice is not None and not self.ended:
            self._queue.append(notice)
            self._wake()

    def drop_before(self, oldest: int) -> None:
        """End the watcher if it has not taken a change that the history does not have any more."""
        if self._queue and self._queue[0].change.revision <= oldest:
            self._queue.clear()
            self.behind = True
            self.end()

    def end(self) -> None:
        """End the watcher: its kind is not served any more, the server stops, or it is behind."""
        self.ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def wait(self, timeout_s: float) -> None:
        """Wait for a change or for the end, but not longer than a timeout."""
        if self._queue or self.ended:
            return
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        timer = loop.call_later(timeout_s, self._wake)
        try:
            await self._waiting
        finally:
            timer.cancel()
            self._waiting = None

    def take(self) -> Iterator[Notice]:
        """The changes that wait, oldest first."""
        while self._queue:
            yield self._queue.popleft()

    def close(self) -> None:
        """Remove the watcher."""
        self._close(self)


def _notice(selection: Selection, change: Change) -> Notice | None:
    """A change for one selection: an object that enters it is added, an object that leaves it is deleted."""
    if selection.test is None:
        return Notice(change.type, change, change.now)
    is_in = change.type != DELETED and _passes(selection, selection.test, change.now)
    was_in = change.before is not None and _passes(selection, selection.test, change.before)
    if is_in:
        return Notice(MODIFIED if was_in else ADDED, change, change.now)
    if not was_in:
        return None
    assert change.before is not None
    return Notice(DELETED, change, change.now if change.type == DELETED else change.before)


def _passes(selection: Selection, test: Test, version: Version) -> bool:
    return test(version.body() if selection.whole else version.digest)


class Watchers:
    """All watchers of a kind, by the place that they select."""

    def __init__(self) -> None:
        self._all: set[Watcher] = set()
        self._by_place: dict[tuple[str, ...], set[Watcher]] = {}

    def add(self, selection: Selection) -> Watcher:
        """Add a watcher."""
        watcher = Watcher(selection, self._remove)
        self._all.add(watcher)
        self._by_place.setdefault(selection.place, set()).add(watcher)
        return watcher

    def _remove(self, watcher: Watcher) -> None:
        self._all.discard(watcher)
        place = watcher.selection.place
        if (there := self._by_place.get(place)) is not None:
            there.discard(watcher)
            if not there:
                del self._by_place[place]

    def notify(self, change: Change) -> None:
        """Give a change to every watcher that may select it."""
        if not self._all:
            return
        for place in _places(change):
            for watcher in self._by_place.get(place, ()):
                watcher.put(change)

    def drop_before(self, oldest: int) -> None:
        """End the watchers that are behind a history that now begins after a version."""
        for watcher in self._all:
            watcher.drop_before(oldest)

    def end(self) -> None:
        """End all watchers."""
        for watcher in self._all:
            watcher.end()


def _places(change: Change) -> set[tuple[str, ...]]:
    """The places under which watchers that may select a change are indexed."""
    metadata = change.now.digest["metadata"]
    namespace, name = metadata.get("namespace", ""), metadata["name"]
    found: set[tuple[str, ...]] = {(), (namespace,), ("", name), (namespace, name)}
    for version in (change.now, change.before):
        if version is not None and "spec" in version.digest and "nodeName" in version.digest["spec"]:
            found.add(("", "", version.digest["spec"]["nodeName"]))
    return found
