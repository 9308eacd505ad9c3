"""The objects, their versions and their history: one counter for all, a watch that misses nothing, a file that survives `kill -9`.

Everything is in memory as well as in SQLite. A write goes to SQLite first, in one transaction with the counter; the process may be killed
at any moment after it. The machine may crash, too: then the last writes are lost, for not each of them is waited for, but the file is sound.
Objects that are in here are never changed in place.
"""

from __future__ import annotations

import asyncio
import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from spiko_local.errors import LocalError

Body = dict[str, Any]
Kind = tuple[str, str]  # group and plural
ADDED, MODIFIED, DELETED, BOOKMARK = "ADDED", "MODIFIED", "DELETED", "BOOKMARK"
HISTORY = 20_000  # events that a watch can go back; more than an architecture of 1,000 pods makes while it starts
LARGEST_BYTES = 1_572_864  # as etcd's
QUEUE = 50_000  # events that a watcher may be behind before it is told to list again


class TooLargeError(LocalError):
    """An object has more bytes than can be kept."""


class DamagedError(LocalError):
    """The file cannot be read."""


class Entry:
    """One object at one version."""

    __slots__ = ("_raw", "body", "revision")

    def __init__(self, body: Body, revision: int, raw: bytes | None = None) -> None:
        self.body, self.revision, self._raw = body, revision, raw

    @property
    def raw(self) -> bytes:
        """As JSON; encoded once however many read it."""
        if self._raw is None:
            self._raw = orjson.dumps(self.body)
        return self._raw


@dataclass(frozen=True, slots=True)
class Event:
    """One change."""

    revision: int
    kind: Kind
    namespace: str
    type: str
    entry: Entry
    before: Entry | None


@dataclass(frozen=True)
class Alias:
    """The same objects under another API: kept as `of`, converted on their way out and in."""

    of: Kind
    out: Callable[[Body], Body]
    into: Callable[[Body], Body]

    def entry(self, entry: Entry) -> Entry:
        """An object as the alias has it."""
        return Entry(self.out(entry.body), entry.revision)


class Watcher:
    """Events of one kind, in order; iterate, and close when done.

    Args:
        close: takes it off the store's list.
    """

    def __init__(self, close: Callable[[Watcher], None]) -> None:
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._close = close
        self.behind = False

    def put(self, event: Event) -> None:
        """Called by the store."""
        if self._queue.qsize() >= QUEUE:
            self.behind = True
            self._queue.put_nowait(None)
        elif not self.behind:
            self._queue.put_nowait(event)

    def end(self) -> None:
        """The kind is no longer served, or the server stops."""
        self._queue.put_nowait(None)

    async def next(self) -> Event | None:
        """The next event; None at the end."""
        return await self._queue.get()

    def ready(self) -> Iterator[Event | None]:
        """Events that wait already."""
        while not self._queue.empty():
            yield self._queue.get_nowait()

    def close(self) -> None:
        """No more events."""
        self._close(self)


