"""Totals of all eurekas."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter

from tests.support.local_cluster import Cluster, Object


def total_errors(cluster: Cluster, namespace: str, eurekas: list[Object] | None = None) -> dict[str, int]:
    """Return all errors by cause, as these eurekas report them, or all."""
    found: Counter[str] = Counter()
    for pod in _eurekas(cluster, namespace) if eurekas is None else eurekas:
        with urllib.request.urlopen(f"http://{pod['status']['podIP']}:7070/totals", timeout=5) as reply:
            for edge in json.load(reply)["edges"]:
                found.update(
                    {
                        f"{edge['from'][0]} -> {edge['to'][0]} {edge['to'][3]}: {cause}": count
                        for cause, count in edge["errors"].items()
                    }
                )
    return dict(found)


def total_calls(cluster: Cluster, namespace: str, caller: str, eurekas: list[Object] | None = None) -> int:
    """Return the number of calls of one tier, as these eurekas report them, or all."""
    count = 0
    for pod in _eurekas(cluster, namespace) if eurekas is None else eurekas:
        with urllib.request.urlopen(f"http://{pod['status']['podIP']}:7070/totals", timeout=5) as reply:
            for edge in json.load(reply)["edges"]:
                if edge["from"][0] == caller:
                    count += edge["ok"] + edge["miss"] + sum(edge["errors"].values())
    return count


def _eurekas(cluster: Cluster, namespace: str) -> list[Object]:
    return cluster.items("pods", namespace, "spiko.dev/tier=eureka")
