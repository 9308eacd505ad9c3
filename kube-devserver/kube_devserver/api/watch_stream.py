"""Watches: from the store's changes to the lines of an answer, in the form that was asked for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from kube_devserver.api import tables
from kube_devserver.api.request_parsing import PARTIAL, TABLE, Form
from kube_devserver.api_errors import StatusError, expired, too_large_version
from kube_devserver.custom import versions
from kube_devserver.objects.resource_registry import Resource
from kube_devserver.objects.selectors import Selection
from kube_devserver.storage.store import Body, Entry, Store
from kube_devserver.storage.watch_cache import ADDED, BOOKMARK, Told

BOOKMARK_EVERY_S = 60.0
BEFORE_END_S = 2.0  # a bookmark tells who is about to watch again where from
INITIAL_END = {"k8s.io/initial-events-end": "true"}
CACHE_BYTES = 4 << 20  # of lines that many watchers are told


@dataclass(frozen=True)
class Watch:
    """One request.

    Args:
        resource: what is watched.
        chosen: which of them.
        form: of the objects.
        include: of a Table's rows.
        after: the version to begin after; None or 0 begins with what there is.
        initial: send what there is first, and a bookmark that says when that was all; None if nothing was said of it.
        bookmarks: whether the client takes them.
        timeout_s: how long.
    """

    resource: Resource
    chosen: Selection
    form: Form
    include: str
    after: int | None
    initial: bool | None
    bookmarks: bool
    timeout_s: float


async def lines(store: Store, watch: Watch, now: Callable[[], datetime], cache: Lines) -> AsyncIterator[bytes]:
    """The answer, piece by piece, until the time is over."""
    speaker = _Speaker(watch, now, cache)
    kind, chosen = watch.resource.key, watch.chosen
    if watch.after and watch.after > store.revision:
        # Kubernetes waits until there is such a version, and a client that knew another cluster misses all until then
        if watch.initial:
            yield speaker.error(too_large_version(watch.after, store.revision))
        else:
            yield speaker.error(expired(f"unknown resource version: {watch.after}, current: {store.revision}"))
        return
    with_all = watch.initial or (watch.initial is None and not watch.after)
    from_now = with_all or not watch.after
    watcher = store.watch(kind, store.revision if from_now else watch.after or 0, chosen)
    if watcher is None:
        yield speaker.error(expired(f"too old resource version: {watch.after} ({store.oldest})"))
        return
    try:
        if with_all:
            version = store.revision
            entries = [e for e in store.entries(kind, chosen.namespace) if chosen.test is None or chosen.test(e.body)]
            yield b"".join(speaker.say(ADDED, versions.shown(watch.resource, entry)) for entry in entries)
            if watch.initial and watch.bookmarks:
                yield speaker.bookmark(version, INITIAL_END)
        clock = asyncio.get_running_loop().time
        end = clock() + watch.timeout_s
        mark = _next_mark(clock(), end) if watch.bookmarks else end
        while (left := min(mark, end) - clock()) > 0 or mark < end:
            await watcher.wait(max(0.0, left))
            pieces = [speaker.tell(told) for told in watcher.take()]
            if watcher.ended:
                if watcher.behind:
                    pieces.append(speaker.error(expired("the watch is too far behind")))
                yield b"".join(pieces)
                return
            if mark < end and clock() >= mark:
                pieces.append(speaker.bookmark(store.revision))
                mark = _next_mark(clock(), end)
            if data := b"".join(pieces):
                yield data
    finally:
        watcher.close()


def _next_mark(now_s: float, end_s: float) -> float:
    """When the next bookmark is due, however much there is to tell until then: every minute, and shortly before the end.

    >>> _next_mark(0.0, 1000.0), _next_mark(0.0, 30.0), _next_mark(28.0, 30.0), _next_mark(0.0, 1.0)
    (60.0, 28.0, 30.0, 1.0)
    """
    due, last = now_s + BOOKMARK_EVERY_S, end_s - BEFORE_END_S
    if now_s < last < due:
        return last
    return min(due, end_s)


class Lines:
    """Lines that were made lately: the same one goes to everybody who watches in the same way."""

    def __init__(self) -> None:
        self._lines: dict[tuple[Any, ...], bytes] = {}
        self._bytes = 0

    def get(self, key: tuple[Any, ...], make: Callable[[], bytes]) -> bytes:
        """A line, made if it is not there."""
        found = self._lines.get(key)
        if found is None:
            found = self._lines[key] = make()
            self._bytes += len(found)
            while self._bytes > CACHE_BYTES:
                self._bytes -= len(self._lines.pop(next(iter(self._lines))))
        return found


class _Speaker:
    """Changes in the form that a watch asks for."""

    def __init__(self, watch: Watch, now: Callable[[], datetime], cache: Lines) -> None:
        self._watch, self._now, self._cache = watch, now, cache
        self._headed = False
        resource = watch.resource
        head = {"apiVersion": resource.api_version, "kind": resource.kind}
        self._head = orjson.dumps(head)[:-1]  # as stored ones begin

    def tell(self, told: Told) -> bytes:
        """A change."""
        form = self._watch.form
        if form.what == TABLE:
            return self.say(told.type, self._entry(told))
        if form.what != PARTIAL and told.version is told.change.now and told.version.raw.startswith(self._head):
            return _line(told.type, told.version.raw)
        key = (told.change.revision, told.type, self._head, form)
        return self._cache.get(key, lambda: self.say(told.type, self._entry(told)))

    def _entry(self, told: Told) -> Entry:
        """The state that is told of, with the version of the change: of what has left a selector it is the one before."""
        body = told.version.body()
        if told.version is not told.change.now:
            body = body | {"metadata": body["metadata"] | {"resourceVersion": str(told.change.revision)}}
        return versions.shown(self._watch.resource, Entry(body, told.change.revision))

    def say(self, kind: str, entry: Entry) -> bytes:
        """One event."""
        form = self._watch.form
        if form.what == TABLE:
            return _line(kind, orjson.dumps(self._table(entry)))
        if form.what == PARTIAL:
            return _line(kind, orjson.dumps(tables.partial(entry.body, form.version)))
        return _line(kind, entry.raw)

    def _table(self, entry: Entry) -> Body:
        watch = self._watch
        metadata = {"resourceVersion": str(entry.revision)}
        headed, self._headed = not self._headed, True
        return tables.table(
            watch.resource, [entry.body], metadata, watch.form.version, watch.include, self._now(), headed
        )

    def bookmark(self, version: int, annotations: dict[str, str] | None = None) -> bytes:
        """How far the watch is: an object of the form that is watched in, which has a version and no name."""
        resource, form = self._watch.resource, self._watch.form
        metadata: dict[str, Any] = {"resourceVersion": str(version)}
        if annotations:
            metadata["annotations"] = annotations
        body: Body = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
        if form.what == PARTIAL:
            return _line(BOOKMARK, orjson.dumps(tables.partial(body, form.version)))
        if form.what == TABLE:
            entry = Entry(body | {"spec": {}, "status": {}, "roleRef": {"kind": "", "name": ""}}, version)
            with contextlib.suppress(KeyError):
                return _line(BOOKMARK, orjson.dumps(self._table(entry)))
        return _line(BOOKMARK, orjson.dumps(body))

    def error(self, error: StatusError) -> bytes:
        """The end, with its reason."""
        return _line("ERROR", orjson.dumps(error.body()))


def _line(kind: str, raw: bytes) -> bytes:
    return b'{"type":"' + kind.encode() + b'","object":' + raw + b"}\n"
