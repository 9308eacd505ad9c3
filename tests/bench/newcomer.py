"""Measure the README's first command in a fresh clone, and its second run.

    python -m tests.bench.newcomer

Packages come from the package index or pip's cache; run it twice for the time with cached wheels. The goal
is 60 s.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from pathlib import Path

from tests.support.paths import ROOT

GOAL_S = 60.0


def timed(name: str, command: str, folder: Path) -> str:
    """Run a command line, and return its duration."""
    began = time.monotonic()
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False)
    took = time.monotonic() - began
    verdict = "" if done.returncode == 0 else f"  failed: {done.stderr[-300:]}"
    return f"{name:<40}{took:>8.1f} s{verdict}"


def main() -> None:
    """Clone, install and run; run again."""
    command = re.findall(
        r"^```sh\n(python3 -m venv .*spiko run.*)\n```$", (ROOT / "README.md").read_text(), re.MULTILINE
    )[0]
    with tempfile.TemporaryDirectory(prefix="spk") as name:
        clone = Path(name) / "spiko"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        print(timed(f"the README's first command (goal {GOAL_S:.0f})", command, clone))
        print(timed("again", command, clone))


if __name__ == "__main__":
    main()
