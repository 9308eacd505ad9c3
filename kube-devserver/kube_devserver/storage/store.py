"""The objects, their versions and their history: one counter for all, a watch that misses nothing, a file that survives `kill -9`.

Everything is in memory as well as in SQLite. A write goes to SQLite first, in one transaction with the counter; the process may be killed
at any moment after it. The machine may crash, too: then the last writes are lost, for not each of them is waited for, but the file is sound.
Objects that are in here are never changed in place.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from kube_devserver.errors import DevServerError
from kube_devserver.objects.selectors import EVERYTHING, Selection
from kube_devserver.storage.watch_cache import ADDED, DELETED, MODIFIED, Change, Version, Watcher, Watchers

Body = dict[str, Any]
Kind = tuple[str, str]  # group and plural
HISTORY = 20_000  # events that a watch can go back; more than an architecture of 1,000 pods makes while it starts
HISTORY_BYTES = 32 << 20  # of objects in those events
SPARE = 4  # of history, a quarter more is kept before it is cut, so that cutting is rare
LARGEST_BYTES = 1_572_864  # as etcd's


class TooLargeError(DevServerError):
    """An object has more bytes than can be kept."""


class DamagedError(DevServerError):
    """The file cannot be read."""


class Entry:
    """One object at one version."""

    __slots__ = ("_raw", "_version", "body", "revision")

    def __init__(self, body: Body, revision: int, raw: bytes | None = None) -> None:
        self.body, self.revision, self._raw = body, revision, raw
        self._version: Version | None = None

    @property
    def raw(self) -> bytes:
        """As JSON; encoded once however many read it."""
        if self._raw is None:
            self._raw = orjson.dumps(self.body)
        return self._raw

    def version(self, kind: Kind) -> Version:
        """What history keeps of it; one for the change that made it and the one that ends it."""
        if self._version is None:
            self._version = Version(kind, self.body, self.raw)
        return self._version


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
        self._watchers: dict[Kind, Watchers] = {}
        self._history: list[Change] = []
        self._history_bytes = 0
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
        for kind in self._watchers:
            self.end_watches(kind)

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

    def entries_at(self, kind: Kind, namespace: str, version: int) -> list[Entry] | None:
        """All of a kind, or of a namespace, as they were at a version; None if that is too long ago."""
        if version >= self.revision:
            return self.entries(kind, namespace)
        if version < self.oldest:
            return None
        alias = self._aliases.get(kind)
        kept = alias.of if alias else kind
        found = {
            (each.body["metadata"].get("namespace", ""), each.body["metadata"]["name"]): each
            for each in self.entries(kept, namespace)
        }
        for change in reversed(self._history):  # what has happened since is undone, the latest first
            if change.revision <= version:
                break
            metadata = change.now.digest["metadata"]
            if change.kind != kept or (namespace and metadata.get("namespace", "") != namespace):
                continue
            key = (metadata.get("namespace", ""), metadata["name"])
            if change.before is None:
                del found[key]
            else:
                body = change.before.body()
                found[key] = Entry(body, int(body["metadata"]["resourceVersion"]), change.before.raw)
        entries = [found[key] for key in sorted(found)]
        return [alias.entry(entry) for entry in entries] if alias else entries

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
        change = _change(event, event.kind, event.entry, event.before)
        self._remember(change)
        if (watchers := self._watchers.get(event.kind)) is not None:
            watchers.tell(change)
        for kind, alias in self._aliases.items():
            if alias.of == event.kind and (watchers := self._watchers.get(kind)):
                watchers.tell(_seen(alias, kind, event))
        for listener in self.listeners:
            listener(event)

    def _remember(self, change: Change) -> None:
        """History is bounded in events and in bytes; who has not read what is forgotten here is told to list again."""
        history = self._history
        history.append(change)
        self._history_bytes += change.size
        if len(history) <= HISTORY + HISTORY // SPARE and self._history_bytes <= HISTORY_BYTES:
            return
        gone, size = 0, self._history_bytes
        most = HISTORY_BYTES - HISTORY_BYTES // SPARE
        while len(history) - gone > HISTORY or (size > most and gone < len(history) - 1):
            size -= history[gone].size
            gone += 1
        self.oldest = history[gone - 1].revision
        del history[:gone]
        self._history_bytes = size
        for watchers in self._watchers.values():
            watchers.forget(self.oldest)

    # ------------------------------------------------------------------ watching

    def watch(self, kind: Kind, after: int, chosen: Selection = EVERYTHING) -> Watcher | None:
        """Changes after a version, past and future; None if that is too long ago."""
        if after < self.oldest:
            return None
        watcher = self._watchers.setdefault(kind, Watchers()).add(chosen)
        alias = self._aliases.get(kind)
        kept = alias.of if alias else kind
        for change in self._history[bisect_right(self._history, after, key=lambda change: change.revision) :]:
            if change.kind == kept:
                watcher.put(_remembered(alias, kind, change) if alias else change)
        return watcher

    def end_watches(self, kind: Kind) -> None:
        """The kind is gone."""
        if kind in self._watchers:
            self._watchers[kind].end()


def _change(event: Event, kind: Kind, entry: Entry, before: Entry | None) -> Change:
    was = before.version(kind) if before is not None else None
    return Change(event.revision, kind, event.type, entry.version(kind), was)


def _seen(alias: Alias, kind: Kind, event: Event) -> Change:
    """A change as a watcher of the alias sees it."""
    return _change(
        event, kind, alias.entry(event.entry), alias.entry(event.before) if event.before is not None else None
    )


def _remembered(alias: Alias, kind: Kind, change: Change) -> Change:
    """The same of a change that is history."""

    def seen(version: Version) -> Version:
        return Entry(alias.out(version.body()), change.revision).version(kind)

    was = seen(change.before) if change.before is not None else None
    return Change(change.revision, kind, change.type, seen(change.now), was)


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
