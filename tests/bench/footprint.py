#!/usr/bin/env python3
"""Memory and CPU of lamp on this machine: `python -m tests.bench.footprint [TRAFFIC_S] [SILENCE_S]`.

Brings up a cluster of its own and prints tables: memory (PSS and private, MB) of every kind of process while
100 requests/s flow, then CPU and wake-ups while the source is silent, and start-up times. Figures, not
assertions; nothing else should run on the machine.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.lamp import start
from tests.support.local_cluster import Cluster, local_cluster

TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """One process at one moment: memory in kB, CPU in seconds since its start."""

    pss: int
    private: int
    cpu_s: float
    wakeups: int


def read_usage(pid: int) -> Usage:
    """Return the figures of a process."""
    lines = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    sizes = {fields[0]: int(fields[1]) for fields in lines}
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return Usage(
        sizes["Pss:"],
        sizes["Private_Dirty:"] + sizes["Private_Clean:"],
        (int(times[11]) + int(times[12])) * TICK_S,
        int(status["voluntary_ctxt_switches"]),
    )


def kinds(cluster: Cluster) -> Iterator[tuple[str, int]]:
    """Yield kind and pid of every process of the cluster."""
    pods = {pid: name for name, pid in cluster.pod_pids("default").items()}
    parts = {
        part["pid"]: part["name"] for part in json.loads(cluster.spiko("status", "--json").stdout)["parts"]
    }
    for pid in cluster.processes():
        if pid in pods:
            yield ("a eureka" if "-eureka-" in pods[pid] else "a tier's pod"), pid
        elif pid in parts:
            yield parts[pid], pid
        else:
            command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            yield (
                next(
                    (word.rpartition(".")[2] for word in command if word.startswith("spiko_local.")), "other"
                ),
                pid,
            )


def read_all(cluster: Cluster) -> dict[str, list[Usage]]:
    """Return the figures of all processes by kind."""
    found: dict[str, list[Usage]] = {}
    for kind, pid in sorted(kinds(cluster)):
        try:
            found.setdefault(kind, []).append(read_usage(pid))
        except OSError:
            continue
    return found


def print_memory(title: str, found: dict[str, list[Usage]]) -> None:
    """Print a table of memory."""
    print(f"\n{title:<34} {'number':>6} {'PSS each':>9} {'private':>9} {'together':>9}  MB")
    everything = [usage for usages in found.values() for usage in usages]
    pods = [usage for kind, usages in found.items() if kind.startswith("a ") for usage in usages]
    for kind, usages in [
        *found.items(),
        ("all pods (at most 160)", pods),
        ("everything (goal 400)", everything),
    ]:
        pss, private = sum(u.pss for u in usages) * 1024 / 1e6, sum(u.private for u in usages) * 1024 / 1e6
        count = len(usages)
        print(f"{kind:<34} {count:>6} {pss / count:>9.1f} {private / count:>9.1f} {pss:>9.1f}")


def print_rest(before: dict[str, list[Usage]], after: dict[str, list[Usage]], seconds: float) -> None:
    """Print a table of CPU and wake-ups between two moments."""
    print(f"\n{f'at rest, {seconds:.0f} s':<34} {'number':>6} {'% of a core':>12} {'wake-ups/s each':>16}")
    total = 0.0
    for kind, usages in after.items():
        earlier = before.get(kind, [])
        percent = 100 * (sum(u.cpu_s for u in usages) - sum(u.cpu_s for u in earlier)) / seconds
        wakeups = (sum(u.wakeups for u in usages) - sum(u.wakeups for u in earlier)) / seconds / len(usages)
        total += percent
        print(f"{kind:<34} {len(usages):>6} {percent:>12.2f} {wakeups:>16.1f}")
    print(f"{'everything (goal 3)':<34} {'':>6} {total:>12.2f}")


def main(traffic_s: float, silence_s: float) -> None:
    """Bring up a cluster with lamp and print the tables."""
    began = time.monotonic()
    with local_cluster() as cluster:
        print(f"{'spiko up':<34} {time.monotonic() - began:>6.2f} s (goal 3)")
        ready, answered = start(cluster)
        print(f"{'lamp: all Ready, first answer':<34} {ready:>6.2f} s, {answered:.2f} s (must 3, goal 2)")
        time.sleep(traffic_s)
        print_memory(f"{traffic_s:.0f} s of traffic, 100 requests/s", read_all(cluster))
        services = cluster.get("arch", "lamp")["spec"]["services"]
        silent = {"load": {"ratePerSecond": 0}}
        quiet = [s | silent if s["package"] == "denominator" else s for s in services]
        cluster.kubectl(
            "patch", "arch", "lamp", "--type=merge", "-p", json.dumps({"spec": {"services": quiet}})
        )
        cluster.until_settled("lamp")
        time.sleep(5)
        before, at = read_all(cluster), time.monotonic()
        time.sleep(silence_s)
        print_rest(before, read_all(cluster), time.monotonic() - at)


if __name__ == "__main__":
    main(*(float(word) for word in (*sys.argv[1:], *("60", "60")[len(sys.argv) - 1 :])))
