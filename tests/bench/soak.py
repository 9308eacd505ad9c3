"""Run lamp undisturbed for a while, and count errors, restarts and writes.

    python -m tests.bench.soak [--minutes 10]

With SPIKO_TEST_CONTROL_PLANE=real it uses the control plane of Kubernetes. The first part sends 100
requests/s; the second part sends none, and counts the writes to the API server without leases and node
heartbeats. Each takes the given minutes. Prints a table; exits with 1 if there was an error, a restart or a
write, or if the source did not keep its rate.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

import yaml

from tests.support.counters import Count, read_counts, read_restarts, read_writes
from tests.support.local_cluster import Cluster, local_cluster
from tests.support.paths import ROOT

LAMP = ROOT / "examples" / "lamp.yaml"
FIRST = ("www", "webserver-elb")
RATE = 100
REST_S = 10.0  # seconds after a change, for late reports, events and statuses
KEPT_RATIO = 0.99


def set_rate(cluster: Cluster, rate: int) -> None:
    """Set the rate of lamp's source, and wait until lamp has settled."""
    lamp = yaml.safe_load(LAMP.read_text())
    source = next(service for service in lamp["spec"]["services"] if service["name"] == FIRST[0])
    source["load"] = {"ratePerSecond": rate}
    cluster.apply(lamp)
    cluster.until_settled("lamp")
    time.sleep(REST_S)


def traffic(cluster: Cluster, seconds: float) -> tuple[Count, Counter[str], int, float]:
    """Return the calls of the first hop, errors of all hops, restarts, and requests
    per second during a time.
    """
    before, began = read_counts(cluster, "default", "lamp").edges[FIRST].total, time.monotonic()
    time.sleep(seconds)
    counts = read_counts(cluster, "default", "lamp")
    rate = (counts.edges[FIRST].total - before) / (time.monotonic() - began)
    errors: Counter[str] = Counter()
    for (caller, callee), count in counts.edges.items():
        errors.update({f"{caller} -> {callee} {cause}": n for cause, n in count.errors.items()})
    return counts.edges[FIRST], errors, read_restarts(cluster, "default"), rate


def idle(cluster: Cluster, seconds: float) -> tuple[Counter[str], int]:
    """Return writes by verb and resource, and requests, during a time."""
    writes = read_writes(cluster)
    assert writes["APPLY deployments"], "the counters do not count: lamp was applied a moment ago"
    requests = read_counts(cluster, "default", "lamp").edges[FIRST].total
    time.sleep(seconds)
    written = read_writes(cluster) - writes
    return written, read_counts(cluster, "default", "lamp").edges[FIRST].total - requests


def row(name: str, value: str, goal: str = "") -> str:
    """Return a line of the table."""
    return f"{name:<52} {value:>12}  {goal}"


def main(minutes: float) -> int:
    """Run, print, and return the exit code."""
    with local_cluster() as cluster:
        set_rate(cluster, RATE)
        first, errors, restarts, rate = traffic(cluster, minutes * 60)
        set_rate(cluster, 0)
        written, requests = idle(cluster, minutes * 60)
        restarts = max(restarts, read_restarts(cluster, "default"))
    print(row(f"{minutes:g} min of traffic: requests at the source", f"{first.total}"))
    print(row("requests per second", f"{rate:.2f}", f"{KEPT_RATIO * RATE:g} to {RATE / KEPT_RATIO:.0f}"))
    print(row("misses", f"{first.miss} ({100 * first.miss / first.total:.1f} %)"))
    print(row("errors, on any hop", f"{errors.total()}", "must 0"))
    print(row(f"{minutes:g} min of idle: requests", f"{requests}", "must 0"))
    print(row("writes to the API server", f"{written.total()}", "must 0"))
    print(row("restarts of pods and parts, altogether", f"{restarts}", "must 0"))
    for text, count in (errors + written).items():
        print(f"    {text}: {count}")
    kept = KEPT_RATIO * RATE <= rate <= RATE / KEPT_RATIO
    return 0 if kept and not (errors or written or requests or restarts) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of each half")
    sys.exit(main(parser.parse_args().minutes))
