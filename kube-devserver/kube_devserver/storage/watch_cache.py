"""What changed, as it is remembered and told: changes without their objects' bodies, and the watchers that wait for some of them.

The store puts changes in, streams take them out. A change is looked at once for each watcher that may care: watchers are kept by the namespace,
the name or the node that they ask for, and a change that a selector leaves out wakes nobody.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import orjson

from kube_devserver.objects.selectors import Selection, Test, digest

Body = dict[str, Any]
Kind = tuple[str, str]  # group and plural
ADDED, MODIFIED, DELETED, BOOKMARK = "ADDED", "MODIFIED", "DELETED", "BOOKMARK"
OVERHEAD_BYTES = 800  # of a change beside its object: labels, fields and Python's own


class Version:
    """An object at one version: as JSON, and what selectors look at."""

    __slots__ = ("digest", "raw")

    def __init__(self, kind: Kind, body: Body, raw: bytes) -> None:
        self.digest, self.raw = digest(kind, body), raw

    def body(self) -> Body:
        """The object; decoded anew each time."""
        found: Body = orjson.loads(self.raw)
        return found


class Change:
    """One change of one object."""

    __slots__ = ("before", "kind", "now", "revision", "type")

    def __init__(self, revision: int, kind: Kind, type_: str, now: Version, before: Version | None) -> None:
        self.revision, self.kind, self.type, self.now, self.before = revision, kind, type_, now, before

    @property
    def size(self) -> int:
        """Bytes that remembering it costs; the state before is that of an earlier change."""
        return len(self.now.raw) + OVERHEAD_BYTES


class Told(NamedTuple):
    """What a watcher is told of a change: its type to who watches by a selector, and the state to show."""

    type: str
    change: Change
    version: Version


class Watcher:
    """Changes of one kind that somebody chose, in order; take them, and close when done.

    Args:
        chosen: by selectors.
        close: takes it off the store's list.
    """

    def __init__(self, chosen: Selection, close: Callable[[Watcher], None]) -> None:
        self.chosen, self._close = chosen, close
        self._queue: deque[Told] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self.behind = False  # it must list again
        self.ended = False

    def put(self, change: Change) -> None:
        """Called by the store."""
        told = _tell(self.chosen, change)
        if told is not None and not self.ended:
            self._queue.append(told)
            self._wake()

    def forget(self, oldest: int) -> None:
        """History goes back to a version only: whoever has not taken what was before is behind, and what it has not taken is let go."""
        if self._queue and self._queue[0].change.revision <= oldest:
            self._queue.clear()
            self.behind = True
            self.end()

    def end(self) -> None:
        """The kind is no longer served, the server stops, or the watcher is behind."""
        self.ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def wait(self, timeout_s: float) -> None:
        """Until there is something to take, or the end, or for so long."""
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

    def take(self) -> Iterator[Told]:
        """What waits."""
        while self._queue:
            yield self._queue.popleft()

    def close(self) -> None:
        """No more changes."""
        self._close(self)


def _tell(chosen: Selection, change: Change) -> Told | None:
    """What leaves a selector is deleted for who watches by it, what enters it is new."""
    if chosen.test is None:
        return Told(change.type, change, change.now)
    is_in = change.type != DELETED and _passes(chosen, chosen.test, change.now)
    was_in = change.before is not None and _passes(chosen, chosen.test, change.before)
    if is_in:
        return Told(MODIFIED if was_in else ADDED, change, change.now)
    if not was_in:
        return None
    assert change.before is not None
    return Told(DELETED, change, change.now if change.type == DELETED else change.before)


def _passes(chosen: Selection, test: Test, version: Version) -> bool:
    return test(version.body() if chosen.whole else version.digest)


class Watchers:
    """All watchers of a kind, by what they ask for."""

    def __init__(self) -> None:
        self._all: set[Watcher] = set()
        self._by_place: dict[tuple[str, ...], set[Watcher]] = {}

    def add(self, chosen: Selection) -> Watcher:
        """A new one."""
        watcher = Watcher(chosen, self._remove)
        self._all.add(watcher)
        self._by_place.setdefault(chosen.place, set()).add(watcher)
        return watcher

    def _remove(self, watcher: Watcher) -> None:
        self._all.discard(watcher)
        place = watcher.chosen.place
        if (there := self._by_place.get(place)) is not None:
            there.discard(watcher)
            if not there:
                del self._by_place[place]

    def tell(self, change: Change) -> None:
        """A change to all whom it may concern."""
        if not self._all:
            return
        for place in _places(change):
            for watcher in self._by_place.get(place, ()):
                watcher.put(change)

    def forget(self, oldest: int) -> None:
        """History begins after a version now."""
        for watcher in self._all:
            watcher.forget(oldest)

    def end(self) -> None:
        """No more changes for anybody."""
        for watcher in self._all:
            watcher.end()


def _places(change: Change) -> set[tuple[str, ...]]:
    """What watchers who may care can have asked for."""
    metadata = change.now.digest["metadata"]
    namespace, name = metadata.get("namespace", ""), metadata["name"]
    found: set[tuple[str, ...]] = {(), (namespace,), ("", name), (namespace, name)}
    for version in (change.now, change.before):
        if version is not None and "spec" in version.digest and "nodeName" in version.digest["spec"]:
            found.add(("", "", version.digest["spec"]["nodeName"]))
    return found
