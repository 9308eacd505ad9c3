"""The store: acknowledged writes are in the file, failed ones are not, and an unreadable file is named."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from kube_devserver.objects.kinds import Body
from kube_devserver.objects.selectors import Selection
from kube_devserver.storage.store import FORMAT, DamagedError, Event, Store
from kube_devserver.storage.watch_cache import ADDED, DELETED, MODIFIED

KIND = ("", "configmaps")


def body(name: str, **data: str) -> Body:
    """A ConfigMap."""
    return {"metadata": {"name": name}, "data": data}


def test_versions_increase_across_kinds() -> None:
    """Given writes of several kinds, when they are watched, then one counter orders all events."""
    store = Store(None)
    watcher = store.watch(KIND, store.revision, Selection())
    assert watcher is not None
    store.put(KIND, "a", "x", body("x"))
    store.put(("", "secrets"), "a", "x", body("x"))
    store.put(KIND, "a", "x", body("x", k="v"))
    store.remove(KIND, "a", "x")
    told = list(watcher.take())
    store.close()

    assert [each.type for each in told] == [ADDED, MODIFIED, DELETED]
    assert [each.change.revision for each in told] == [2, 4, 5]
    last = told[-1].change
    assert last.now.body()["metadata"]["resourceVersion"] == "5"
    assert last.before is not None
    assert last.before.body()["data"] == {"k": "v"}


def test_objects_outlive_the_process(tmp_path: Path) -> None:
    """Given a store on disk, when it is opened again, then it has the same objects and the same counter."""
    path = tmp_path / "objects.db"
    store = Store(path)
    for name in "xyz":
        store.put(KIND, "a", name, body(name))
    store.remove(KIND, "a", "y")
    revision = store.revision
    store.close()
    again = Store(path)
    names = [entry.body["metadata"]["name"] for entry in again.entries(KIND)]
    again.close()

    assert names == ["x", "z"]
    assert again.revision == revision


@pytest.mark.parametrize("table", ["objects", "counter"])
def test_a_write_that_fails_leaves_nothing_and_the_next_one_succeeds(tmp_path: Path, table: str) -> None:
    """Given a failing disk, when an object is written, then no object, version, transaction or event
    remains.
    """
    path = tmp_path / "objects.db"
    store = Store(path)
    store.put(KIND, "a", "before", body("before"))
    other = sqlite3.connect(path)
    other.execute(
        f"CREATE TRIGGER no BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
    )
    other.commit()
    heard: list[Event] = []
    store.listeners.append(heard.append)
    with pytest.raises(sqlite3.Error, match="the disk is full"):
        store.put(KIND, "a", "x", body("x"))

    assert store.get(KIND, "a", "x") is None
    assert heard == []
    other.execute("DROP TRIGGER no")
    other.commit()
    other.close()
    assert store.put(KIND, "a", "y", body("y")).revision == 3
    store.close()


DAMAGED = {
    "no database": b"these are no objects " * 500,
    "cut short": b"SQLite format 3\x00" + b"\x10\x00\x02\x02\x00\x40\x20\x20" + b"\x00" * 3000,
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    """Given a file that is not a store, when it is opened, then the error names it."""
    path = tmp_path / "objects.db"
    path.write_bytes(content)
    with pytest.raises(DamagedError, match=r"cannot be read|has format 0") as caught:
        Store(path)

    assert str(path) in str(caught.value)


@pytest.mark.parametrize("found", [FORMAT - 1, FORMAT + 1, 0])
def test_a_store_of_another_format_is_refused(tmp_path: Path, found: int) -> None:
    """Given a store of another release, when it is opened, then it is refused and stays as it was."""
    path = tmp_path / "objects.db"
    Store(path).close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version={found}")
    with pytest.raises(
        DamagedError, match=f"has format {found}, and this release reads format {FORMAT} only"
    ):
        Store(path)

    with contextlib.closing(sqlite3.connect(path)) as db:
        assert (found,) == db.execute("PRAGMA user_version").fetchone()


def test_the_server_refuses_an_older_store_with_the_caller_s_hint(tmp_path: Path) -> None:
    """Given a store of another format and a hint, when the server starts, then it exits with both in one
    line.
    """
    path = tmp_path / "objects.db"
    Store(path).close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=1")
    command = [
        sys.executable,
        "-m",
        "kube_devserver",
        "--port",
        "1",
        "--data",
        str(path),
        "--pki",
        str(tmp_path),
    ]
    done = subprocess.run([*command, "--reset-hint", "run `x`"], capture_output=True, text=True, check=False)

    assert 1 == done.returncode
    assert (
        f"{path}: the store has format 1, and this release reads format {FORMAT} only. To fix it: run `x`"
        == done.stderr.strip()
    )


def test_an_object_that_is_not_json_is_reported_as_damage(tmp_path: Path) -> None:
    """Given a readable database with a broken object, when it is opened, then the error names the file."""
    path = tmp_path / "objects.db"
    Store(path).close()
    db = sqlite3.connect(path)
    db.execute("INSERT INTO objects VALUES ('', 'pods', 'a', 'x', 2, '{')")
    db.commit()
    db.close()
    with pytest.raises(DamagedError, match=r"objects\.db"):
        Store(path)


def test_the_api_server_ends_with_the_message_alone(tmp_path: Path) -> None:
    """Given a damaged file, when the server starts, then its log ends with one message that can be acted
    on.
    """
    path = tmp_path / "objects.db"
    path.write_bytes(DAMAGED["no database"])
    command = [
        sys.executable,
        "-m",
        "kube_devserver",
        "--port",
        "1",
        "--data",
        str(path),
        "--pki",
        str(tmp_path),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
