"""The kinds that the server itself knows, as group and plural, and the type of an object's JSON."""

from __future__ import annotations

from typing import Any

Body = dict[str, Any]
Kind = tuple[str, str]  # group and plural

PODS, NODES, NAMESPACES, SERVICES = ("", "pods"), ("", "nodes"), ("", "namespaces"), ("", "services")
EVENTS, NEW_EVENTS = ("", "events"), ("events.k8s.io", "events")
CONFIG_MAPS, SECRETS, SERVICE_ACCOUNTS = ("", "configmaps"), ("", "secrets"), ("", "serviceaccounts")
DEPLOYMENTS, REPLICA_SETS = ("apps", "deployments"), ("apps", "replicasets")
BUDGETS, LEASES = ("policy", "poddisruptionbudgets"), ("coordination.k8s.io", "leases")
DEFINITIONS = ("apiextensions.k8s.io", "customresourcedefinitions")
RBAC = "rbac.authorization.k8s.io"
# Stored for clients that apply them; no controller or check of this server acts on them.
INERT = {
    ("", "resourcequotas"),
    ("", "limitranges"),
    ("autoscaling", "horizontalpodautoscalers"),
    ("networking.k8s.io", "networkpolicies"),
    *((RBAC, plural) for plural in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")),
}


def inert_warnings(kind: Kind, name: str) -> list[str]:
    """A warning for a kind that this server stores and does not act on."""
    return [f"{name} objects are stored, but this API server does not act on them"] if kind in INERT else []
