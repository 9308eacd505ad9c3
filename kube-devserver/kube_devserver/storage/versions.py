"""Versions of custom kinds: objects are stored in the storage version and shown in the requested one.

The only conversion is Kubernetes' strategy None: another apiVersion, without fields that the version's schema
lacks.
"""

from __future__ import annotations

from kube_devserver.custom import pruning
from kube_devserver.objects.kinds import Body
from kube_devserver.objects.resource_registry import Resource
from kube_devserver.storage.store import Entry


def shown(resource: Resource, entry: Entry) -> Entry:
    """An object in the version of a resource."""
    if resource.custom is None or entry.body["apiVersion"] == resource.api_version:
        return entry
    return Entry(convert(resource, entry.body), entry.revision)


def convert(resource: Resource, body: Body) -> Body:
    """An object's JSON in the version of a resource."""
    rest = {key: value for key, value in body.items() if key != "metadata"}
    found: Body = pruning.prune(resource.node, rest, "", [])
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": body["metadata"]} | (
        found | {"apiVersion": resource.api_version}
    )


def kept(storage: Resource | None, body: Body) -> Body:
    """An object's JSON in the storage version, with that version's defaults."""
    if storage is None or storage.custom is None or body["apiVersion"] == storage.api_version:
        return body
    found: Body = pruning.fill_in(storage.node, convert(storage, body))
    return found
