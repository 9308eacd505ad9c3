"""Watches: from the store's events to the lines of an answer, filtered, in the form that was asked for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from spiko_local.apiserver import tables
from spiko_local.apiserver.asked import PARTIAL, TABLE, Form
from spiko_local.apiserver.catalog import Resource
from spiko_local.apiserver.selectors import Test
from spiko_local.apiserver.statuses import StatusError, expired
from spiko_local.apiserver.store import ADDED, BOOKMARK, DELETED, MODIFIED, Body, Entry, Event, Store

BOOKMARK_EVERY_S = 60.0
INITIAL_END = {"k8s.io/initial-events-end": "true"}


@dataclass(frozen=True)
class Watch:
    """One request.

    Args:
        resource: what is watched.
        namespace: empty for all.
        test: of the selectors; None lets all through.
        form: of the objects.
        include: of a Table's rows.
        after: the version to begin after; None or 0 begins with what there is.
        initial: send what there is first, and a bookmark that says when that was all.
        bookmarks: whether the client takes them.
        timeout_s: how long.
    """

    resource: Resource
    namespace: str
    test: Test | None
    form: Form
    include: str
    after: int | None
    initial: bool
    bookmarks: bool
    timeout_s: float


async def lines(store: Store, watch: Watch, now: Callable[[], datetime]) -> AsyncIterator[bytes]:
    """The answer, piece by piece, until the time is over."""
    speaker = _Speaker(watch, now)
    kind = watch.resource.key
    from_now = watch.initial or not watch.after
    watcher = store.watch(kind, store.revision if from_now else watch.after or 0)
    if watcher is None:
        yield speaker.error(expired(f"too old resource version: {watch.after} ({store.oldest})"))
        return
    try:
        version = store.revision
        if from_now:
            entries = [
                entry for entry in store.entries(kind, watch.namespace) if watch.test is None or watch.test(entry.body)
            ]
            yield b"".join(speaker.say(ADDED, entry) for entry in entries)
            if watch.initial and watch.bookmarks:
                yield speaker.bookmark(version, INITIAL_END)
        end = asyncio.get_running_loop().time() + watch.timeout_s
        while (left := end - asyncio.get_running_loop().time()) > 0:
            event: Event | None
            try:
                async with asyncio.timeout(min(left, BOOKMARK_EVERY_S)):
                    event = await watcher.next()
            except TimeoutError:
                if watch.bookmarks:
                    yield speaker.bookmark(store.revision)
                continue
            pieces = []
            for each in (event, *watcher.ready()):
                if each is None:
                    if watcher.behind:
                        pieces.append(speaker.error(expired("the watch is too far behind")))
                    yield b"".join(pieces)
                    return
                if not watch.namespace or each.namespace == watch.namespace:
                    pieces.append(speaker.tell(each))
            if data := b"".join(pieces):
                yield data
    finally:
        watcher.close()


class _Speaker:
    """Events in the form that a watch asks for."""

    def __init__(self, watch: Watch, now: Callable[[], datetime]) -> None:
        self._watch, self._now = watch, now
        self._headed = False

    def tell(self, event: Event) -> bytes:
        """A change: what leaves a selector is deleted for who watches by it, what enters it is new."""
        test = self._watch.test
        if test is None:
            return self.say(event.type, event.entry)
        is_in = event.type != DELETED and test(event.entry.body)
        was_in = event.before is not None and test(event.before.body)
        if not is_in and not was_in:
            return b""
        if event.type == DELETED or (is_in and was_in):
            return self.say(event.type if event.type == DELETED else MODIFIED, event.entry)
        if is_in:
            return self.say(ADDED, event.entry)
        assert event.before is not None
        metadata = event.before.body["metadata"] | {"resourceVersion": str(event.revision)}
        return self.say(DELETED, Entry(event.before.body | {"metadata": metadata}, event.revision))

    def say(self, kind: str, entry: Entry) -> bytes:
        """One event."""
        if self._watch.form.what == TABLE:
            return _line(kind, orjson.dumps(self._table(entry)))
        if self._watch.form.what == PARTIAL:
            return _line(kind, orjson.dumps(tables.partial(entry.body)))
        return _line(kind, entry.raw)

    def _table(self, entry: Entry) -> Body:
        watch = self._watch
        metadata = {"resourceVersion": str(entry.revision)}
        headed, self._headed = not self._headed, True
        return tables.table(
            watch.resource, [entry.body], metadata, watch.form.version, watch.include, self._now(), headed
        )

    def bookmark(self, version: int, annotations: dict[str, str] | None = None) -> bytes:
        """How far the watch is."""
        resource = self._watch.resource
        metadata: dict[str, Any] = {"resourceVersion": str(version)}
        if annotations:
            metadata["annotations"] = annotations
        body: Body = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
        if self._watch.form.what == TABLE:
            entry = Entry(body | {"spec": {}, "status": {}, "roleRef": {"kind": "", "name": ""}}, version)
            with contextlib.suppress(KeyError):
                return _line(BOOKMARK, orjson.dumps(self._table(entry)))
        return _line(BOOKMARK, orjson.dumps(body))

    def error(self, error: StatusError) -> bytes:
        """The end, with its reason."""
        return _line("ERROR", orjson.dumps(error.body()))


def _line(kind: str, raw: bytes) -> bytes:
    return b'{"type":"' + kind.encode() + b'","object":' + raw + b"}\n"
