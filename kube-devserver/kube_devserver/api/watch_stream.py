"""Watches: from the store's changes to the lines of an answer, in the representation of the client."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from kube_devserver.api import tables
from kube_devserver.api.media_types import PARTIAL, TABLE, Form
from kube_devserver.api_errors import StatusError, expired, too_large_version
from kube_devserver.objects.kinds import Body
from kube_devserver.objects.resource_registry import Resource
from kube_devserver.objects.selectors import Selection
from kube_devserver.storage import versions
from kube_devserver.storage.store import Entry, Store
from kube_devserver.storage.watch_cache import ADDED, BOOKMARK, Notice, Watcher

BOOKMARK_EVERY_S = 60.0
BEFORE_END_S = 2.0  # a bookmark shortly before the end says where the next watch can begin
INITIAL_END = {"k8s.io/initial-events-end": "true"}
CACHE_BYTES = 4 << 20  # of lines that several watches share
Chunks = AsyncGenerator[bytes, None]


@dataclass(frozen=True)
class Watch:
    """One watch request.

    Args:
        resource: of the objects.
        selection: which of them.
        form: of the objects in the answer.
        include: of each object in a Table's row.
        after: the version to begin after; None or 0 begins with the objects that exist.
        initial: whether the objects that exist are sent first, followed by a bookmark; None if the client did
            not say.
        bookmarks: whether the client accepts them.
        timeout_s: how long the watch lasts.
    """

    resource: Resource
    selection: Selection
    form: Form
    include: str
    after: int | None
    initial: bool | None
    bookmarks: bool
    timeout_s: float


async def watch_lines(
    store: Store, watch: Watch, now: Callable[[], datetime], cache: Lines
) -> AsyncGenerator[bytes, None]:
    """The answer to a watch, in pieces of whole lines, until its time is over."""
    encoder = _Encoder(watch, now, cache)
    if watch.after and watch.after > store.revision:
        # Kubernetes waits for the version. A client that knew an earlier cluster would miss every change
        # until then.
        error = f"unknown resource version: {watch.after}, current: {store.revision}"
        why = too_large_version(watch.after, store.revision) if watch.initial else expired(error)
        yield encoder.error(why)
        return
    with_all = watch.initial or (watch.initial is None and not watch.after)
    begin = store.revision if with_all or not watch.after else watch.after
    watcher = store.watch(watch.resource.key, begin, watch.selection)
    if watcher is None:
        yield encoder.error(expired(f"too old resource version: {watch.after} ({store.history.oldest})"))
        return
    try:
        if with_all:
            yield b"".join(_initial(store, watch, encoder))
        async for piece in _follow(store, watch, watcher, encoder):
            yield piece
    finally:
        watcher.close()


def _initial(store: Store, watch: Watch, encoder: _Encoder) -> list[bytes]:
    test, resource = watch.selection.test, watch.resource
    held = store.entries(resource.key, watch.selection.namespace)
    entries = [each for each in held if test is None or test(each.body)]
    found = [encoder.event(ADDED, versions.shown(resource, entry)) for entry in entries]
    if watch.initial and watch.bookmarks:
        found.append(encoder.bookmark(store.revision, INITIAL_END))
    return found


async def _follow(store: Store, watch: Watch, watcher: Watcher, encoder: _Encoder) -> Chunks:
    clock = asyncio.get_running_loop().time
    end = clock() + watch.timeout_s
    mark = _next_mark(clock(), end) if watch.bookmarks else end
    while (left := min(mark, end) - clock()) > 0 or mark < end:
        await watcher.wait(max(0.0, left))
        pieces = [encoder.notice(notice) for notice in watcher.take()]
        if watcher.ended:
            if watcher.behind:
                pieces.append(encoder.error(expired("the watch is too far behind")))
            yield b"".join(pieces)
            return
        if mark < end and clock() >= mark:
            pieces.append(encoder.bookmark(store.revision))
            mark = _next_mark(clock(), end)
        if data := b"".join(pieces):
            yield data


def _next_mark(now_s: float, end_s: float) -> float:
    """When the next bookmark is due: every minute, and shortly before the end.

    >>> _next_mark(0.0, 1000.0), _next_mark(0.0, 30.0), _next_mark(28.0, 30.0), _next_mark(0.0, 1.0)
    (60.0, 28.0, 30.0, 1.0)
    """
    due, last = now_s + BOOKMARK_EVERY_S, end_s - BEFORE_END_S
    if now_s < last < due:
        return last
    return min(due, end_s)


class Lines:
    """Recently encoded lines: watches with the same representation share them."""

    def __init__(self) -> None:
        self._lines: dict[tuple[Any, ...], bytes] = {}
        self._bytes = 0

    def get(self, key: tuple[Any, ...], encode: Callable[[], bytes]) -> bytes:
        """The line of a key, encoded if it is not cached."""
        found = self._lines.get(key)
        if found is None:
            found = self._lines[key] = encode()
            self._bytes += len(found)
            while self._bytes > CACHE_BYTES:
                self._bytes -= len(self._lines.pop(next(iter(self._lines))))
        return found


class _Encoder:
    """Encodes changes in the representation of a watch."""

    def __init__(self, watch: Watch, now: Callable[[], datetime], cache: Lines) -> None:
        self._watch, self._now, self._cache = watch, now, cache
        self._has_columns = False
        head = {"apiVersion": watch.resource.api_version, "kind": watch.resource.kind}
        self._head = orjson.dumps(head)[:-1]  # the beginning of a stored object of the watch's version

    def notice(self, notice: Notice) -> bytes:
        """A change."""
        form, version = self._watch.form, notice.version
        if form.what == TABLE:
            return self.event(notice.type, self._entry(notice))
        if form.what != PARTIAL and version is notice.change.now and version.raw.startswith(self._head):
            return _line(notice.type, version.raw)
        key = (notice.change.revision, notice.type, self._head, form)
        return self._cache.get(key, lambda: self.event(notice.type, self._entry(notice)))

    def _entry(self, notice: Notice) -> Entry:
        """The state to show at the change's version: the previous one for an object that left."""
        body, revision = notice.version.body(), notice.change.revision
        if notice.version is not notice.change.now:
            body = body | {"metadata": body["metadata"] | {"resourceVersion": str(revision)}}
        return versions.shown(self._watch.resource, Entry(body, revision))

    def event(self, kind: str, entry: Entry) -> bytes:
        """An object with the type of its change."""
        form = self._watch.form
        if form.what == TABLE:
            return _line(kind, orjson.dumps(self._table(entry)))
        if form.what == PARTIAL:
            return _line(kind, orjson.dumps(tables.partial(entry.body, form.version)))
        return _line(kind, entry.raw)

    def _table(self, entry: Entry) -> Body:
        watch = self._watch
        with_columns, self._has_columns = not self._has_columns, True
        style = tables.Style(watch.form.version, watch.include, self._now(), with_columns)
        return tables.table(watch.resource, [entry.body], {"resourceVersion": str(entry.revision)}, style)

    def bookmark(self, version: int, annotations: dict[str, str] | None = None) -> bytes:
        """The version that the watch has reached: an object with a resourceVersion and without a name."""
        resource, form = self._watch.resource, self._watch.form
        metadata: dict[str, Any] = {"resourceVersion": str(version)}
        if annotations:
            metadata["annotations"] = annotations
        body: Body = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
        if form.what == PARTIAL:
            return _line(BOOKMARK, orjson.dumps(tables.partial(body, form.version)))
        if form.what == TABLE:
            entry = Entry(body | {"spec": {}, "status": {}}, version)
            with contextlib.suppress(KeyError):
                return _line(BOOKMARK, orjson.dumps(self._table(entry)))
        return _line(BOOKMARK, orjson.dumps(body))

    def error(self, error: StatusError) -> bytes:
        """The reason for which the watch ends."""
        return _line("ERROR", orjson.dumps(error.body()))


def _line(kind: str, raw: bytes) -> bytes:
    return b'{"type":"' + kind.encode() + b'","object":' + raw + b"}\n"
