"""The files of an image, from installed packages instead of downloaded ones, without a container engine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from tests.support.paths import ROOT

_ENTRY = re.compile(
    r"^(?P<name>[a-z0-9][a-z0-9-]*)==(?P<version>[^\s;]+)(?: ; [^\\]*)?"
    r"(?P<hashes>(?: \\\n    --hash=sha256:[0-9a-f]{64})+)$",
    re.MULTILINE,
)


def locked(image: str) -> dict[str, tuple[str, list[str]]]:
    """Return version and hashes of every package in the lock file of an image."""
    text = (ROOT / f"images/{image}.lock").read_text()
    found = {
        match["name"]: (match["version"], re.findall(r"[0-9a-f]{64}", match["hashes"]))
        for match in _ENTRY.finditer(text)
    }
    assert len(found) == text.count("=="), "an entry of the lock file has no hashes"
    return found


def copied(image: str) -> list[tuple[Path, Path]]:
    """Return source and target below /app of every COPY of Spiko's packages in the Containerfile."""
    text = (ROOT / "Containerfile").read_text()
    (stage,) = re.findall(rf"^FROM build AS {image}-packages\n(.*?)^FROM ", text, re.MULTILINE | re.DOTALL)
    found = []
    for source, target in re.findall(r"^COPY (\S+) /app/(\S+)$", stage, re.MULTILINE):
        path = Path(target, Path(source).name) if target.endswith("/") else Path(target)
        found.append((ROOT / source, path))
    return found


def image_files(image: str, folder: Path) -> Path:
    """Put into `folder` what is in /app of an image, and return it."""
    for name in locked(image):
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue  # for another platform
        for file in found.files or ():
            if ".." not in file.parts and file.suffix != ".pyc":
                _copy(Path(str(file.locate())), folder / file)
    for source, target in copied(image):
        _copy(source, folder / target)
    paths = [str(path) for path in (ROOT / "images/stage.py", folder, ROOT / "pyproject.toml")]
    command = [sys.executable, paths[0], "packages", *paths[1:]]
    subprocess.run(command, check=True, timeout=60)
    return folder


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)
