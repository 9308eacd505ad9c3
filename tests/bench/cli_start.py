"""CPU seconds of the commands that need no cluster, user and system time together: median and worst run.

The commands take turns, so that a slow phase of the machine reaches all of them:
`python -m tests.bench.cli_start [RUNS]`. Figures, not assertions; `tests/spiko_cli/test_imports.py` asserts
which modules are imported.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

from tests.support.paths import EXAMPLES

LAMP, NETFLIX = str(EXAMPLES / "lamp.yaml"), str(EXAMPLES / "netflix.yaml")
COMMANDS = (
    ("--version",),
    ("--help",),
    ("run", "--help"),
    ("top", "--help"),
    ("completion", "bash"),
    ("lint", LAMP),
    ("lint", str(EXAMPLES)),
    ("graph", "-f", LAMP),
    ("graph", "-f", NETFLIX),
)


def cpu_seconds(arguments: tuple[str, ...]) -> float:
    """Run a command and return its CPU time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "spiko_cli", *arguments], stdout=subprocess.DEVNULL, check=True, timeout=60
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(runs: int) -> None:
    """Print one line for each command."""
    taken: dict[tuple[str, ...], list[float]] = {arguments: [] for arguments in COMMANDS}
    for _ in range(runs):
        for arguments, seconds in taken.items():
            seconds.append(cpu_seconds(arguments))
    for arguments, seconds in taken.items():
        name = " ".join(argument.removeprefix(f"{EXAMPLES.parent}/") for argument in arguments)
        print(f"spiko {name:<30} {statistics.median(seconds):.2f} s, at most {max(seconds):.2f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
