"""Totals of all eurekas."""

from __future__ import annotations

from collections import Counter

from tests.support.eureka_reader import read_all, read_some
from tests.support.local_cluster import Cluster, Object


def total_errors(cluster: Cluster, namespace: str, eurekas: list[Object] | None = None) -> dict[str, int]:
    """Return all errors by cause, as these eurekas report them, or all."""
    found: Counter[str] = Counter()
    for totals in _read(cluster, namespace, eurekas):
        for edge in totals["edges"]:
            where = f"{edge['from'][0]} -> {edge['to'][0]} {edge['to'][3]}"
            found.update({f"{where}: {cause}": count for cause, count in edge["errors"].items()})
    return dict(found)


def total_calls(cluster: Cluster, namespace: str, caller: str, eurekas: list[Object] | None = None) -> int:
    """Return the number of calls of one tier, as these eurekas report them, or all."""
    count = 0
    for totals in _read(cluster, namespace, eurekas):
        for edge in totals["edges"]:
            if edge["from"][0] == caller:
                count += edge["ok"] + edge["miss"] + sum(edge["errors"].values())
    return count


def _read(cluster: Cluster, namespace: str, eurekas: list[Object] | None) -> list[Object]:
    if eurekas is None:
        return read_all(cluster, namespace, "totals")
    return read_some(cluster, namespace, "totals", eurekas)
