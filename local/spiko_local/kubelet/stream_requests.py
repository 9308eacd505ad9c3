"""Serves `kubectl exec` and `kubectl port-forward`, over WebSockets and SPDY."""

from __future__ import annotations

import contextlib
import json

from aiohttp import WSMsgType, web

from spiko_local.kubelet import websocket_channels
from spiko_local.kubelet.exec_session import Exec, run_exec
from spiko_local.kubelet.spdy import PortForward
from spiko_local.kubelet.upgraded_connection import UpgradedConnection

EXEC_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
SPDY_TUNNEL = "SPDY/3.1+portforward.k8s.io"
STATUS_CHANNEL = b"\x03"
SPDY_HEAD = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
    b"X-Stream-Protocol-Version: portforward.k8s.io\r\n\r\n"
)


async def serve_exec(request: web.Request, environ: dict[str, str]) -> web.StreamResponse:
    """Run a command in a container, its streams over a WebSocket.

    Args:
        request: of /exec.
        environ: the container's environment.
    """
    if not _is_websocket(request):
        raise web.HTTPNotImplemented(text="exec: supported over WebSocket only; use kubectl 1.31 or newer\n")
    socket = web.WebSocketResponse(protocols=EXEC_PROTOCOLS, max_msg_size=0)
    await socket.prepare(request)
    query = request.query
    command = query.getall("command", [])
    tty = query.get("tty") in ("1", "true")
    stdin = query.get("input", query.get("stdin", "")) in ("1", "true")
    status = await run_exec(socket, Exec(command, environ, stdin, tty))
    with contextlib.suppress(ConnectionError):
        await socket.send_bytes(STATUS_CHANNEL + json.dumps(status).encode())
        await socket.close()
    return socket


async def serve_port_forward(request: web.Request, address: str) -> web.StreamResponse:
    """Connect a client with ports of a pod, over SPDY or a WebSocket.

    Args:
        request: of /portForward.
        address: the pod's IP.
    """
    if not _is_websocket(request):
        return await _forward_over_spdy(request, address)
    socket = web.WebSocketResponse(protocols=[SPDY_TUNNEL, websocket_channels.PROTOCOL], max_msg_size=0)
    await socket.prepare(request)
    if socket.ws_protocol == websocket_channels.PROTOCOL:
        named = ",".join([*request.query.getall("ports", []), *request.query.getall("port", [])])
        ports = [int(each) for each in named.split(",") if each.isdigit()]
        await websocket_channels.forward_channels(socket, address, ports)
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


async def _forward_over_spdy(request: web.Request, address: str) -> web.Response:
    """Speak plain SPDY: the connection is taken from aiohttp."""
    transport = request.transport
    if transport is None:
        raise web.HTTPBadRequest
    transport.write(SPDY_HEAD)
    connection = UpgradedConnection(transport)
    transport.set_protocol(connection)
    forward = PortForward(connection.send, address)
    try:
        while (data := await connection.next()) is not None:
            await forward.feed(data)
    finally:
        forward.close()
        transport.close()
    return web.Response()


def _is_websocket(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"
