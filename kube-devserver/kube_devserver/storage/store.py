"""The objects, in memory and in a SQLite file, with one revision counter and the history that watches begin
from.

A write goes to SQLite first, in one transaction with the counter. A killed process loses nothing that was
acknowledged. A crash of the machine may lose the last writes, because a write does not wait for the disk, but
the file stays valid. Stored objects are never changed in place.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from kube_devserver.errors import DevServerError
from kube_devserver.objects import events
from kube_devserver.objects.exact_json import exact_json
from kube_devserver.objects.kinds import EVENTS, NEW_EVENTS, Body, Kind
from kube_devserver.objects.selectors import EVERYTHING, Selection
from kube_devserver.storage.history import History
from kube_devserver.storage.watch_cache import ADDED, DELETED, MODIFIED, Change, Version, Watcher, Watchers

FORMAT = 2  # of the file; a file of another format is refused
COMPACT = {EVENTS}  # kinds whose objects are many and rarely read
LARGEST_BYTES = 1_572_864  # of one object, as in etcd


class TooLargeError(DevServerError):
    """An object exceeds the size limit."""


class DamagedError(DevServerError):
    """The file cannot be read, or has another format."""


class Entry:
    """One object at one version."""

    __slots__ = ("_body", "_raw", "_version", "revision")

    def __init__(self, body: Body, revision: int, raw: bytes | None = None) -> None:
        self._body: Body | None = body
        self.revision, self._raw = revision, raw
        self._version: Version | None = None

    @property
    def body(self) -> Body:
        """The object; of a compact entry decoded at each call."""
        if self._body is not None:
            return self._body
        found: Body = orjson.loads(self.raw)
        return found

    def compact(self) -> None:
        """Keep only the object's JSON: a quarter of the memory, for objects that are rarely read."""
        self._raw, self._body, self._version = self.raw, None, None

    @property
    def raw(self) -> bytes:
        """The object as JSON, encoded at most once."""
        if self._raw is None:
            self._raw = exact_json(self.body)
        return self._raw

    def version(self, kind: Kind) -> Version:
        """The form in which history keeps the object; two changes share it: this version's begin and end."""
        if self._version is None:
            self._version = Version(kind, self.body, self.raw)
        return self._version


@dataclass(frozen=True, slots=True)
class Event:
    """A change of one object, for listeners in this process."""

    revision: int
    kind: Kind
    namespace: str
    type: str
    entry: Entry
    before: Entry | None


@dataclass(frozen=True)
class Alias:
    """A kind whose objects are stored as another kind, `of`, and converted when they are read and written."""

    of: Kind
    out: Callable[[Body], Body]
    into: Callable[[Body], Body]

    def entry(self, entry: Entry) -> Entry:
        """A stored object in the kind of the alias."""
        return Entry(self.out(entry.body), entry.revision)


ALIASES = {NEW_EVENTS: Alias(EVENTS, events.to_new, events.to_core)}


