"""Pure: the kinds of objects that the operator uses, and their paths in the API."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from spiko_operator.api.common import API_VERSION


@dataclass(frozen=True)
class Resource:
    """The place of a kind in the API."""

    api_version: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """Return the URL path of an object; without a name, of the collection.

        >>> Resource("apps/v1", "deployments").path("default", "web", "status")
        '/apis/apps/v1/namespaces/default/deployments/web/status'
        """
        root = f"/api/{self.api_version}" if "/" not in self.api_version else f"/apis/{self.api_version}"
        scope = f"/namespaces/{quote(namespace)}" if self.namespaced and namespace else ""
        tail = "".join(f"/{quote(part)}" for part in (name, subresource) if part)
        return f"{root}{scope}/{self.plural}{tail}"


RESOURCES = {
    "Architecture": Resource(API_VERSION, "architectures"),
    "Fault": Resource(API_VERSION, "faults"),
    "ConfigMap": Resource("v1", "configmaps"),
    "Secret": Resource("v1", "secrets"),
    "Namespace": Resource("v1", "namespaces", namespaced=False),
    "Service": Resource("v1", "services"),
    "Pod": Resource("v1", "pods"),
    "Node": Resource("v1", "nodes", namespaced=False),
    "Lease": Resource("coordination.k8s.io/v1", "leases"),
    "Event": Resource("events.k8s.io/v1", "events"),
    "Deployment": Resource("apps/v1", "deployments"),
    "ReplicaSet": Resource("apps/v1", "replicasets"),
    "NetworkPolicy": Resource("networking.k8s.io/v1", "networkpolicies"),
    "PodDisruptionBudget": Resource("policy/v1", "poddisruptionbudgets"),
}
