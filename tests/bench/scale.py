"""Cost of a large architecture on a local cluster: `python -m tests.bench.scale pods 1000 [--rest 60]`.

`pods N` scales lamp to about N pods; `services N` makes a tree of N tiers with one pod each. The source is
silent. Brings up a cluster of its own and prints CPU seconds of every kind of process from `kubectl apply` to
Ready, the writes that the API server counted, then CPU and memory at rest. Figures, not assertions: they are
CPU seconds, so that other load on the machine matters little. Exits with 1 if Ready is not reached in time.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support.architectures import Object, architecture, service
from tests.support.counters import read_restarts, read_writes
from tests.support.local_cluster import Cluster, local_cluster
from tests.support.paths import ROOT

# A process's CPU clock (CPUCLOCK_SCHED of Linux): /proc/PID/stat drops up to 20 ms of every process, which
# is more than half of what a pod's start takes.
PROCESS_CLOCK = 2
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6
FIXED_PODS, SCALED_PODS = 5, 21  # of lamp: without count and eurekas; those that spec.scale multiplies
KINDS = ("apiserver", "kubelet", "operator", "zygote", "eurekas", "tier pods", "supervisor")
SETTLE_S = 10.0  # after Ready, for late reports and events


@dataclass(frozen=True)
class Part:
    """All processes of one kind at one moment: their number, CPU seconds since their start, and RSS in MB."""

    number: int = 0
    cpu_s: float = 0.0
    rss_mb: float = 0.0


def lamp(pods: int) -> Object:
    """Return lamp with about this many pods and a silent source."""
    body: Object = yaml.safe_load((ROOT / "examples" / "lamp.yaml").read_text())
    body["spec"]["scale"] = round(100 * (pods - FIXED_PODS) / SCALED_PODS)
    body["spec"]["services"][-1]["load"] = {"ratePerSecond": 0}
    return body


def tree(services: int) -> Object:
    """Return a silent source over a binary tree of monoliths with stores as leaves."""
    inner = services - 1
    tiers = [
        service(f"s{i}", "monolith" if children else "store", 1, *children)
        for i in range(inner)
        if (children := [f"s{j}" for j in (2 * i + 1, 2 * i + 2) if j < inner]) is not None
    ]
    source = service("www", "denominator", 1, "s0", load={"ratePerSecond": 0})
    return architecture("tree", *tiers, source)


def read_parts(cluster: Cluster, names: dict[int, str]) -> dict[str, Part]:
    """Return the figures of all processes of the cluster by kind.

    Args:
        cluster: with all pods in the default namespace.
        names: kinds of the components by pid.
    """
    pods = {pid: name for name, pid in cluster.pod_pids("default").items()}
    found = dict.fromkeys(KINDS, Part())
    for pid in cluster.processes():
        if pid in pods:
            kind = "eurekas" if "-eureka-" in pods[pid] else "tier pods"
        else:
            command = Path(f"/proc/{pid}/cmdline").read_text()
            kind = names.get(pid) or next(
                (word for word in KINDS if f"spiko_local.kubelet.{word}" in command), ""
            )
            kind = kind or ("supervisor" if "spiko_local.supervisor" in command else "other")
        try:
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            cpu_s = time.clock_gettime(~pid << 3 | PROCESS_CLOCK)
        except OSError:
            continue
        before = found.get(kind, Part())
        found[kind] = Part(before.number + 1, before.cpu_s + cpu_s, before.rss_mb + pages * PAGE_MB)
    return found


def apply(cluster: Cluster, body: Object, timeout_s: float) -> float:
    """Apply an architecture and return the seconds until it is Ready; infinite if it is not in time."""
    began = time.monotonic()
    cluster.apply(body)
    name = body["metadata"]["name"]
    while time.monotonic() < began + timeout_s:
        done = cluster.kubectl("wait", f"arch/{name}", "--for=condition=Ready", "--timeout=60s", check=False)
        if done.returncode == 0:
            return time.monotonic() - began
    return float("inf")


def print_table(title: str, unit: str, before: dict[str, Part], after: dict[str, Part], per: float) -> None:
    """Print CPU between two moments and the memory at the second.

    Args:
        title: of the table.
        unit: of CPU.
        before: the first moment.
        after: the second moment.
        per: what CPU seconds are divided by.
    """
    print(f"\n{title:<34} {'number':>6} {unit:>14} {'RSS MB':>9}")
    total = 0.0
    for kind, part in after.items():
        cpu = (part.cpu_s - before.get(kind, Part()).cpu_s) / per
        total += cpu
        print(f"{kind:<34} {part.number:>6} {cpu:>14.2f} {part.rss_mb:>9.1f}")
    print(f"{'all':<34} {'':>6} {total:>14.2f}")


def print_writes(writes: Counter[str]) -> None:
    """Print writes by verb and resource, the most first."""
    print(f"\nwrites: {sum(writes.values())}")
    for name, count in writes.most_common(12):
        print(f"{name:<34} {count:>6}")


def main(body: Object, rest_s: float, timeout_s: float) -> int:
    """Bring up a cluster with the architecture, print the tables, and return the exit code."""
    with local_cluster() as cluster:
        parts = json.loads(cluster.spiko("status", "--json").stdout)["parts"]
        names = {part["pid"]: part["name"] for part in parts}
        before, written = read_parts(cluster, names), read_writes(cluster)
        ready_s = apply(cluster, body, timeout_s)
        after = read_parts(cluster, names)
        print_table(f"Ready after {ready_s:.1f} s", "CPU s", before, after, 1.0)
        print_writes(read_writes(cluster) - written)
        print(f"restarts: {read_restarts(cluster, 'default')}")
        if rest_s:
            time.sleep(SETTLE_S)
            before, written, began = read_parts(cluster, names), read_writes(cluster), time.monotonic()
            time.sleep(rest_s)
            seconds = time.monotonic() - began
            print_table(
                f"at rest, {seconds:.0f} s", "% of a core", before, read_parts(cluster, names), seconds / 100
            )
            print_writes(read_writes(cluster) - written)
        return 0 if ready_s < float("inf") else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("shape", choices=("pods", "services"))
    parser.add_argument("number", type=int)
    parser.add_argument("--rest", type=float, default=60.0, help="seconds at rest; 0 for none")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds until Ready")
    options = parser.parse_args()
    shape = lamp if options.shape == "pods" else tree
    sys.exit(main(shape(options.number), options.rest, options.timeout))
