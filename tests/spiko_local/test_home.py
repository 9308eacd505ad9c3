"""The home: no file but the cluster's own is touched, and the state of a dead supervisor does not count."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from spiko_local.errors import LocalError
from spiko_local.home import KEPT, Home, start_time


def lived_in(path: Path) -> Home:
    """A home as a cluster leaves it, with data and a temporary file."""
    home = Home(path)
    home.create()
    home.etcd.mkdir()
    for name in ("plan.json", "state.json", "kubeconfig", ".state.json.77"):
        (path / name).write_text("{}")
    return home


def test_folders_are_for_the_owner_only(tmp_path: Path) -> None:
    """Given a new home, then no other user can read the keys in it."""
    home = Home(tmp_path / "home")
    home.create()

    assert {0o700} == {path.stat().st_mode & 0o777 for path in (home.path, home.pki, home.logs, home.kubelet)}


def test_a_folder_with_other_files_is_rejected(tmp_path: Path) -> None:
    """Given SPIKO_HOME=~, then the error names the files that are not a cluster's."""
    (tmp_path / "letters.txt").write_text("text")

    with pytest.raises(
        LocalError,
        match=r"contains files that Spiko did not create \(letters\.txt\); choose an empty directory",
    ):
        Home(tmp_path).create()


def test_files_that_no_cluster_created_are_never_removed(tmp_path: Path) -> None:
    """Given a folder with `logs` but no plan, and a home with another file, then both stay."""
    (tmp_path / "logs").mkdir()
    Home(tmp_path).remove()
    home = lived_in(tmp_path / "home")
    (home.path / "letters.txt").write_text("text")
    home.remove()

    assert (tmp_path / "logs").is_dir()
    assert os.listdir(home.path) == ["letters.txt"]


def test_a_home_is_removed_completely_or_except_for_its_data(tmp_path: Path) -> None:
    """Given two homes, when one keeps its data, then only data, logs and the plan with the ports are left."""
    home, kept = lived_in(tmp_path / "a"), lived_in(tmp_path / "b")
    home.remove()
    kept.remove(KEPT)

    assert [] == os.listdir(home.path)
    assert sorted(os.listdir(kept.path)) == sorted(KEPT)


def test_a_path_too_long_for_a_unix_socket_is_rejected(tmp_path: Path) -> None:
    """Given a path of over 107 bytes, then the error comes before anything starts."""
    with pytest.raises(LocalError, match="too long"):
        Home(tmp_path / ("x" * 100)).create()


@pytest.mark.parametrize(
    ("pid", "started", "alive"),
    [
        pytest.param(os.getpid(), start_time(os.getpid()), True, id="alive"),
        pytest.param(os.getpid(), 1, False, id="another process has its pid now"),
        pytest.param(2**22 + 1, 1, False, id="no such process"),
    ],
)
def test_a_state_is_valid_while_its_supervisor_is_alive(
    tmp_path: Path, pid: int, started: int, alive: bool
) -> None:
    """Given a state, then pid and start time together decide whether its supervisor is alive."""
    home = Home(tmp_path)
    home.state.write_text(json.dumps({"pid": pid, "started": started, "parts": []}))

    assert alive == (home.read_state() is not None)
    assert home.read_last_state() is not None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "3", '{"pid": 1}'])
def test_a_damaged_state_is_ignored(tmp_path: Path, text: str) -> None:
    """Given any damaged file, then `spiko up` and `down` treat the cluster as not running."""
    home = Home(tmp_path)
    home.state.write_text(text)

    assert home.read_state() is None
