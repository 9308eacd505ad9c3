"""The files of a volume: private, and swapped all at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spiko_local.kubelet.volume_files import write_volume


def shown(folder: Path) -> dict[str, bytes]:
    """What a container reads: the files by path, without the names that begin with two dots."""
    found = {}
    for path in sorted(folder.iterdir()):
        if not path.name.startswith(".."):
            for file in [path] if path.is_file() else path.rglob("*"):
                found[str(file.relative_to(folder))] = file.read_bytes()
    return found


def test_files_are_private(tmp_path: Path) -> None:
    """Given two files, then only their owner can read them and enter their folders."""
    folder = tmp_path / "run" / "keys"
    write_volume(folder, {"a": b"1", "deep/b": b"2"})
    modes = {path.resolve().stat().st_mode & 0o777 for path in (folder / "a", folder / "deep" / "b")}
    folders = {path.resolve().stat().st_mode & 0o777 for path in (folder, folder / "..data", folder / "deep")}

    assert {"a": b"1", "deep/b": b"2"} == shown(folder)
    assert ({0o400}, {0o700}) == (modes, folders)


def test_a_change_is_one_swap_of_data(tmp_path: Path) -> None:
    """Given changed files, then a new folder replaces the former behind ..data, and nothing else is left."""
    write_volume(tmp_path, {"a": b"1", "gone": b"1"})
    before = os.readlink(tmp_path / "..data")
    write_volume(tmp_path, {"a": b"2", "new": b"2"})

    assert before != os.readlink(tmp_path / "..data")
    assert {"a": b"2", "new": b"2"} == shown(tmp_path)
    assert {"..data", os.readlink(tmp_path / "..data"), "a", "new"} == set(os.listdir(tmp_path))


def test_equal_files_are_not_written_again(tmp_path: Path) -> None:
    """Given the same content twice, then ..data keeps its target."""
    write_volume(tmp_path, {"a": b"1"})
    before = os.readlink(tmp_path / "..data")
    write_volume(tmp_path, {"a": b"1"})

    assert before == os.readlink(tmp_path / "..data")


def test_what_an_interrupted_write_left_is_removed(tmp_path: Path) -> None:
    """Given a folder and a link of a kubelet that was killed in a write, then the next write removes them."""
    write_volume(tmp_path, {"a": b"1"})
    (tmp_path / "..left").mkdir()
    (tmp_path / "..data_tmp").symlink_to("..left")
    write_volume(tmp_path, {"a": b"2"})

    assert {"..data", os.readlink(tmp_path / "..data"), "a"} == set(os.listdir(tmp_path))


def test_files_that_cannot_be_written_leave_the_former(tmp_path: Path) -> None:
    """Given a file and a folder of one name, then the write fails, and the former files stay."""
    write_volume(tmp_path, {"a": b"1"})
    with pytest.raises(OSError, match="a"):
        write_volume(tmp_path, {"a": b"2", "a/b": b"2"})

    assert {"a": b"1"} == shown(tmp_path)
    assert 3 == len(os.listdir(tmp_path))
