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


@dataclass(frozen=True)
class RequestKind:
    """What a request does, in the words of Kubernetes; all values are from fixed lists, however paths look.

    Args:
        verb: such as `list`.
        resource: plural, with the subresource if there is one, such as `pods/eviction`.
    """

    verb: str
    resource: str


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
_PLURALS = frozenset(resource.plural for resource in RESOURCES.values())
_SUBRESOURCES = frozenset(("status", "eviction", "proxy"))
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
OTHER = "other"


def kind_of_request(method: str, path: str) -> RequestKind:
    """Return what a request does; paths that the operator does not know are `other`.

    >>> kind_of_request("PATCH", "/apis/apps/v1/namespaces/default/deployments/web")
    RequestKind(verb='patch', resource='deployments')
    >>> kind_of_request("GET", "/api/v1/pods"), kind_of_request("GET", "/version")
    (RequestKind(verb='list', resource='pods'), RequestKind(verb='get', resource='other'))
    """
    root, *parts = path.strip("/").split("/")
    parts = parts[1:] if root == "api" else parts[2:] if root == "apis" else []
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        parts = parts[2:]
    known = bool(parts) and parts[0] in _PLURALS
    resource = parts[0] if known else OTHER
    if known and len(parts) > 2 and parts[2] in _SUBRESOURCES:
        resource = f"{resource}/{parts[2]}"
    is_list = method == "GET" and known and len(parts) == 1
    return RequestKind("list" if is_list else _VERBS.get(method, "get"), resource)
