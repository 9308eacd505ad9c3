"""Pure: objects of a custom kind that has several versions. They are kept in the storage version and shown in the version that is asked for.

The only conversion is Kubernetes' strategy None: another apiVersion, and without the fields that the version's schema does not have.
"""

from __future__ import annotations

from kube_devserver.custom import custom_resources
from kube_devserver.objects.resource_registry import Resource
from kube_devserver.storage.store import Body, Entry


def shown(resource: Resource, entry: Entry) -> Entry:
    """An object in a resource's version."""
    if resource.custom is None or entry.body["apiVersion"] == resource.api_version:
        return entry
    return Entry(convert(resource, entry.body), entry.revision)


def convert(resource: Resource, body: Body) -> Body:
    """A body in a resource's version."""
    rest = {key: value for key, value in body.items() if key != "metadata"}
    found: Body = custom_resources.prune(resource.node, rest, "", [])
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": body["metadata"]} | (
        found | {"apiVersion": resource.api_version}
    )


def kept(storage: Resource | None, body: Body) -> Body:
    """A body as it is kept, which is in the storage version and with that one's defaults."""
    if storage is None or storage.custom is None or body["apiVersion"] == storage.api_version:
        return body
    found: Body = custom_resources.fill_in(storage.node, convert(storage, body))
    return found
