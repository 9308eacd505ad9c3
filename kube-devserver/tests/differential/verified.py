#!/usr/bin/env python3
"""Records for which state of the package and of the differential suite the suite has passed.

    verified.py check    exit code 0 if the recorded state is the present one
    verified.py write    record the present state; run it after the suite

The state is a hash over the package and the suite. Standard library only.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).with_name("verified.sha256")
FOLDERS = ("kube_devserver", "tests/devserver_support", "tests/differential")
SUFFIXES = (".py", ".gz")


def files() -> Iterable[Path]:
    """The files of the package and the suite, in a fixed order."""
    return sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*") if p.suffix in SUFFIXES)


def state() -> str:
    """The hash of names and contents."""
    found = hashlib.sha256()
    for path in files():
        data = path.read_bytes()
        found.update(f"{path.relative_to(ROOT)} {len(data)}\n".encode())
        found.update(data)
    return found.hexdigest()


def main(arguments: list[str]) -> int:
    """Check or write the record; returns the exit code."""
    if arguments == ["write"]:
        RECORD.write_text(f"{state()}\n")
        return 0
    if arguments == ["check"]:
        is_same = RECORD.exists() and RECORD.read_text().strip() == state()
        print("verified" if is_same else "changed since the differential suite passed: `make differential`")
        return 0 if is_same else 1
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
