"""What eurekas have counted."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter

from tests.support.local_cluster import Cluster


def errors_since_the_beginning(cluster: Cluster, namespace: str) -> dict[str, int]:
    """Every error that any eureka has counted, by cause."""
    found: Counter[str] = Counter()
    for pod in cluster.items("pods", namespace, "spiko.dev/tier=eureka"):
        with urllib.request.urlopen(f"http://{pod['status']['podIP']}:7070/totals", timeout=5) as reply:
            for edge in json.load(reply)["edges"]:
                found.update(
                    {
                        f"{edge['from'][0]} -> {edge['to'][0]} {edge['to'][3]}: {cause}": count
                        for cause, count in edge["errors"].items()
                    }
                )
    return dict(found)


def calls_of(cluster: Cluster, namespace: str, caller: str) -> int:
    """How many calls of one tier any eureka has counted."""
    count = 0
    for pod in cluster.items("pods", namespace, "spiko.dev/tier=eureka"):
        with urllib.request.urlopen(f"http://{pod['status']['podIP']}:7070/totals", timeout=5) as reply:
            for edge in json.load(reply)["edges"]:
                if edge["from"][0] == caller:
                    count += edge["ok"] + edge["miss"] + sum(edge["errors"].values())
    return count
