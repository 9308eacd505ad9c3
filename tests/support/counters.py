"""Counters of a running cluster: requests of eurekas, restarts of containers, writes to the API server."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.support.eureka_reader import read_all
from tests.support.local_cluster import Cluster

WRITING = ("APPLY", "DELETE", "DELETECOLLECTION", "PATCH", "POST", "PUT", "UPDATE")
HEARTBEATS = ("leases", "nodes/status")
_METRIC = re.compile(r"^apiserver_request_total\{(.*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass
class Count:
    """Requests by outcome; `errors` by cause."""

    ok: int = 0
    miss: int = 0
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """All requests."""
        return self.ok + self.miss + sum(self.errors.values())

    def add(self, entry: dict[str, Any]) -> None:
        """Add one entry of a eureka's totals."""
        self.ok += entry["ok"]
        self.miss += entry["miss"]
        self.errors.update(entry["errors"])


@dataclass
class Counts:
    """Counts for each pair of tiers from their callers, and for each tier from its servers, since the eurekas
    started.
    """

    edges: dict[tuple[str, str], Count] = field(default_factory=dict)
    served: dict[str, Count] = field(default_factory=dict)


def read_counts(cluster: Cluster, namespace: str, architecture: str) -> Counts:
    """Return the counts of all eurekas of an architecture."""
    found = Counts()
    for totals in read_all(cluster, namespace, "totals", f"spiko.dev/architecture={architecture}"):
        for edge in totals["edges"]:
            found.edges.setdefault((edge["from"][0], edge["to"][0]), Count()).add(edge)
        for tier in totals["served"]:
            found.served.setdefault(tier["at"][0], Count()).add(tier)
    return found


def read_restarts(cluster: Cluster, namespace: str) -> int:
    """Return how often the containers of a namespace and the components of the cluster were restarted."""
    pods = cluster.items("pods", namespace)
    containers = [state for pod in pods for state in pod["status"].get("containerStatuses", ())]
    parts = json.loads(cluster.spiko("status", "--json").stdout)["parts"]
    return sum(int(c["restartCount"]) for c in containers) + sum(int(p["restarts"]) for p in parts)


def parse_writes(text: str) -> Counter[str]:
    r"""Writes by verb and resource, without the nodes' heartbeats, from the API server's metrics.

    >>> text = 'apiserver_request_total{code="200",resource="%s",subresource="%s",verb="PATCH"} 2\n'
    >>> parse_writes(text % ("pods", "status") + text % ("leases", "") + text % ("nodes", "status"))
    Counter({'PATCH pods/status': 2})
    """
    found: Counter[str] = Counter()
    for labels, value in _METRIC.findall(text):
        by_name = dict(_LABEL.findall(labels))
        resource = "/".join(filter(None, (by_name["resource"], by_name.get("subresource"))))
        if by_name["verb"] in WRITING and resource not in HEARTBEATS:
            found[f"{by_name['verb']} {resource}"] += int(float(value))
    return found


def read_writes(cluster: Cluster) -> Counter[str]:
    """Return the writes to the API server since it started."""
    return parse_writes(cluster.kubectl("get", "--raw", "/metrics").stdout)
