"""The lock of a home: one process at a time, across the removal of the folder."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from spiko_local.errors import AlreadyUp, LocalError
from spiko_local.home import Home
from spiko_local.home_setup import Setup, check_same, locked, prepare
from spiko_local.ports import only_start

HOLDER = """
import sys
from pathlib import Path
from spiko_local.home import Home
from spiko_local.home_setup import locked
with locked(Home(Path(sys.argv[1])), print, 10):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home whose folder does not exist."""
    return Home(tmp_path / "home")


def hold(home: Home) -> subprocess.Popen[str]:
    """Start another process that has the lock until its input ends."""
    command = [sys.executable, "-c", HOLDER, str(home.path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert "held\n" == process.stdout.readline()
    return process


def test_the_second_process_waits_and_says_so_once(home: Home) -> None:
    """Given a process with the lock, then another waits; it has a lock of the present folder afterwards."""
    holder, lines = hold(home), list[str]()
    threading.Timer(0.3, holder.communicate).start()
    with locked(home, lines.append, 20) as waited:
        present = home.path.is_dir()
        with pytest.raises(AlreadyUp, match="still at work after 0 s"), locked(home, lines.append, 0):
            pass

    assert (True, True) == (waited, present)
    assert [f"another `spiko up` or `spiko down` is at work in {home.path}; waiting for it"] * 2 == lines
    assert not home.path.exists()


def test_a_lock_of_a_killed_process_is_free(home: Home) -> None:
    """Given a process with the lock that is killed, then the next does not wait."""
    holder = hold(home)
    holder.kill()
    holder.communicate()
    with locked(home, print, 0) as waited:
        assert not waited


def test_a_folder_with_files_stays(home: Home) -> None:
    """Given a lock under which files are written, then the folder is left."""
    with locked(home, print, 0):
        (home.path / "plan.json").touch()

    assert home.path.is_dir()


def test_a_home_that_is_a_file_is_an_error(home: Home) -> None:
    """Given a file at the home's path, then the error names the path and the remedy."""
    home.path.touch()
    with pytest.raises(LocalError, match="choose a writable directory"), locked(home, print, 0):
        pass


def test_one_process_per_machine_starts_a_cluster() -> None:
    """Given a start in progress, then another is refused; after it, the next is allowed."""
    with only_start(), pytest.raises(LocalError, match="only one can run per machine"), only_start():
        pass
    with only_start():
        pass


def test_other_options_are_not_joined(home: Home, tmp_path: Path) -> None:
    """Given a cluster with the operator, then one without it is refused, and the same one is welcome."""
    home.create()
    setup = Setup(None, None, True, None)
    prepare(home, setup)
    check_same(home, setup)
    for other, field in (
        (Setup(None, None, False, None), "operator"),
        (Setup(None, tmp_path, True, None), "nodes"),
    ):
        with pytest.raises(AlreadyUp, match=f"with {field}: "):
            check_same(home, other)
