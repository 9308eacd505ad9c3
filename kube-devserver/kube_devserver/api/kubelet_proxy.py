"""Logs, exec and port-forward: passed to the kubelet of the pod's node."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from kube_devserver.api_errors import StatusError, bad_request, not_found
from kube_devserver.objects.kinds import NODES, Body
from kube_devserver.storage.store import Store

CONNECT_S = 10.0
CHUNK = 65536
MOST_WAITING = 65_536  # bytes buffered for the kubelet before the client is paused, as asyncio's own limit
_HOP = {"connection", "upgrade", "host", "authorization"}


class Kubelets:
    """Connections to kubelets, with the API server's client certificate.

    Args:
        store: to find nodes.
        pki: folder with ca.crt, kubelet-client.crt and kubelet-client.key.
    """

    def __init__(self, store: Store, pki: Path) -> None:
        self._store = store
        self._context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self._context.load_cert_chain(pki / "kubelet-client.crt", pki / "kubelet-client.key")

    def _address(self, pod: Body) -> tuple[str, int]:
        node = pod["spec"].get("nodeName")
        if not node:
            raise bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")
        entry = self._store.get(NODES, "", node)
        if entry is None:
            raise not_found(*NODES, node)
        status = entry.body.get("status", {})
        address = next((a["address"] for a in status.get("addresses", ()) if a["type"] == "InternalIP"), node)
        return address, int(status.get("daemonEndpoints", {}).get("kubeletEndpoint", {}).get("Port", 10250))

    def _path(self, verb: str, pod: Body, container: str, query: dict[str, list[str]]) -> str:
        metadata = pod["metadata"]
        path = f"/{verb}/{metadata['namespace']}/{metadata['name']}" + (
            f"/{container}" if verb != "portForward" else ""
        )
        return f"{path}?{urlencode(query, doseq=True)}"

    def _container_of(self, pod: Body, wanted: str) -> str:
        """The container that a request names, or the pod's only one.

        Raises:
            StatusError: 400, the pod has no container of this name, or it has several and the request names
                none.
        """
        names = [c["name"] for c in pod["spec"].get("containers", ())]
        name = pod["metadata"]["name"]
        if not wanted:
            if len(names) > 1:
                raise bad_request(
                    f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]"
                )
            return str(names[0])
        if wanted not in names:
            raise bad_request(f"container {wanted} is not valid for pod {name}")
        return wanted

    async def logs(self, request: web.Request, pod: Body, query: dict[str, list[str]]) -> web.StreamResponse:
        """Stream a container's log."""
        container = self._container_of(pod, (query.pop("container", None) or [""])[0])
        host, port = self._address(pod)
        url = f"https://{host}:{port}{self._path('containerLogs', pod, container, query)}"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S)
        try:
            session = aiohttp.ClientSession(timeout=timeout)
            async with session, session.get(url, ssl=self._context) as reply:
                if reply.status != 200:
                    text = (await reply.text()).strip()
                    raise bad_request(text) if reply.status < 500 else StatusError(500, "InternalError", text)
                response = web.StreamResponse(headers={"Content-Type": "text/plain"})
                await response.prepare(request)
                with contextlib.suppress(ConnectionError):
                    async for chunk in reply.content.iter_any():
                        await response.write(chunk)
                    await response.write_eof()
                return response
        except aiohttp.ClientConnectionError as error:
            raise _no_answer(host, port, error) from error

    async def upgrade(
        self, request: web.Request, verb: str, pod: Body, query: dict[str, list[str]]
    ) -> web.StreamResponse:
        """Connect a client that upgrades its connection with the kubelet, and copy bytes both ways."""
        wanted = (query.pop("container", None) or [""])[0]
        container = self._container_of(pod, wanted) if verb != "portForward" else ""
        if "upgrade" not in request.headers.get("Connection", "").lower():
            raise bad_request("Upgrade request required")
        if verb == "exec":
            query = {
                {"stdin": "input", "stdout": "output", "stderr": "error"}.get(key, key): value
                for key, value in query.items()
            }
        host, port = self._address(pod)
        try:
            async with asyncio.timeout(CONNECT_S):
                reader, writer = await asyncio.open_connection(host, port, ssl=self._context)
        except (OSError, TimeoutError) as error:
            raise _no_answer(host, port, error) from error
        lines = [f"{request.method} {self._path(verb, pod, container, query)} HTTP/1.1",
                 f"Host: {host}:{port}", "Connection: Upgrade",
                                  f"Upgrade: {request.headers.get('Upgrade', '')}"]  # fmt: skip
        lines += [f"{name}: {value}" for name, value in request.headers.items() if name.lower() not in _HOP]
        try:
            async with asyncio.timeout(CONNECT_S):
                writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
                head = await reader.readuntil(b"\r\n\r\n")
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError) as error:
            writer.close()
            raise _no_answer(host, port, error) from error
        if head.split(b" ", 2)[1:2] != [b"101"]:
            writer.close()
            raise bad_request("unable to upgrade: the kubelet does not speak this protocol")
        return await _join(request, head, reader, writer)


def _no_answer(host: str, port: int, error: Exception) -> StatusError:
    why = str(error) or type(error).__name__
    text = f"Internal error occurred: https://{host}:{port}: no answer from the kubelet: {why}"
    return StatusError(500, "InternalError", text)


async def _join(
    request: web.Request, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> web.StreamResponse:
    """Take the client's connection over from HTTP and copy bytes in both directions until one side ends."""
    transport = request.transport
    assert transport is not None
    before = transport.get_protocol()
    client = _Client(transport, writer)
    transport.set_protocol(client)
    transport.write(head)
    try:
        while data := await reader.read(CHUNK):
            transport.write(data)
            await client.writable.wait()
    except OSError:
        pass
    finally:
        writer.close()
        transport.set_protocol(before)
        transport.close()
    response = web.StreamResponse()
    response.force_close()
    return response


class _Client(asyncio.Protocol):
    """The client's side: its bytes go to the kubelet, and it is paused while the kubelet does not read."""

    def __init__(self, transport: asyncio.Transport, kubelet: asyncio.StreamWriter) -> None:
        self._transport, self._kubelet = transport, kubelet
        self._draining: asyncio.Task[None] | None = None
        self.writable = asyncio.Event()
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        self._kubelet.write(data)
        if self._draining is None and self._kubelet.transport.get_write_buffer_size() > MOST_WAITING:
            self._transport.pause_reading()
            self._draining = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        with contextlib.suppress(OSError):
            await self._kubelet.drain()
        self._draining = None
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def eof_received(self) -> bool:
        with contextlib.suppress(OSError, RuntimeError):
            if self._kubelet.can_write_eof():
                self._kubelet.write_eof()
            else:
                self._kubelet.close()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._kubelet.close()
        self.writable.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()
