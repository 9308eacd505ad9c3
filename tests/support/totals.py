"""Totals of all eurekas."""

from __future__ import annotations

from collections import Counter

from tests.support.eureka_reader import read_all
from tests.support.local_cluster import Cluster


def total_errors(cluster: Cluster, namespace: str) -> dict[str, int]:
    """Return all errors by cause."""
    found: Counter[str] = Counter()
    for totals in read_all(cluster, namespace, "totals"):
        for edge in totals["edges"]:
            where = f"{edge['from'][0]} -> {edge['to'][0]} {edge['to'][3]}"
            found.update({f"{where}: {cause}": count for cause, count in edge["errors"].items()})
    return dict(found)


def total_calls(cluster: Cluster, namespace: str, caller: str) -> int:
    """Return the number of calls of one tier."""
    count = 0
    for totals in read_all(cluster, namespace, "totals"):
        for edge in totals["edges"]:
            if edge["from"][0] == caller:
                count += edge["ok"] + edge["miss"] + sum(edge["errors"].values())
    return count
