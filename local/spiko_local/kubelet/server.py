"""The kubelets' HTTPS servers, one address per node: logs, exec and port-forward, asked for by the API server with its client certificate."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

from spiko_local.kubelet import websocket_channels as channels
from spiko_local.kubelet.exec_session import run_exec
from spiko_local.kubelet.heartbeats import PORT
from spiko_local.kubelet.logs import follow_log, since_offset, stamp_before, tail_offset, with_times
from spiko_local.kubelet.spdy import PortForward
from spiko_local.kubelet.upgraded_connection import Taken

if TYPE_CHECKING:
    from spiko_local.kubelet.kubelet import Kubelet
    from spiko_local.kubelet.pod_worker import PodWorker

NO_TIMES = "the lines of this log do not begin with a time: --timestamps is not to be had for it\n"


class Servers:
    """All nodes' servers.

    Args:
        kubelet: whose pods are asked about.
        cert: serving certificate.
        key: its key.
        client_ca: whoever has no certificate of this authority is turned away: exec runs commands as us.
    """

    def __init__(self, kubelet: Kubelet, cert: Path, key: Path, client_ca: Path) -> None:
        self._kubelet = kubelet
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(cert, key)
        self._context.load_verify_locations(client_ca)
        self._context.verify_mode = ssl.CERT_REQUIRED

    async def start(self) -> None:
        """Listen on every node's address. Raises OSError if one cannot be had."""
        application = web.Application()
        router = application.router
        router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)
        router.add_route("*", "/exec/{namespace}/{pod}/{container}", self._exec)
        router.add_route("*", "/portForward/{namespace}/{pod}", self._port_forward)
        router.add_route("*", "/attach/{namespace}/{pod}/{container}", self._attach)
        router.add_post("/nodes/{node}/{action:stop|start}", self._power)
        router.add_get("/healthz", self._health)
        router.add_get("/pods", self._pods)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        for node in self._kubelet.nodes.values():
            await web.TCPSite(runner, node.address, PORT, ssl_context=self._context).start()

    def _worker(self, request: web.Request) -> PodWorker:
        namespace, name = request.match_info["namespace"], request.match_info["pod"]
        for worker in self._kubelet.workers.values():
            if (worker.record.namespace, worker.record.name) == (namespace, name):
                return worker
        raise web.HTTPNotFound(text=f"pod {namespace}/{name} is not on this node\n")

    # ---------------------------------------------------------------- logs

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        worker, query = self._worker(request), request.query
        previous = query.get("previous") == "true"
        number = worker.record.container - previous
        path = worker.log_file(number) if number > 0 else None
        if path is None or not path.exists():
            which = "previous terminated container" if previous else "container"
            name = request.match_info["container"]
            raise web.HTTPBadRequest(text=f'{which} "{name}" in pod "{worker.record.name}" not found\n')
        options = _read_options(query)
        offset, stamp = await asyncio.to_thread(_begin, path, options)
        if options.timestamps and stamp is None and path.stat().st_size:
            raise web.HTTPBadRequest(text=NO_TIMES)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        left = options.limit_bytes
        still = (
            (lambda: worker.record.container == number and worker.container.running)
            if query.get("follow") == "true"
            else (lambda: False)
        )
        with contextlib.suppress(ConnectionError):
            pieces = follow_log(path, offset, still)
            if options.timestamps:
                pieces = with_times(pieces, stamp or datetime.now(UTC))
            async for data in pieces:
                piece = data if left is None else data[:left]
                await response.write(piece)
                if left is not None and (left := left - len(piece)) <= 0:
                    break
            await response.write_eof()
        return response

    # ---------------------------------------------------------------- exec

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        worker = self._worker(request)
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise web.HTTPNotImplemented(text="exec is offered over WebSocket only; use kubectl 1.31 or newer\n")
        socket = web.WebSocketResponse(protocols=["v5.channel.k8s.io", "v4.channel.k8s.io"], max_msg_size=0)
        await socket.prepare(request)
        command = request.query.getall("command", [])
        tty = request.query.get("tty") in ("1", "true")
        stdin = request.query.get("input", request.query.get("stdin", "")) in ("1", "true")
        status = await run_exec(socket, command, worker.environ(), stdin, tty)
        with contextlib.suppress(ConnectionError):
            await socket.send_bytes(b"\x03" + json.dumps(status).encode())
            await socket.close()
        return socket

    async def _attach(self, request: web.Request) -> web.Response:
        self._worker(request)
        raise web.HTTPNotImplemented(
            text="attach is not to be had for pods that run as processes; use kubectl logs -f\n"
        )

    # ---------------------------------------------------------------- port-forward

    async def _port_forward(self, request: web.Request) -> web.StreamResponse:
        address = self._worker(request).address
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._forward_over_websocket(request, address)
        return await self._forward_over_spdy(request, address)

    async def _forward_over_websocket(self, request: web.Request, address: str) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=["SPDY/3.1+portforward.k8s.io", channels.PROTOCOL], max_msg_size=0)
        await socket.prepare(request)
        if socket.ws_protocol == channels.PROTOCOL:
            named = ",".join([*request.query.getall("ports", []), *request.query.getall("port", [])])
            await channels.forward_channels(socket, address, [int(each) for each in named.split(",") if each.isdigit()])
            await socket.close()
            return socket
        forward = PortForward(socket.send_bytes, address)
        try:
            async for message in socket:
                if message.type == WSMsgType.BINARY:
                    await forward.feed(message.data)
        finally:
            forward.close()
        return socket

    async def _forward_over_spdy(self, request: web.Request, address: str) -> web.Response:
        """Plain SPDY: the connection is taken over from aiohttp."""
        transport = request.transport
        if transport is None:
            raise web.HTTPBadRequest
        head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
        transport.write(head + b"X-Stream-Protocol-Version: portforward.k8s.io\r\n\r\n")
        taken = Taken(transport)
        transport.set_protocol(taken)
        forward = PortForward(taken.send, address)
        try:
            while (data := await taken.next()) is not None:
                await forward.feed(data)
        finally:
            forward.close()
            transport.close()
        return web.Response()

    # ---------------------------------------------------------------- others

    async def _power(self, request: web.Request) -> web.Response:
        """Ours, not a real kubelet's: `spiko node stop` and `start`. Whoever asks has the API server's certificate."""
        name = request.match_info["node"]
        if name not in self._kubelet.nodes:
            raise web.HTTPNotFound(text=f"{name}: no such node\n")
        if request.match_info["action"] == "stop":
            await self._kubelet.stop_node(name)
        else:
            await self._kubelet.start_node(name)
        return web.Response(text="ok\n")

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _pods(self, request: web.Request) -> web.Response:
        items = [worker.pod for worker in self._kubelet.workers.values()]
        return web.json_response({"apiVersion": "v1", "kind": "PodList", "items": items})


@dataclass(frozen=True)
class _LogOptions:
    """What `kubectl logs` asks for; None is all."""

    tail_lines: int | None
    limit_bytes: int | None
    since: datetime | None
    timestamps: bool


def _read_options(query: Mapping[str, str]) -> _LogOptions:
    """The API server has looked at them; who asks a kubelet himself is told what is wrong."""
    try:
        tail, limit, seconds = (
            int(query[name]) if query.get(name) else None for name in ("tailLines", "limitBytes", "sinceSeconds")
        )
        since = datetime.fromisoformat(query["sinceTime"]) if query.get("sinceTime") else None
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"{error}\n") from error
    if seconds is not None:
        since = datetime.now(UTC) - timedelta(seconds=seconds)
    elif since is not None:
        since = since.astimezone(UTC)
    return _LogOptions(tail, limit, since, query.get("timestamps") == "true")


def _begin(path: Path, options: _LogOptions) -> tuple[int, datetime | None]:
    """Where to begin to read; and, if times are wanted, when what stands there was written."""
    offset = tail_offset(path, options.tail_lines)
    if options.since is not None:
        offset = max(offset, since_offset(path, options.since))
    return offset, stamp_before(path, offset) if options.timestamps else None
