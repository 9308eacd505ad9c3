"""A connection that the kubelet has taken over from HTTP is read no faster than its bytes are wanted."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from spiko_local.kubelet.upgraded_connection import UpgradedConnection

MANY = 64 << 20  # more than the buffers of two connections on loopback


async def push(port: int, head: bytes) -> int:
    """Write until nothing more is taken for a second; how many bytes were."""
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


@pytest.mark.parametrize("is_read", [True, False])
async def test_a_connection_that_was_taken_over_is_read_as_its_bytes_are_wanted(is_read: bool) -> None:
    """A port-forward whose pod does not read stops its client."""
    loop = asyncio.get_running_loop()
    taken: list[UpgradedConnection] = []

    class First(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            taken.append(UpgradedConnection(transport))
            transport.set_protocol(taken[0])

    server = await loop.create_server(First, "127.0.0.1", 0)
    pushing = asyncio.create_task(push(server.sockets[0].getsockname()[1], b""))
    got = 0
    if is_read:
        while not taken:
            await asyncio.sleep(0.01)
        while (data := await taken[0].next()) is not None:
            got += len(data)
    sent = await pushing
    taken[0].close()
    await asyncio.sleep(0)
    server.close()

    assert (sent == MANY) == is_read
    assert not is_read or got > MANY - (4 << 20)  # what was under way when the client went is lost
