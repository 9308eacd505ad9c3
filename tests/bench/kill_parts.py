"""Kill components of a local cluster at random while Architectures change.

    python -m tests.bench.kill_parts [--minutes 10] [--seed 1]

Starts a separate cluster, and compares its final state with that of the same manifests in a new namespace.
Prints what was killed and changed, the time to settle, and the differences; exits with 1 if there are any.
"""

from __future__ import annotations

import argparse
import sys

from tests.support.chaos import run_mayhem
from tests.support.local_cluster import local_cluster

NAMES = ("shop", "mart", "kiosk")


def main(minutes: float, seed: int) -> int:
    """Run, print the report, and return the exit code."""
    with local_cluster() as cluster:
        for namespace in ("disturbed", "fresh"):
            cluster.kubectl("create", "namespace", namespace)
        report = run_mayhem(cluster, ("disturbed", "fresh"), NAMES, minutes * 60, seed)
    print(f"{minutes:g} min, seed {seed}\n{report.render()}")
    return 1 if report.differences else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of killing")
    parser.add_argument("--seed", type=int, default=1, help="of all draws")
    options = parser.parse_args()
    sys.exit(main(options.minutes, options.seed))
