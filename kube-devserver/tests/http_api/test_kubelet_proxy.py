"""The tunnel to a kubelet has back-pressure in both directions."""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import web

from kube_devserver.api.kubelet_proxy import _join

MANY = 64 << 20  # more than the buffers of two connections on loopback


async def push(port: int, head: bytes) -> int:
    """The number of bytes written until the other side accepts none for a second."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head)
    if head:
        await reader.readuntil(b"\r\n\r\n")
    sent = 0
    with contextlib.suppress(TimeoutError):
        while sent < MANY:
            writer.write(b"x" * 65_536)
            async with asyncio.timeout(1.0):
                await writer.drain()
            sent += 65_536
    writer.transport.abort()
    return sent


async def test_a_client_waits_for_a_kubelet_that_does_not_read() -> None:
    """Given a kubelet that does not read, when a client sends a large file, then the client has to wait."""
    done = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await done.wait()
        writer.transport.abort()

    kubelet = await asyncio.start_server(deaf, "127.0.0.1", 0)
    port = kubelet.sockets[0].getsockname()[1]

    async def handle(request: web.Request) -> web.StreamResponse:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        return await _join(request, b"HTTP/1.1 101 Switching Protocols\r\n\r\n", reader, writer)

    application = web.Application()
    application.router.add_get("/", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    head = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
    sent = await push(runner.addresses[0][1], head)
    done.set()
    await asyncio.sleep(0.1)
    await runner.cleanup()
    kubelet.close()

    assert sent < MANY
