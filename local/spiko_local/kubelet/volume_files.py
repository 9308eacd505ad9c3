"""Writes the files of a volume all at once, as Kubernetes' AtomicWriter does.

A volume's folder has a hidden folder with the files, the symlink `..data` to it, and one symlink per file or
subfolder through `..data`. A change writes a new folder and swaps `..data`, so all files change at once.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

DATA = "..data"
FILE_MODE, FOLDER_MODE = 0o400, 0o700


def write_volume(folder: Path, files: Mapping[str, bytes]) -> None:
    """Replace all files of a volume. Files that are the same already are not written again.

    Args:
        folder: of the volume; created if missing.
        files: contents by relative path. Only the owner can read them, whatever mode the volume asks for.

    Raises:
        OSError: the files cannot be written; the former ones stay.
    """
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    link = folder / DATA
    former = link.resolve() if link.is_symlink() else None
    if former is None or read_files(former) != dict(files):
        fresh = Path(tempfile.mkdtemp(prefix="..", dir=folder))
        try:
            _write(fresh, files)
            _swap(link, fresh.name)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
    _show(folder, {path.partition("/")[0] for path in files})
    for path in folder.glob("..*"):
        if path.name not in (DATA, os.readlink(link)):
            shutil.rmtree(path, ignore_errors=True)


def read_files(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder by their relative path; empty if it does not exist."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)


def _swap(link: Path, target: str) -> None:
    """Point a symlink to another target in one step."""
    temporary = link.with_name(f"{DATA}_tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)


def _show(folder: Path, names: set[str]) -> None:
    """Link the names that users see, and remove those that are gone; nested mounts stay."""
    for path in folder.iterdir():
        if path.is_symlink() and path.name != DATA and path.name not in names:
            path.unlink()
    for name in names:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"{DATA}/{name}")
