"""A home is a folder of its own: nothing else is ever touched, and a dead cluster is seen to be dead."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from spiko_local.errors import LocalError
from spiko_local.home import KEPT, Home, start_time


def lived_in(path: Path) -> Home:
    """A home as a cluster leaves it."""
    home = Home(path)
    home.create()
    home.etcd.mkdir()
    for name in ("plan.json", "state.json", "kubeconfig", ".state.json.77"):
        (path / name).write_text("{}")
    return home


def test_folders_are_for_the_owner_only(tmp_path: Path) -> None:
    """Keys lie in there."""
    home = Home(tmp_path / "home")
    home.create()

    assert {0o700} == {path.stat().st_mode & 0o777 for path in (home.path, home.pki, home.logs, home.kubelet)}


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """SPIKO_HOME=~ must not fill a home directory."""
    (tmp_path / "letters.txt").write_text("dear")

    with pytest.raises(LocalError, match=r"holds letters\.txt, which no cluster put there"):
        Home(tmp_path).create()


def test_what_no_cluster_made_is_never_removed(tmp_path: Path) -> None:
    """A folder with `logs` in it is not a cluster's; of a cluster's, strangers stay."""
    (tmp_path / "logs").mkdir()
    Home(tmp_path).remove()
    home = lived_in(tmp_path / "home")
    (home.path / "letters.txt").write_text("dear")
    home.remove()

    assert (tmp_path / "logs").is_dir()
    assert os.listdir(home.path) == ["letters.txt"]


def test_removed_whole_or_but_for_the_data(tmp_path: Path) -> None:
    """Nothing is left; or data, logs and the plan with the ports."""
    home, kept = lived_in(tmp_path / "a"), lived_in(tmp_path / "b")
    home.remove()
    kept.remove(KEPT)

    assert not home.path.exists()
    assert sorted(os.listdir(kept.path)) == sorted(KEPT)


def test_a_path_too_long_for_sockets_is_refused(tmp_path: Path) -> None:
    """A Unix socket's path has 107 bytes at most; said before anything starts."""
    with pytest.raises(LocalError, match="too long"):
        Home(tmp_path / ("x" * 100)).create()


@pytest.mark.parametrize(
    ("pid", "started", "alive"),
    [
        pytest.param(os.getpid(), start_time(os.getpid()), True, id="lives"),
        pytest.param(os.getpid(), 1, False, id="another process has its pid now"),
        pytest.param(2**22 + 1, 1, False, id="no such process"),
    ],
)
def test_a_state_counts_while_its_supervisor_lives(tmp_path: Path, pid: int, started: int, alive: bool) -> None:
    """Pid and start time together name a process for ever."""
    home = Home(tmp_path)
    home.state.write_text(json.dumps({"pid": pid, "started": started, "parts": []}))

    assert alive == (home.read_state() is not None)
    assert home.read_last_state() is not None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "3", '{"pid": 1}'])
def test_a_damaged_state_is_none(tmp_path: Path, text: str) -> None:
    """Whatever is in the file, `spiko up` and `down` work."""
    home = Home(tmp_path)
    home.state.write_text(text)

    assert home.read_state() is None
