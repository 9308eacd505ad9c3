"""The kubelets' HTTPS servers, one address per node: logs, exec, port-forward and node power."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aiohttp import web
from aiohttp.http import HttpProcessingError

from spiko_local.kubelet.heartbeats import PORT
from spiko_local.kubelet.http_listener import HttpListener
from spiko_local.kubelet.log_requests import send_log
from spiko_local.kubelet.pod_workers import PodWorkers
from spiko_local.kubelet.stream_requests import serve_exec, serve_port_forward
from spiko_local.kubelet.worker_interfaces import PodView
from spiko_local.nodes import Node


@dataclass(frozen=True)
class TlsFiles:
    """Serving certificate, its key, and the authority of client certificates.

    Every client needs a certificate of that authority: exec runs commands as the kubelet's user.
    """

    cert: Path
    key: Path
    client_ca: Path

    def server_context(self) -> ssl.SSLContext:
        """Return a context that serves clients with a certificate only."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        context.load_verify_locations(self.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
        return context


class NodeSwitch(Protocol):
    """Cuts and restores the power of nodes."""

    async def stop_node(self, name: str) -> None:
        """Cut a node's power."""

    async def start_node(self, name: str) -> None:
        """Restore a node's power."""


class Servers:
    """The servers of all nodes.

    Args:
        nodes: by name.
        pods: whose logs are read and in which commands run.
        power: for `spiko node`.
        tls: certificates.
    """

    def __init__(self, nodes: Mapping[str, Node], pods: PodWorkers, power: NodeSwitch, tls: TlsFiles) -> None:
        self._nodes, self._pods, self._power = nodes, pods, power
        self._context = tls.server_context()

    async def start(self) -> None:
        """Listen on every node's address.

        Raises:
            OSError: an address is not available.
        """
        application = web.Application()
        router = application.router
        router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._get_logs)
        router.add_route("*", "/exec/{namespace}/{pod}/{container}", self._exec)
        router.add_route("*", "/portForward/{namespace}/{pod}", self._port_forward)
        router.add_route("*", "/attach/{namespace}/{pod}/{container}", self._attach)
        router.add_post("/nodes/{node}/{action:stop|start}", self._switch_node)
        router.add_get("/healthz", self._get_health)
        router.add_get("/pods", self._get_pods)
        listener = HttpListener(application, self._context)
        await listener.listen(*((node.address, PORT) for node in self._nodes.values()))

    def _pod(self, request: web.Request) -> PodView:
        namespace, name = request.match_info["namespace"], request.match_info["pod"]
        worker = self._pods.find(namespace, name)
        if worker is None:
            raise web.HTTPNotFound(text=f'pod "{namespace}/{name}" not found on this node\n')
        return worker

    async def _get_logs(self, request: web.Request) -> web.StreamResponse:
        return await send_log(request, self._pod(request))

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        return await serve_exec(request, self._pod(request).environ())

    async def _port_forward(self, request: web.Request) -> web.StreamResponse:
        return await serve_port_forward(request, self._pod(request).address)

    async def _attach(self, request: web.Request) -> web.Response:
        self._pod(request)
        raise web.HTTPNotImplemented(
            text="attach: not supported for pods that run as processes; use kubectl logs -f\n"
        )

    async def _switch_node(self, request: web.Request) -> web.Response:
        """Serve `spiko node stop` and `start`; not part of a real kubelet's API."""
        name = request.match_info["node"]
        if name not in self._nodes:
            raise web.HTTPNotFound(text=f'node "{name}" not found\n')
        if request.match_info["action"] == "stop":
            await self._power.stop_node(name)
        else:
            await self._power.start_node(name)
        return web.Response(text="ok\n")

    async def _get_health(self, request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _get_pods(self, request: web.Request) -> web.Response:
        items = [worker.pod for worker in self._pods]
        return web.json_response({"apiVersion": "v1", "kind": "PodList", "items": items})


def is_own_error(record: logging.LogRecord) -> bool:
    """Return whether a record is not about a malformed request: aiohttp logs a traceback for each, with bytes
    of the client. UnicodeEncodeError is that of an Expect header which is not text.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | UnicodeEncodeError)
