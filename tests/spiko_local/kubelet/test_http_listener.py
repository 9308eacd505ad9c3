"""Clients of the kubelet's HTTP servers that do not prove themselves cost a limited amount of memory."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from spiko_local.kubelet.http_listener import HttpListener, Limits
from spiko_local.kubelet.server import TlsFiles
from spiko_local.pki import make_pki
from tests.support.kubelets import until

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys and certificates of a cluster."""
    folder = tmp_path_factory.mktemp("pki")
    make_pki(folder)
    return folder


@asynccontextmanager
async def listening(limits: Limits, pki: Path | None = None) -> AsyncIterator[int]:
    """Listen, with TLS if there are keys; yields the port."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text="ok")

    application = web.Application()
    application.router.add_get("/healthz", answer)
    files = pki and TlsFiles(pki / "kubelet.crt", pki / "kubelet.key", pki / "ca.crt")
    listener = HttpListener(application, files.server_context() if files else None, limits)
    await listener.listen(("127.0.0.1", 0))
    try:
        yield listener.port
    finally:
        await listener.close()


async def request(port: int, pki: Path | None = None) -> bytes:
    """Return the reply to a client that has the cluster's certificate if there are keys."""
    context = None
    if pki is not None:
        context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        context.check_hostname = False
        context.load_cert_chain(pki / "kubelet-client.crt", pki / "kubelet-client.key")
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(REQUEST)
    reply = await reader.read()
    writer.close()
    return reply


async def connect(port: int, count: int) -> list[Connection]:
    """Open connections that send nothing."""
    return [await asyncio.open_connection("127.0.0.1", port) for _ in range(count)]


def close(connections: list[Connection]) -> None:
    """Abort connections."""
    for _, writer in connections:
        writer.transport.abort()


def handshakes() -> int:
    """Return the number of TLS connections of this process that are in memory."""
    return sum(isinstance(found, SSLProtocol) for found in gc.get_objects())


@pytest.mark.parametrize("data", [b"", REQUEST], ids=["nothing", "plain HTTP"])
async def test_failed_handshakes_leave_nothing_to_the_garbage_collector(pki: Path, data: bytes) -> None:
    """Given no garbage collection, when clients end without a handshake, then no TLS connection is left."""
    gc.collect()
    gc.disable()
    try:
        async with listening(Limits(), pki) as port:
            before = handshakes()
            idle = await connect(port, 20)
            for _, writer in idle:
                writer.write(data)
            await until(lambda: handshakes() == before + 20 or data)
            close(idle)
            assert b"200" in await request(port, pki)
            await until(lambda: handshakes() == before)
    finally:
        gc.enable()


async def test_handshakes_in_progress_are_limited(pki: Path) -> None:
    """Given more clients without a handshake than the limit, then a client of the cluster is served, the
    oldest end and the newest stay open, and no more than the limit are in memory.
    """
    most = handshakes() + 5
    async with listening(Limits(handshakes=4, patience_s=0.01), pki) as port:
        idle = await connect(port, 40)
        reply = asyncio.create_task(request(port, pki))
        while not reply.done():
            assert handshakes() <= most + 1
            await asyncio.sleep(0.005)

        assert b"200" in await reply
        assert b"" == await idle[0][0].read()
        assert not idle[-1][0].at_eof()
        close(idle)


async def test_clients_of_the_cluster_wait_for_the_handshakes_of_others(pki: Path) -> None:
    """Given many clients of the cluster at once, then all are served although few handshakes may be in
    progress.
    """
    async with listening(Limits(handshakes=4, patience_s=60, handshake_s=60), pki) as port:
        replies = await asyncio.gather(*(request(port, pki) for _ in range(60)))

    assert all(b"200" in reply for reply in replies)


async def test_a_slow_handshake_ends(pki: Path) -> None:
    """Given a client that sends nothing, then its connection ends after the time for a handshake."""
    async with listening(Limits(handshake_s=0.05), pki) as port, asyncio.timeout(5):
        ((reader, writer),) = await connect(port, 1)

        assert b"" == await reader.read()
        writer.close()


async def test_connections_without_tls_are_limited() -> None:
    """Given more idle clients than the limit, then the oldest end and a new client is served."""
    async with listening(Limits(connections=4)) as port, asyncio.timeout(5):
        idle = await connect(port, 10)
        reply = await request(port)
        ended = [await reader.read() for reader, _ in idle[:7]]

        assert b"200" in reply
        assert [b""] * 7 == ended
        assert not any(reader.at_eof() for reader, _ in idle[7:])
        close(idle)


@pytest.mark.parametrize("data", [b"", REQUEST[:20], REQUEST.replace(b"close", b"keep-alive")])
async def test_idle_and_slow_clients_end(data: bytes) -> None:
    """Given a client that sends nothing, half a request, or one request, then its connection ends."""
    async with listening(Limits(idle_s=0.05)) as port, asyncio.timeout(5):
        ((reader, writer),) = await connect(port, 1)
        writer.write(data)
        reply = await reader.read()
        writer.close()

    assert (b"200" in reply) == data.startswith(REQUEST[:40])


async def test_a_listener_without_file_descriptors_accepts_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Given an accept that fails for want of a file descriptor, then the next one serves the client."""
    real, failures = socket.socket.accept, iter([OSError(24, "Too many open files")])

    def accept(self: socket.socket) -> tuple[socket.socket, object]:
        for failure in failures:
            raise failure
        return real(self)

    async with listening(Limits()) as port:
        monkeypatch.setattr(socket.socket, "accept", accept)
        reply = await request(port)

    assert b"200" in reply
    assert "Too many open files" in caplog.text
