"""Requests that are passed on: to a pod's port, to one of a service's pods, or to a node's kubelet. After Kubernetes' pkg/registry/core/*/strategy.go.

A name may say more than a name: `https:web:8080` is port 8080 of `web`, by HTTPS.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from kube_devserver import api_errors
from kube_devserver.api.kubelet_proxy import Kubelets
from kube_devserver.api.request_parsing import Place
from kube_devserver.api_errors import StatusError, bad_request
from kube_devserver.storage.store import Body, Store

PODS, SERVICES, NODES = "pods", "services", "nodes"
CONNECT_S = 10.0
_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade", "host",
    "authorization",
}  # fmt: skip
_OWN = "impersonate-"  # who acts for whom is no pod's business


@dataclass(frozen=True)
class Aim:
    """What a name means: a scheme, an object and a port, which may be a name."""

    scheme: str
    name: str
    port: str


def parse_name(name: str) -> Aim | None:
    """What a name means; None if it means nothing.

    >>> parse_name("web:8080"), parse_name("https:web:")
    (Aim(scheme='http', name='web', port='8080'), Aim(scheme='https', name='web', port=''))
    """
    parts = name.split(":")
    match parts:
        case [only]:
            return Aim("http", only, "")
        case [first, port]:
            return Aim("http", first, port)
        case [("http" | "https" | "") as scheme, middle, port]:
            return Aim(scheme or "http", middle, port)
    return None


def port_of_pod(pod: Body, wanted: str) -> int | None:
    """The port that a request means: a number, or if there is none the pod's first port."""
    ports = _ports(pod)
    if not wanted:
        return int(ports[0]["containerPort"]) if ports else 80
    return int(wanted) if re.fullmatch(r"[0-9]{1,5}", wanted) and int(wanted) < 1 << 16 else None


def _ports(pod: Body) -> list[Body]:
    return [port for container in pod["spec"].get("containers", ()) for port in container.get("ports") or ()]


def pod_of_service(store: Store, service: Body, wanted: str) -> tuple[Body, str] | None:
    """A pod that is ready to serve a port of a service, and that port of it; None if there is none."""
    spec = service["spec"]
    ports = spec.get("ports") or ()
    port = next((p for p in ports if wanted in ("", p.get("name", ""), str(p["port"]))), None)
    selector = spec.get("selector")
    if port is None or not selector or (wanted == "" and len(ports) != 1):
        return None
    for entry in store.entries(("", PODS), service["metadata"]["namespace"]):
        pod = entry.body
        labels = pod["metadata"].get("labels") or {}
        if all(labels.get(key) == value for key, value in selector.items()) and _is_ready(pod):
            target = str(port.get("targetPort", port["port"]))
            named = (each["containerPort"] for each in _ports(pod) if each.get("name") == target)
            return pod, target if target.isdigit() else str(next(named, ""))
    return None


def _is_ready(pod: Body) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


class Proxy:
    """Passes requests on.

    Args:
        store: to find pods, services and nodes.
        kubelets: for those to nodes.
    """

    def __init__(self, store: Store, kubelets: Kubelets) -> None:
        self._store, self._kubelets = store, kubelets

    async def serve(self, request: web.Request, place: Place) -> web.StreamResponse:
        """Pass a request on, and its answer back.

        Raises:
            StatusError: 400, 404 or 503, there is nobody to pass it to.
        """
        aim = parse_name(place.name)
        if aim is None:
            raise bad_request(f'invalid {place.plural.removesuffix("s")} request "{place.name}"')
        base, context = self._address(place, aim)
        match = re.search(rf"/{place.plural}/[^/]+/proxy(/.*)?\Z", request.rel_url.raw_path)
        rest = (match[1] if match is not None else None) or "/"
        url = URL(
            f"{base}{rest}" + (f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""),
            encoded=True,
        )
        return await _pass_on(request, url, context)

    def _address(self, place: Place, aim: Aim) -> tuple[str, ssl.SSLContext | bool]:
        entry = self._store.get(("", place.plural), place.namespace, aim.name)
        if entry is None:
            raise api_errors.not_found("", place.plural, aim.name)
        if place.plural == NODES:
            host, port = self._kubelets.address(aim.name)
            return f"https://{host}:{aim.port or port}", self._kubelets.context
        pod, wanted = entry.body, aim.port
        if place.plural == SERVICES:
            found = pod_of_service(self._store, entry.body, aim.port)
            if found is None:
                raise _unavailable(f'no endpoints available for service "{place.name}"')
            pod, wanted = found
        address = str(pod.get("status", {}).get("podIP") or "")
        if not _is_local(address):
            raise bad_request("address not allowed")
        port_number = port_of_pod(pod, wanted)
        if port_number is None:
            raise _unavailable(f"error trying to reach service: dial tcp: lookup tcp/{wanted}: unknown port")
        return f"{aim.scheme}://{address}:{port_number}", False


def _is_local(address: str) -> bool:
    """Pods are processes on this machine: whoever writes a pod's status must not send requests elsewhere."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _unavailable(text: str) -> StatusError:
    return StatusError(503, "ServiceUnavailable", text)


def _forwarded(headers: Mapping[str, str]) -> CIMultiDict[str]:
    found: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        if name.lower() not in _HOP and not name.lower().startswith(_OWN):
            found.add(name, value)
    return found


async def _pass_on(request: web.Request, url: URL, context: ssl.SSLContext | bool) -> web.StreamResponse:
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S)
    sent: Any = request.content if request.body_exists else None
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session,
            session.request(
                request.method, url, headers=_forwarded(request.headers), data=sent, ssl=context, allow_redirects=False
            ) as reply,
        ):
            response = web.StreamResponse(status=reply.status, headers=_forwarded(reply.headers))
            await response.prepare(request)
            async for chunk in reply.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response
    except aiohttp.ClientConnectorError as error:
        why = f"dial tcp {url.host}:{url.port}: connect: {_reason(error.os_error)}"
        raise _unavailable(f"error trying to reach service: {why}") from error
    except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
        raise _unavailable(f"error trying to reach service: {error}") from error


def _reason(error: OSError) -> str:
    """Go's words for it."""
    return os.strerror(error.errno).lower() if error.errno else str(error)
