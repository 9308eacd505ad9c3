"""Write long measurements into a page: `python -m tests.bench.nightly PAGE [MODULE...]`.

Runs the modules, by default all of MODULES, and replaces the last section of the page with the commit and
what they print.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT

MODULES = ("nodes", "lamp", "footprint", "throughput", "scale pods 1000", "scale services 999")
HEADING = "## Nightly"


def run(command: list[str]) -> str:
    """Return what a command prints; its errors stay visible."""
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.rstrip()


def write_section(page: str, commit: str, load: float, results: dict[str, str]) -> str:
    r"""Return a page with its section replaced, or added.

    >>> print(write_section("# A\n\n## Nightly\n\nOld\n", "abc", 1.0, {"nodes": "1 s"}))
    # A
    <BLANKLINE>
    ## Nightly
    <BLANKLINE>
    Written by `make nightly` at commit abc; the load average at the beginning was 1.0.
    <BLANKLINE>
    `python -m tests.bench.nodes`:
    <BLANKLINE>
    ```text
    1 s
    ```
    <BLANKLINE>
    """
    about = f"Written by `make nightly` at commit {commit}; the load average at the beginning was {load:.1f}."
    parts = [page.partition(f"\n{HEADING}\n")[0].rstrip(), HEADING, about]
    for module, text in results.items():
        parts += [f"`python -m tests.bench.{module}`:", f"```text\n{text}\n```"]
    return "\n\n".join(parts) + "\n"


def main(page: Path, modules: list[str]) -> None:
    """Measure, and write the section."""
    commit, load = run(["git", "rev-parse", "--short", "HEAD"]), os.getloadavg()[0]
    results = {}
    for module in modules or MODULES:
        name, *arguments = module.split()
        results[module] = run([sys.executable, "-m", f"tests.bench.{name}", *arguments])
    page.write_text(write_section(page.read_text(), commit, load, results))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