class Store:
    """All objects.

    Args:
        path: of the SQLite file; None keeps nothing.
        aliases: kinds that are kept as another one.

    Raises:
        DamagedError: the file is there, and is none that this wrote.
    """

    def __init__(self, path: Path | None, aliases: Mapping[Kind, Alias] | None = None) -> None:
        self._aliases = aliases or {}
        self._db = sqlite3.connect(":memory:" if path is None else path, isolation_level=None)
        self._kinds: dict[Kind, dict[tuple[str, str], Entry]] = {}
        self._watchers: dict[Kind, set[Watcher]] = {}
        self._history: list[Event] = []
        try:
            self._prepare()
            self.revision = self._load()
        except (sqlite3.DatabaseError, ValueError, TypeError) as error:
            self._db.close()
            raise DamagedError(
                f"{path}: the file with the cluster's objects cannot be read ({error}). `spiko down` without --keep removes it, and `spiko up`"
                f" begins with an empty cluster; to keep what is in it, copy it and those beside it that begin with {path and path.name} first"
            ) from error
        self.oldest = self.revision  # a watch can begin here or later
        self.listeners: list[Callable[[Event], None]] = []

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")  # with it the disk is waited for at checkpoints only
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS objects (api TEXT, plural TEXT, namespace TEXT, name TEXT, revision INTEGER, body BLOB,"
            " PRIMARY KEY (api, plural, namespace, name)) WITHOUT ROWID"
        )
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS counter (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER)"
        )

    def _load(self) -> int:
        for api, plural, namespace, name, revision, raw in self._db.execute("SELECT * FROM objects"):
            self._kinds.setdefault((api, plural), {})[namespace, name] = Entry(orjson.loads(raw), revision, raw)
        row = self._db.execute("SELECT revision FROM counter").fetchone()
        return int(row[0]) if row else 1

    def end(self) -> None:
        """End all watches."""
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.end()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # ------------------------------------------------------------------ reading

    def get(self, kind: Kind, namespace: str, name: str) -> Entry | None:
        """One object."""
        alias = self._aliases.get(kind)
        if alias is not None:
            entry = self.get(alias.of, namespace, name)
            return alias.entry(entry) if entry is not None else None
        return self._kinds.get(kind, {}).get((namespace, name))

    def entries(self, kind: Kind, namespace: str = "") -> list[Entry]:
        """All of a kind, or of a namespace, in the order of their names."""
        alias = self._aliases.get(kind)
        if alias is not None:
            return [alias.entry(entry) for entry in self.entries(alias.of, namespace)]
        found = self._kinds.get(kind, {})
        keys = sorted(found) if not namespace else sorted(key for key in found if key[0] == namespace)
        return [found[key] for key in keys]

    def each(self, kind: Kind) -> Iterable[Entry]:
        """All of a kind in no order; must not be written while it is read."""
        return self._kinds.get(kind, {}).values()

    def kinds(self) -> list[Kind]:
        """Kinds with objects."""
        return [kind for kind, entries in self._kinds.items() if entries]

    # ------------------------------------------------------------------ writing

    def put(self, kind: Kind, namespace: str, name: str, body: Body) -> Entry:
        """Create or replace; the body gets its resourceVersion here."""
        alias = self._aliases.get(kind)
        if alias is not None:
            return alias.entry(self.put(alias.of, namespace, name, alias.into(body)))
        revision = self.revision + 1
        head = {name: body[name] for name in ("apiVersion", "kind") if name in body}
        body = head | body | {"metadata": body["metadata"] | {"resourceVersion": str(revision)}}
        entry = Entry(body, revision)
        entries = self._kinds.setdefault(kind, {})
        before = entries.get((namespace, name))
        if len(entry.raw) > LARGEST_BYTES:
            raise TooLargeError(f"an object has {len(entry.raw)} bytes, and at most {LARGEST_BYTES} can be kept")
        with self._transaction(revision):
            self._db.execute(
                "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?)",
                (*kind, namespace, name, revision, entry.raw),
            )
        entries[namespace, name] = entry
        self._tell(Event(revision, kind, namespace, ADDED if before is None else MODIFIED, entry, before))
        return entry

    def remove(self, kind: Kind, namespace: str, name: str) -> Entry:
        """Delete; the last state carries the version of its end."""
        alias = self._aliases.get(kind)
        if alias is not None:
            return alias.entry(self.remove(alias.of, namespace, name))
        revision = self.revision + 1
        before = self._kinds[kind][namespace, name]
        with self._transaction(revision):
            self._db.execute(
                "DELETE FROM objects WHERE api = ? AND plural = ? AND namespace = ? AND name = ?",
                (*kind, namespace, name),
            )
        del self._kinds[kind][namespace, name]
        last = Entry(before.body | {"metadata": before.body["metadata"] | {"resourceVersion": str(revision)}}, revision)
        self._tell(Event(revision, kind, namespace, DELETED, last, before))
        return last

    def _transaction(self, revision: int) -> _Transaction:
        return _Transaction(self._db, revision)

    def _tell(self, event: Event) -> None:
        self.revision = event.revision
        self._history.append(event)
        if len(self._history) > HISTORY * 5 // 4:
            del self._history[:-HISTORY]
            self.oldest = self._history[0].revision - 1
        for watcher in self._watchers.get(event.kind, ()):
            watcher.put(event)
        for kind, alias in self._aliases.items():
            if alias.of == event.kind and (watchers := self._watchers.get(kind)):
                seen = _seen(alias, kind, event)
                for watcher in watchers:
                    watcher.put(seen)
        for listener in self.listeners:
            listener(event)

    # ------------------------------------------------------------------ watching

    def watch(self, kind: Kind, after: int) -> Watcher | None:
        """Events after a version, past and future; None if that is too long ago."""
        if after < self.oldest:
            return None
        watchers = self._watchers.setdefault(kind, set())
        watcher = Watcher(watchers.discard)
        alias = self._aliases.get(kind)
        kept = alias.of if alias else kind
        for event in self._history[bisect_right(self._history, after, key=lambda event: event.revision) :]:
            if event.kind == kept:
                watcher.put(_seen(alias, kind, event) if alias else event)
        watchers.add(watcher)
        return watcher

    def end_watches(self, kind: Kind) -> None:
        """The kind is gone."""
        for watcher in self._watchers.get(kind, ()):
            watcher.end()


def _seen(alias: Alias, kind: Kind, event: Event) -> Event:
    """A change as a watcher of the alias sees it."""
    before = alias.entry(event.before) if event.before is not None else None
    return Event(event.revision, kind, event.namespace, event.type, alias.entry(event.entry), before)


class _Transaction:
    """The counter moves with what it counts."""

    def __init__(self, db: sqlite3.Connection, revision: int) -> None:
        self._db, self._revision = db, revision

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._db.execute("INSERT OR REPLACE INTO counter VALUES (1, ?)", (self._revision,))
                self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
