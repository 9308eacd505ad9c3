"""The verbs of the API server: read, create, apply, replace, delete, evict, and write a status.

Objects are plain dictionaries. Paths are built from `resources.py`, so no discovery request is needed. All
methods raise ClusterError if the API server does not answer, and Refused or one of its subclasses if it
answers with an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spiko_operator.cluster.connection import REQUEST_S, Connection
from spiko_operator.cluster.resources import RESOURCES
from spiko_operator.cluster.write_guard import WriteGuard
from spiko_operator.errors import ClusterError, Conflict, Missing
from spiko_operator.plan.objects import Object

_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_PAGE = "500"  # objects


@dataclass(frozen=True)
class Snapshot:
    """All objects of a kind, as they were at one resourceVersion."""

    items: list[Object]
    version: str


class Client:
    """Calls the API server. Open it with `connect`, and close it with `close`.

    Args:
        connection: to the API server.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @classmethod
    async def connect(
        cls,
        kubeconfig: str | None = None,
        context: str | None = None,
        timeout_s: float = REQUEST_S,
        guard: WriteGuard | None = None,
    ) -> Client:
        """Return a client with the credentials of a kubeconfig, or of the pod's service account.

        Args:
            kubeconfig: one or several files as in KUBECONFIG; None for the service account.
            context: of the kubeconfig; None for its current context.
            timeout_s: time limit of one request.
            guard: checked right before each write, which raises NotLeader then; None to send all.

        Raises:
            ClusterError: there are no usable credentials.
        """
        return cls(await Connection.connect(kubeconfig, context, timeout_s, guard))

    async def close(self) -> None:
        """Close the connection."""
        await self.connection.close()

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self.connection.server

    # ---------------------------------------------------------------- reading

    async def get(self, kind: str, namespace: str | None, name: str) -> Object:
        """Return one object.

        Raises:
            Missing: there is no such object.
        """
        return await self.connection.request("GET", RESOURCES[kind].path(namespace, name))

    async def first_page(
        self, kind: str, namespace: str, labels: str, fields: str, most: int
    ) -> list[Object]:
        """Return at most so many objects that both selectors select, in one request."""
        query = {"labelSelector": labels, "fieldSelector": fields, "limit": str(most)}
        page = await self.connection.request("GET", RESOURCES[kind].path(namespace), query)
        # A server may ignore the limit.
        return [*(page.get("items") or ())][:most]

    async def list(self, kind: str, namespace: str | None = None, labels: str = "") -> list[Object]:
        """Return all objects of a kind, in one namespace or in all."""
        return (await self.snapshot(kind, namespace, labels)).items

    async def snapshot(self, kind: str, namespace: str | None = None, labels: str = "") -> Snapshot:
        """Return all objects of a kind and the resourceVersion of the list, which all pages share."""
        query = {"limit": _PAGE} | ({"labelSelector": labels} if labels else {})
        path = RESOURCES[kind].path(namespace)
        found: list[Object] = []
        while True:
            page = await self.connection.request("GET", path, query)
            try:
                found += page["items"]
                next_page = page["metadata"].get("continue")
            except (KeyError, TypeError, AttributeError) as error:
                text = f"GET {path}: the response is not a list; is {self.server} an API server?"
                raise ClusterError(text) from error
            if not next_page:
                return Snapshot(found, page["metadata"].get("resourceVersion", ""))
            query["continue"] = next_page

    async def raw(self, path: str) -> Object:
        """Return the JSON object at any path, such as /version or that of a pod's proxy."""
        return await self.connection.request("GET", path)

    # ---------------------------------------------------------------- writing

    async def create(self, kind: str, body: Object, manager: str) -> Object:
        """Create an object and return it.

        Raises:
            Conflict: an object of this name exists.
            Invalid: the API server rejects the object.
        """
        path = RESOURCES[kind].path(body["metadata"].get("namespace"))
        return await self.connection.request("POST", path, {"fieldManager": manager}, body)

    async def apply(self, body: Object, manager: str) -> Object:
        """Apply an object, server-side, and return it; other managers lose fields that it has.

        Raises:
            Invalid: the API server rejects the object.
        """
        path = RESOURCES[body["kind"]].path(body["metadata"].get("namespace"), body["metadata"]["name"])
        query = {"fieldManager": manager, "force": "true"}
        return await self.connection.request("PATCH", path, query, body, _APPLY)

    async def patch(self, body: Object, patch: Mapping[str, Any], uid: str, manager: str) -> Object:
        """Merge a patch (RFC 7386) into the object that `body` names and return the object.

        Raises:
            Conflict: the object of this name has another UID.
            Invalid: the API server rejects the object.
            Missing: there is no such object.
        """
        path = RESOURCES[body["kind"]].path(body["metadata"].get("namespace"), body["metadata"]["name"])
        whole = {**patch, "metadata": {**patch.get("metadata", {}), "uid": uid}}
        return await self.connection.request("PATCH", path, {"fieldManager": manager}, whole, _MERGE)

    async def replace(self, kind: str, body: Object, manager: str) -> Object:
        """Replace an object and return it.

        Raises:
            Conflict: the object has another resourceVersion than `body`.
            Missing: there is no such object.
        """
        path = RESOURCES[kind].path(body["metadata"].get("namespace"), body["metadata"]["name"])
        return await self.connection.request("PUT", path, {"fieldManager": manager}, body)

    async def patch_status(
        self, kind: str, namespace: str, name: str, uid: str, status: Mapping[str, Any], manager: str
    ) -> Object:
        """Merge fields into the status of an object and return the object; None removes a field.

        Raises:
            Conflict: the object of this name has another UID.
            Missing: there is no such object.
        """
        body = {"metadata": {"uid": uid}, "status": status}
        path = RESOURCES[kind].path(namespace, name, "status")
        return await self.connection.request("PATCH", path, {"fieldManager": manager}, body, _MERGE)

    async def delete(
        self,
        kind: str,
        namespace: str,
        name: str,
        uid: str,
        grace_s: int | None = None,
        version: str | None = None,
    ) -> bool:
        """Delete the object with this UID.

        A Deployment is deleted in the foreground, so that its name is free only after its ReplicaSets are
        deleted. If a new Deployment of the same name were created earlier, a garbage collector whose watch
        breaks at that moment would see one updated Deployment, and never collect the old ReplicaSets.

        Returns:
            Whether the object existed.

        Raises:
            Conflict: the object has another resourceVersion than `version`.
        """
        policy = "Foreground" if kind == "Deployment" else "Background"
        options: Object = {"preconditions": _preconditions(uid, version), "propagationPolicy": policy}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        try:
            await self.connection.request("DELETE", RESOURCES[kind].path(namespace, name), body=options)
        except Missing:
            return False
        except Conflict:
            if version is not None:
                raise
            return False
        return True

    async def evict(self, namespace: str, name: str, uid: str, version: str) -> None:
        """Request the eviction of the pod with this UID and resourceVersion.

        Raises:
            Throttled: a disruption budget refuses the eviction.
            Conflict: the pod of this name has another UID or resourceVersion.
            Missing: there is no such pod.
        """
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
            "deleteOptions": {"preconditions": _preconditions(uid, version)},
        }
        path = RESOURCES["Pod"].path(namespace, name, "eviction")
        # The refusal of a disruption budget is a 429: the caller decides how long to retry.
        await self.connection.request("POST", path, body=body, retry=False)


def _preconditions(uid: str, version: str | None) -> Object:
    return {"uid": uid} | ({"resourceVersion": version} if version is not None else {})
