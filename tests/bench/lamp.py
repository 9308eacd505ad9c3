"""Measure lamp on the real control plane of this machine.

    python -m tests.bench.lamp [ROUNDS]

Starts a separate cluster, applies and deletes lamp several times, and prints a table: seconds from apply
to Ready and to the first answered request, memory of the 26 pods together (PSS), and the evidence of a kill
without grace.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.support.local_cluster import Cluster, local_cluster
from tests.support.paths import ROOT

LAMP = ROOT / "examples" / "lamp.yaml"


def first_answer(cluster: Cluster) -> bool:
    """Whether the load balancer answers a request."""
    pods = cluster.items("pods", labels="spiko.dev/tier=webserver-elb")
    address = pods[0].get("status", {}).get("podIP") if pods else None
    if not address:
        return False
    try:
        with urllib.request.urlopen(f"http://{address}:8080/k/why%3F", timeout=1) as reply:
            return bool(reply.status == 200)
    except urllib.error.HTTPError as error:
        return error.code == 404  # a key that the cache does not have
    except OSError:
        return False


def start(cluster: Cluster) -> tuple[float, float]:
    """Apply lamp; return the seconds until Ready and until the first answered request."""
    began = time.monotonic()
    cluster.kubectl("apply", "-f", str(LAMP))
    answered = ready = 0.0
    while not (answered and ready):
        if not answered and first_answer(cluster):
            answered = time.monotonic() - began
        if not ready and cluster.condition("arch", "lamp", "Ready").get("status") == "True":
            ready = time.monotonic() - began
    return ready, answered


def memory_mb(cluster: Cluster) -> tuple[float, int]:
    """Return the PSS of all pod processes together in MB, and their number."""
    total = 0
    pids = cluster.pod_pids("default").values()
    for pid in pids:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
        total += int(found[1]) if found else 0
    return total * 1024 / 1e6, len(pids)


def kill(cluster: Cluster, number: int) -> dict[str, Any]:
    """Kill one web server without grace; return its record with the evidence."""
    body = {
        "apiVersion": "spiko.dev/v1alpha1",
        "kind": "Fault",
        "metadata": {"name": f"kill-{number}"},
        "spec": {
            "architecture": "lamp",
            "seed": number,
            "kill": {"tier": "webserver", "method": "Delete", "gracePeriodSeconds": 0},
        },
    }
    cluster.apply(body)
    cluster.until_true(f"kill-{number}", "Ended", kind="fault", seconds=70)
    victim: dict[str, Any] = cluster.get("fault", f"kill-{number}")["status"]["victims"][0]
    return victim


def row(name: str, values: list[float], unit: str, goal: str) -> str:
    """Return a line of the table: median (min - max)."""
    return (
        f"{name:<46} {statistics.median(values):>8.2f} ({min(values):.2f} - {max(values):.2f}) {unit:<4} "
        f"{goal}"
    )


def main(rounds: int) -> None:
    """Run and print."""
    ready, answered, victims = [], [], []
    with local_cluster() as cluster:
        for _ in range(rounds):
            one, two = start(cluster)
            ready.append(one)
            answered.append(two)
            cluster.until_settled("lamp")
            if len(ready) < rounds:
                cluster.kubectl("delete", "arch", "lamp")
                cluster.until("lamp gone", lambda: not cluster.items("pods", labels="spiko.dev/tier"), 60)
        time.sleep(10)
        used, count = memory_mb(cluster)
        victims = [kill(cluster, number) for number in range(rounds)]
        top = json.loads(cluster.spiko("top", "lamp", "--once", "--json", "-t", "10").stdout)
    print(row("apply -> all Ready", ready, "s", "must 4, goal 2"))
    print(row("apply -> first request answered end to end", answered, "s", "must 4, goal 2"))
    print(row(f"{count} pods together, PSS after 10 s of traffic", [used], "MB", "at most 160"))
    print(
        row("kill: callers have left it", [v["noticedMilliseconds"] / 1000 for v in victims], "s", "must 1")
    )
    print(row("kill: replaced", [v["replacedMilliseconds"] / 1000 for v in victims], "s", "must 3"))
    print(row("kill: failed requests", [float(v["failedRequests"]) for v in victims], "", ""))
    print(
        row(
            "response at the source, median",
            [r["responseMicroseconds"]["p50"] / 1000 for r in top["edges"] if r["name"].startswith("www")],
            "ms",
            "",
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
