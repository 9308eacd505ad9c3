"""Attack every port of a cluster at random while lamp serves requests.

    python -m tests.bench.hostile [SECONDS] [SEED]

By default ten minutes. Prints a table; exits with 1 if the source saw an error, a forged session was
admitted, or something restarted, became unready, logged a traceback or counted an internal error.
"""

from __future__ import annotations

import sys
import time

from tests.support.hostile_lamp import SAMPLE_EVERY_S, Outcome, attack_lamp
from tests.support.local_cluster import local_cluster

FIRST_MINUTE = int(60 / SAMPLE_EVERY_S)


def row(name: str, value: object, goal: str = "") -> str:
    """Return a line of the table."""
    return f"{name:<52} {value!s:>12}  {goal}"


def report(found: Outcome) -> int:
    """Print what was observed; return the exit code."""
    counts = {
        "errors at the source": found.errors.total(),
        "restarts of pods and parts": found.restarts,
        "samples in which Ready was not True": found.unready,
        "forged proofs that were admitted": found.clients.admitted,
        "registrations as a living pod that were taken": found.clients.welcomed,
        "internal errors of eurekas": found.internal_errors,
        "log files with a traceback": len(found.tracebacks),
    }
    for name, number in found.clients.done.most_common():
        print(row(f"attacks: {name}", number))
    print(row("requests per second at the source", f"{found.requests / found.seconds:.1f}"))
    for name, number in counts.items():
        print(row(name, number, "must 0"))
    for kind, sizes in found.memory_kb.items():
        shown = (sizes[0], sizes[min(FIRST_MINUTE, len(sizes) - 1)], max(sizes), sizes[-1])
        print(
            row(f"PSS of {kind}: start, 1 min, most, end", " ".join(f"{kb / 1024:.0f}" for kb in shown), "MB")
        )
    print(*found.errors.items(), *found.tracebacks, sep="\n")
    return 1 if any(counts.values()) else 0


def main(seconds: float, seed: int) -> int:
    """Run, print, and return the exit code."""
    print(row("seed", seed))
    with local_cluster() as cluster:
        return report(attack_lamp(cluster, "default", seconds, seed))


if __name__ == "__main__":
    arguments = [float(text) for text in sys.argv[1:3]]
    sys.exit(main((arguments or [600.0])[0], int(arguments[1]) if len(arguments) > 1 else int(time.time())))