class Store:
    """All objects.

    Args:
        path: of the SQLite file; None stores nothing on disk.
        aliases: kinds that are stored as another one.
        clock: seconds that never go back, for the age of changes.

    Raises:
        DamagedError: the file exists, and is not a store of this format.
    """

    def __init__(
        self,
        path: Path | None,
        aliases: Mapping[Kind, Alias] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path, self._aliases = path, ALIASES if aliases is None else aliases
        self._db = sqlite3.connect(":memory:" if path is None else path, isolation_level=None)
        self._kinds: dict[Kind, dict[tuple[str, str], Entry]] = {}
        self._watchers: dict[Kind, Watchers] = {}
        try:
            self._prepare()
            self.revision = self._load()
        except (sqlite3.DatabaseError, ValueError, TypeError) as error:
            self._db.close()
            text = f"{path}: the file with the cluster's objects cannot be read: {error}"
            raise DamagedError(text) from error
        except DamagedError:
            self._db.close()
            raise
        self.history = History(self.revision, clock)
        self.listeners: list[Callable[[Event], None]] = []

    def _prepare(self) -> None:
        found = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        is_new = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if not is_new and found != FORMAT:
            raise DamagedError(
                f"{self._path}: the store has format {found}, and this release reads format {FORMAT} only"
            )
        self._db.execute(f"PRAGMA user_version={FORMAT}")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")  # only checkpoints wait for the disk
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS objects (api TEXT, plural TEXT, namespace TEXT, name TEXT, revision"
            " INTEGER, body BLOB, PRIMARY KEY (api, plural, namespace, name)) WITHOUT ROWID"
        )
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS counter (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER)"
        )

    def _load(self) -> int:
        for api, plural, namespace, name, revision, raw in self._db.execute("SELECT * FROM objects"):
            entry = Entry(orjson.loads(raw), revision, raw)
            if (api, plural) in COMPACT:
                entry.compact()
            self._kinds.setdefault((api, plural), {})[namespace, name] = entry
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
        """One object; None if it does not exist."""
        alias = self._aliases.get(kind)
        if alias is not None:
            entry = self.get(alias.of, namespace, name)
            return alias.entry(entry) if entry is not None else None
        return self._kinds.get(kind, {}).get((namespace, name))

    def entries(self, kind: Kind, namespace: str = "") -> list[Entry]:
        """The objects of a kind, or of one namespace, sorted by name."""
        alias = self._aliases.get(kind)
        if alias is not None:
            return [alias.entry(entry) for entry in self.entries(alias.of, namespace)]
        found = self._kinds.get(kind, {})
        keys = sorted(found) if not namespace else sorted(key for key in found if key[0] == namespace)
        return [found[key] for key in keys]

    def each(self, kind: Kind) -> Iterable[Entry]:
        """The objects of a kind in no order; the store must not be written meanwhile."""
        return self._kinds.get(kind, {}).values()

    def kinds(self) -> list[Kind]:
        """The kinds of which objects exist."""
        return [kind for kind, entries in self._kinds.items() if entries]

    # ------------------------------------------------------------------ writing

    def put(self, kind: Kind, namespace: str, name: str, body: Body) -> Entry:
        """Create or replace an object, and give it its resourceVersion.

        Raises:
            TooLargeError: it exceeds LARGEST_BYTES.
        """
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
            text = f"an object has {len(entry.raw)} bytes, and at most {LARGEST_BYTES} can be kept"
            raise TooLargeError(text)
        with self._transaction(revision):
            self._db.execute(
                "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?)",
                (*kind, namespace, name, revision, entry.raw),
            )
        entries[namespace, name] = entry
        self._notify(Event(revision, kind, namespace, ADDED if before is None else MODIFIED, entry, before))
        if kind in COMPACT:
            entry.compact()
        return entry

    def remove(self, kind: Kind, namespace: str, name: str) -> Entry:
        """Delete an object, and return its last state with the version of the deletion."""
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
        metadata = before.body["metadata"] | {"resourceVersion": str(revision)}
        last = Entry(before.body | {"metadata": metadata}, revision)
        self._notify(Event(revision, kind, namespace, DELETED, last, before))
        return last

    def _transaction(self, revision: int) -> _Transaction:
        return _Transaction(self._db, revision)

    def _notify(self, event: Event) -> None:
        self.revision = event.revision
        change = _change(event, event.kind, event.entry, event.before)
        if self.history.add(change):
            for each in self._watchers.values():
                each.drop_before(self.history.oldest)
        if (watchers := self._watchers.get(event.kind)) is not None:
            watchers.notify(change)
        for kind, alias in self._aliases.items():
            if alias.of == event.kind and (watchers := self._watchers.get(kind)):
                watchers.notify(_aliased(alias, kind, event))
        for listener in self.listeners:
            listener(event)

    # ------------------------------------------------------------------ watching

    def watch(self, kind: Kind, after: int, selection: Selection = EVERYTHING) -> Watcher | None:
        """A watcher of the changes after a version; None if the version is older than the history."""
        alias = self._aliases.get(kind)
        kept = alias.of if alias else kind
        if not self.history.has_all_since(kept, after):
            return None
        watcher = self._watchers.setdefault(kind, Watchers()).add(selection)
        for change in self.history.after(kept, after):
            watcher.put(_aliased_history(alias, kind, change) if alias else change)
        return watcher

    def end_watches(self, kind: Kind) -> None:
        """End all watches of a kind that is not served any more."""
        if kind in self._watchers:
            self._watchers[kind].end()


def _change(event: Event, kind: Kind, entry: Entry, before: Entry | None) -> Change:
    was = before.version(kind) if before is not None else None
    return Change(event.revision, kind, event.type, entry.version(kind), was)


def _aliased(alias: Alias, kind: Kind, event: Event) -> Change:
    """A change in the kind of an alias."""
    return _change(
        event, kind, alias.entry(event.entry), alias.entry(event.before) if event.before is not None else None
    )


def _aliased_history(alias: Alias, kind: Kind, change: Change) -> Change:
    """A change of the history in the kind of an alias."""

    def convert(version: Version) -> Version:
        return Entry(alias.out(version.body()), change.revision).version(kind)

    was = convert(change.before) if change.before is not None else None
    return Change(change.revision, kind, change.type, convert(change.now), was)


class _Transaction:
    """A transaction that writes the revision counter together with its change."""

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
