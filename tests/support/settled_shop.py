"""An Architecture of three tiers, settled in a fake cluster, for tests of the planner."""

from __future__ import annotations

import copy
from typing import Any

from tests.support.fake_api_server import FakeCluster

Object = dict[str, Any]


def shop(scale: int = 100, weights: tuple[int, int] | None = None, **web: Any) -> Object:
    """Return an Architecture."""
    services: list[Object] = [
        {"name": "db", "package": "store", "count": 2, "regions": 1, "dependencies": []},
        {"name": "web", "package": "monolith", "count": 4, "regions": 1, "dependencies": ["db"], **web},
        {"name": "www", "package": "denominator", "count": 0, "regions": 0, "dependencies": ["web"]},
    ]
    if weights is not None:
        services[1]["versions"] = [{"version": "1.0.0"}, {"version": "1.1.0", "replicas": 3}]
        services[1]["routing"] = {
            "split": [{"version": f"1.{i}.0", "weight": w} for i, w in enumerate(weights)]
        }
    metadata = {"name": "shop"}
    spec = {"scale": scale, "services": services}
    return {"apiVersion": "spiko.dev/v1alpha1", "kind": "Architecture", "metadata": metadata, "spec": spec}


def running(body: Object | None = None) -> FakeCluster:
    """Return a cluster in which the architecture is Ready."""
    cluster = FakeCluster()
    cluster.put(body or shop())
    cluster.settle("shop")
    cluster.log.clear()
    cluster.events.clear()
    return cluster


def templates(cluster: FakeCluster) -> dict[str, Any]:
    """Return the pod templates by Deployment."""
    return {
        name: copy.deepcopy(body["spec"]["template"])
        for (kind, name), body in cluster.objects.items()
        if kind == "Deployment"
    }
