"""The one door to the API server: read, create, apply, delete, evict, and status; library errors end here.

Plain dictionaries in and out through the asynchronous part of the `kubernetes` package, which brings credentials, TLS and connections. Paths
are built here, so that no discovery is asked for. A refused token is read again, since tokens are rotated; a peer that went silent is given up;
a server that is busy and says for how long (429 or 503 with Retry-After) is asked again after that, for a while.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiohttp import ClientError, ClientTimeout
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.exceptions import ApiException

from spiko_operator.api.common import API_VERSION
from spiko_operator.cluster.credentials import read_credentials
from spiko_operator.errors import ClusterError, Conflict, Forbidden, Invalid, Missing, Refused, Throttled
from spiko_operator.plan.objects import Object

REQUEST_S = 30.0  # the library's 300 s would hold a worker for as long behind a connection that went silent
BUSY_S = 10.0  # how long a busy server is waited for, in all
_BUSY = (429, 503)
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_ERRORS: dict[int, type[Refused]] = {
    400: Invalid,
    403: Forbidden,
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
    "PodDisruptionBudget": Resource("policy/v1", "poddisruptionbudgets"),
}


@dataclass(frozen=True)
class Snapshot:
    """All objects of a kind as they were at one version."""

    items: list[Object]
    version: str


@dataclass(frozen=True)
class Access:
    """What a connection to the API server needs besides its URL. `headers` hold the token, `context` the certificates."""

    headers: Mapping[str, str]
    context: ssl.SSLContext
    proxy: str | None
    token: str | None


@dataclass(frozen=True)
class _Answer:
    """Of whatever status. `retry_s` is Retry-After's, None if there is none."""

    status: int
    text: str
    retry_s: float | None


class Client:
    """Calls to one API server. Open it with `connect`, end it with `close`.

    Args:
        api: the library's.
        read_credentials: puts them, as they are now, into the library's configuration; raises ClusterError.
        timeout_s: how long one request may take.
    """

    def __init__(self, api: ApiClient, read_credentials: Callable[[], Awaitable[None]], timeout_s: float) -> None:
        self._api, self._read_credentials = api, read_credentials
        self._timeout, self._busy_s = ClientTimeout(total=timeout_s), min(BUSY_S, timeout_s)
        self._renewing = asyncio.Lock()

    @classmethod
    async def connect(
        cls, kubeconfig: str | None = None, context: str | None = None, timeout_s: float = REQUEST_S
    ) -> Client:
        """Take credentials from a kubeconfig, which may be several files as in KUBECONFIG, or from the pod's service account.

        Raises:
            ClusterError: there are none.
        """
        settings = Configuration()

        async def read() -> None:
            await read_credentials(settings, kubeconfig, context)

        await read()
        try:
            return cls(ApiClient(settings), read, timeout_s)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise ClusterError(
                f"the certificates in {kubeconfig or 'the service account'} cannot be used: {error}"
            ) from error

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
            path = RESOURCES[kind].path(namespace)
            page = await self._call("GET", path, query)
            try:
                found += page["items"]
                following = page["metadata"].get("continue")
            except (KeyError, TypeError, AttributeError) as error:
                raise ClusterError(f"GET {path}: the answer is no list; is {self.server} an API server?") from error
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
        # 429 is a budget's refusal: to wait for it is the caller's matter
        await self._call("POST", RESOURCES["Pod"].path(namespace, name, "eviction"), body=body, patient=False)

    async def raw(self, path: str) -> Object:
        """Read any path, such as /version or a pod's proxy. Raises ClusterError."""
        return await self._call("GET", path)

    @property
    def server(self) -> str:
        """The API server's URL."""
        host: str = self._api.configuration.host
        return host

    async def access(self) -> Access:
        """Our credentials as they are now, for connections that are no requests."""
        _, _, headers, *_ = await self._api.param_serialize(
            method="GET", resource_path="/", auth_settings=["BearerToken"]
        )
        rest = self._api.rest_client
        return Access(headers, rest.ssl_context, rest.proxy, self._token())

    async def renew(self, refused: str | None) -> bool:
        """Read the credentials again, once for all requests that were refused together; whether there is another token than the refused one."""
        async with self._renewing:
            if self._token() == refused:
                await self._read_credentials()
        return self._token() != refused

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content: str = "application/json",
        patient: bool = True,
    ) -> Object:
        token = self._token()

        async def send() -> _Answer:
            return await self._send(method, path, query, body, content)

        answer = await (self._send_patiently(send) if patient else send())
        if answer.status == 401 and await self.renew(token):
            answer = await send()
        if answer.status >= 300:
            raise _error(answer.status, answer.text, method, path)
        try:
            found: Object = json.loads(answer.text)
        except ValueError as error:
            raise ClusterError(
                f"{method} {path}: {answer.status}, but no JSON: {answer.text[:80]!r}; is {self.server} an API server?"
            ) from error
        return found

    async def _send_patiently(self, send: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """Send again when a busy server says so, as long as that ends within our time."""
        end = time.monotonic() + self._busy_s
        while True:
            answer = await send()
            if answer.status not in _BUSY or answer.retry_s is None or time.monotonic() + answer.retry_s > end:
                return answer
            await asyncio.sleep(answer.retry_s)

    async def _send(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Object | None, content: str
    ) -> _Answer:
        """Send a request once."""
        headers = {"Accept": "application/json", "Content-Type": content}
        try:
            serialized = await self._api.param_serialize(
                method=method,
                resource_path=path,
                query_params=list((query or {}).items()),
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
            )
            response = await self._api.call_api(*serialized, _request_timeout=self._timeout)
            text = await response.read()
        except (
            ApiException
        ) as error:  # answers, of whatever status, are returned: this is a request that cannot be sent
            raise ClusterError(f"{method} {path}: {error.reason}") from error
        except (ClientError, OSError, TimeoutError, ValueError) as error:
            why = str(error) or type(error).__name__
            raise ClusterError(f"{method} {path}: the API server does not answer: {why}") from error
        return _Answer(response.status, text.decode(errors="replace"), _retry_s(response.headers.get("Retry-After")))

    def _token(self) -> str | None:
        token: str | None = self._api.configuration.api_key.get("BearerToken")
        return token


def _retry_s(header: str | None) -> float | None:
    """Retry-After in seconds; at least a little, so that nobody can make us ask without a pause. A date is not taken."""
    return max(0.1, float(header)) if header is not None and header.isascii() and header.isdigit() else None


def _error(status: int, text: str, method: str, path: str) -> ClusterError:
    try:
        message = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        message = text[:500]
    return _ERRORS.get(status, Refused)(f"{method} {path}: {status}: {message}", message)
