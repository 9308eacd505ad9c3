"""Checks of a cluster's admission plugins that remain here: service accounts must exist, system namespaces
must stay.
"""

from __future__ import annotations

from kube_devserver import api_errors
from kube_devserver.objects.kinds import NAMESPACES, PODS, SERVICE_ACCOUNTS, Body
from kube_devserver.objects.resource_registry import Resource
from kube_devserver.storage.store import Store

IMMORTAL = ("default", "kube-system", "kube-public")
DEFAULT_ACCOUNT = "default"  # a controller creates it a moment after the namespace


def admit(store: Store, resource: Resource, body: Body, old: Body | None) -> None:
    """Check an object of a built-in kind before it is stored.

    Args:
        store: the objects.
        resource: of the object.
        body: the object.
        old: the object that it replaces; None for a create.

    Raises:
        StatusError: 403, the object is refused.
    """
    if resource.key != PODS or old is not None:
        return
    name, namespace = body["spec"].get("serviceAccountName", DEFAULT_ACCOUNT), body["metadata"]["namespace"]
    if name != DEFAULT_ACCOUNT and store.get(SERVICE_ACCOUNTS, namespace, name) is None:
        why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
        raise api_errors.forbidden("", "pods", body["metadata"]["name"], why)


def admit_delete(resource: Resource, name: str) -> None:
    """Check a delete.

    Raises:
        StatusError: 403, the cluster needs the object.
    """
    if resource.key == NAMESPACES and name in IMMORTAL:
        raise api_errors.forbidden("", "namespaces", name, "this namespace may not be deleted")
