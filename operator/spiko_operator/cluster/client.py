"""The one door to the API server: read, create, apply, delete, evict, and status; library errors end here.

Plain dictionaries in and out through the asynchronous part of the `kubernetes` package, which brings credentials, TLS and connections. Paths
are built here, so that no discovery is asked for. A refused token is read again, since tokens are rotated; a peer that went silent is given up.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiohttp import ClientError, ClientTimeout
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.exceptions import ApiException

from spiko_operator.api.common import API_VERSION
from spiko_operator.errors import ClusterError, Conflict, Invalid, Missing, Refused, Throttled

Object = dict[str, Any]
REQUEST_S = 30.0  # the library's 300 s would hold a worker for as long behind a connection that went silent
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_ERRORS: dict[int, type[Refused]] = {
    400: Invalid,
    404: Missing,
    409: Conflict,
    410: Conflict,
    422: Invalid,
    429: Throttled,
}


@dataclass(frozen=True)
class Resource:
    """Where a kind lives in the API."""

    api_version: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """The URL's path; without a name it is the collection's."""
        root = f"/api/{self.api_version}" if "/" not in self.api_version else f"/apis/{self.api_version}"
        scope = f"/namespaces/{quote(namespace)}" if self.namespaced and namespace else ""
        tail = "".join(f"/{quote(part)}" for part in (name, subresource) if part)
        return f"{root}{scope}/{self.plural}{tail}"


RESOURCES = {
    "Architecture": Resource(API_VERSION, "architectures"),
    "Fault": Resource(API_VERSION, "faults"),
    "ConfigMap": Resource("v1", "configmaps"),
    "Service": Resource("v1", "services"),
    "Pod": Resource("v1", "pods"),
    "Node": Resource("v1", "nodes", namespaced=False),
    "Event": Resource("events.k8s.io/v1", "events"),
    "Deployment": Resource("apps/v1", "deployments"),
    "ReplicaSet": Resource("apps/v1", "replicasets"),
    "PodDisruptionBudget": Resource("policy/v1", "poddisruptionbudgets"),
}


@dataclass(frozen=True)
class Snapshot:
    """All objects of a kind as they were at one version."""

    items: list[Object]
    version: str


class Client:
    """Calls to one API server. Open it with `connect`, end it with `close`.

    Args:
        api: the library's.
        read_credentials: puts them, as they are now, into the library's configuration; raises ClusterError.
        timeout_s: how long one request may take.
    """

    def __init__(self, api: ApiClient, read_credentials: Callable[[], Awaitable[None]], timeout_s: float) -> None:
        self._api, self._read_credentials = api, read_credentials
        self._timeout = ClientTimeout(total=timeout_s)
        self._renewing = asyncio.Lock()

    @classmethod
    async def connect(
        cls, kubeconfig: str | None = None, context: str | None = None, timeout_s: float = REQUEST_S
    ) -> Client:
        """Take credentials from a kubeconfig file, or from the pod's service account.

        Raises:
            ClusterError: there are none.

        """
        settings = Configuration()

        async def read_credentials() -> None:
            try:
                if kubeconfig is not None:
                    await config.load_kube_config(
                        config_file=kubeconfig, context=context, client_configuration=settings
                    )
                else:
                    config.load_incluster_config(client_configuration=settings)
            except (config.ConfigException, OSError, KeyError, TypeError) as error:
                raise ClusterError(f"no credentials for a cluster: {error}") from error

        await read_credentials()
        return cls(ApiClient(settings), read_credentials, timeout_s)

    async def close(self) -> None:
        """End all connections."""
        await self._api.close()

    async def get(self, kind: str, namespace: str | None, name: str) -> Object:
        """Read one object. Raises Missing, ClusterError."""
        return await self._call("GET", RESOURCES[kind].path(namespace, name))

    async def list(self, kind: str, namespace: str | None = None, labels: str = "") -> list[Object]:
        """Read all objects of a kind, in one namespace or in all. Raises ClusterError."""
        return (await self.snapshot(kind, namespace, labels)).items

    async def snapshot(self, kind: str, namespace: str | None = None, labels: str = "") -> Snapshot:
        """As `list`, with the version that it is of: all pages are of the first one's. Raises ClusterError."""
        query = {"limit": "500"} | ({"labelSelector": labels} if labels else {})
        found: list[Object] = []
        while True:
            page = await self._call("GET", RESOURCES[kind].path(namespace), query)
            found += page["items"]
            following = page["metadata"].get("continue")
            if not following:
                return Snapshot(found, page["metadata"].get("resourceVersion", ""))
            query["continue"] = following

    async def create(self, kind: str, body: Object, manager: str) -> Object:
        """Create an object. Raises Conflict if the name is taken, Invalid, ClusterError."""
        path = RESOURCES[kind].path(body["metadata"].get("namespace"))
        return await self._call("POST", path, {"fieldManager": manager}, body)

    async def apply(self, body: Object, manager: str) -> Object:
        """Server-side apply with force: our fields are ours. Raises Invalid, ClusterError."""
        path = RESOURCES[body["kind"]].path(body["metadata"].get("namespace"), body["metadata"]["name"])
        return await self._call("PATCH", path, {"fieldManager": manager, "force": "true"}, body, _APPLY)

    async def replace(self, kind: str, body: Object, manager: str) -> Object:
        """Replace an object; its resourceVersion must be the one that was read. Raises Conflict, Missing, ClusterError."""
        path = RESOURCES[kind].path(body["metadata"].get("namespace"), body["metadata"]["name"])
        return await self._call("PUT", path, {"fieldManager": manager}, body)

    async def patch_status(
        self, kind: str, namespace: str, name: str, uid: str, status: Mapping[str, Any], manager: str
    ) -> Object:
        """Merge into an object's status; null removes. Raises Conflict if it is another object by now, Missing, ClusterError."""
        body = {"metadata": {"uid": uid}, "status": status}
        return await self._call(
            "PATCH", RESOURCES[kind].path(namespace, name, "status"), {"fieldManager": manager}, body, _MERGE
        )

    async def delete(self, kind: str, namespace: str, name: str, uid: str, grace_s: int | None = None) -> bool:
        """Delete an object with this UID; returns whether there was one. Raises ClusterError.

        A Deployment's name stays taken until its ReplicaSets are gone: if one of the same name were made before that, a collector whose watch
        breaks in between would take the two for one, and never collect the ReplicaSets of the first.
        """
        policy = "Foreground" if kind == "Deployment" else "Background"
        options: Object = {"preconditions": {"uid": uid}, "propagationPolicy": policy}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        try:
            await self._call("DELETE", RESOURCES[kind].path(namespace, name), body=options)
        except (Missing, Conflict):
            return False
        return True

    async def evict(self, namespace: str, name: str, uid: str) -> None:
        """Ask for a pod's eviction. Raises Throttled if a budget refuses it, Missing, Conflict, ClusterError."""
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
            "deleteOptions": {"preconditions": {"uid": uid}},
        }
        await self._call("POST", RESOURCES["Pod"].path(namespace, name, "eviction"), body=body)

    async def raw(self, path: str) -> Object:
        """Read any path, such as /version or a pod's proxy. Raises ClusterError."""
        return await self._call("GET", path)

    @property
    def server(self) -> str:
        """The API server's URL."""
        host: str = self._api.configuration.host
        return host

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content: str = "application/json",
    ) -> Object:
        token = self._token()
        status, text = await self._send(method, path, query, body, content)
        if status == 401 and await self._renew(token):
            status, text = await self._send(method, path, query, body, content)
        if status >= 300:
            raise _error(status, text, method, path)
        found: Object = json.loads(text)
        return found

    async def _send(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Object | None, content: str
    ) -> tuple[int, str]:
        """Send a request; returns status and text of the answer."""
        headers = {"Accept": "application/json", "Content-Type": content}
        serialized = await self._api.param_serialize(
            method=method,
            resource_path=path,
            query_params=list((query or {}).items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            response = await self._api.call_api(*serialized, _request_timeout=self._timeout)
            text = await response.read()
        except (
            ApiException
        ) as error:  # answers, of whatever status, are returned: this is a request that cannot be sent
            raise ClusterError(f"{method} {path}: {error.reason}") from error
        except (ClientError, OSError, TimeoutError) as error:
            raise ClusterError(f"{method} {path}: the API server does not answer: {error!r}") from error
        return response.status, text.decode(errors="replace")

    def _token(self) -> str | None:
        token: str | None = self._api.configuration.api_key.get("BearerToken")
        return token

    async def _renew(self, refused: str | None) -> bool:
        """Read the credentials again, once for all requests that were refused together; whether there is another token than the refused one."""
        async with self._renewing:
            if self._token() == refused:
                await self._read_credentials()
        return self._token() != refused


def _error(status: int, text: str, method: str, path: str) -> ClusterError:
    try:
        message = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        message = text[:500]
    return _ERRORS.get(status, Refused)(f"{method} {path}: {status}: {message}", message)
