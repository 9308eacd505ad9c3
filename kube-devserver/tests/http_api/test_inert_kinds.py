"""Kinds that are stored for clients although nothing acts on them."""

from __future__ import annotations

from typing import Any

import pytest

from devserver_support.servers import Server

SCALE_TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
KINDS: dict[str, dict[str, Any]] = {
    "/api/v1/namespaces/default/resourcequotas": {"kind": "ResourceQuota", "spec": {"hard": {"pods": "1"}}},
    "/api/v1/namespaces/default/limitranges": {
        "kind": "LimitRange",
        "spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}}]},
    },
    "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers": {
        "kind": "HorizontalPodAutoscaler",
        "spec": {"scaleTargetRef": SCALE_TARGET, "minReplicas": 1, "maxReplicas": 3},
    },
    "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies": {
        "kind": "NetworkPolicy",
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
    },
    "/apis/rbac.authorization.k8s.io/v1/clusterroles": {
        "kind": "ClusterRole",
        "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}],
    },
}


@pytest.mark.parametrize("path", KINDS)
def test_an_inert_kind_is_stored_with_a_warning(server: Server, path: str) -> None:
    """Given an object of a kind that nothing acts on, when it is applied, then it is stored, and the client
    is warned.
    """
    group = (
        path.split("/namespaces")[0]
        .removeprefix("/apis/")
        .removeprefix("/api/")
        .removesuffix("/clusterroles")
    )
    body = KINDS[path] | {"apiVersion": group, "metadata": {"name": "inert"}}
    applied = server.ask("PATCH", f"{path}/inert?fieldManager=t", body, "application/apply-patch+yaml")
    read = server.ask("GET", f"{path}/inert")
    table = server.ask("GET", path, accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    deleted = server.ask("DELETE", f"{path}/inert")

    assert (201, 200, 200, 200) == (applied.status, read.status, table.status, deleted.status), applied.body
    text = f"{body['kind']} objects are stored, but this API server does not act on them"
    assert f'299 - "{text}"' == applied.headers["Warning"]
    assert "inert" in [row["cells"][0] for row in table.body["rows"]]
    assert body.get("rules", body.get("spec")) == read.body.get("rules", read.body.get("spec"))


def test_inert_kinds_are_explained(server: Server) -> None:
    """Given OpenAPI, when a client reads it, then it has these kinds' schemas for `kubectl explain`."""
    schemas = server.ask("GET", "/openapi/v3/apis/autoscaling/v2").body["components"]["schemas"]

    assert "io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerSpec" in schemas
