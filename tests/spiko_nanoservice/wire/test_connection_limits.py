"""A server limits its connections and what it keeps of unfinished requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from spiko_nanoservice.wire.connection_limits import ConnectionLimits
from spiko_nanoservice.wire.http_server import Server
from spiko_nanoservice.wire.request import Request

GET = b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n"
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[str], Awaitable[Connection]]


@asynccontextmanager
async def limited(limits: ConnectionLimits) -> AsyncIterator[tuple[Server, Connect]]:
    """Run a server that replies at once, except to /never; also yields a function that connects to it from a
    loopback address.
    """
    writers = []

    def handle(request: Request) -> None:
        if request.path != b"/never":
            request.reply(200, b"ok")

    server = Server(handle)
    server.limits = limits
    _, port = await server.listen("127.0.0.1", 0)

    async def connect(source: str) -> Connection:
        made = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
        writers.append(made[1])
        return made

    async with asyncio.timeout(10):
        yield server, connect
    for writer in writers:
        writer.close()
    await server.drain(0.0)


async def is_answered(connection: Connection) -> bool:
    """Send a request; return whether it is answered."""
    reader, writer = connection
    try:
        writer.write(GET % b"")
        return b" 200 " in await reader.readuntil(b"ok")
    except (ConnectionError, asyncio.IncompleteReadError):
        return False


async def test_connections_of_one_address_cut_off_no_other_one() -> None:
    """Given an address at its limit, when it opens more, then those that were idle longest end, and the busy
    one and that of another address stay.
    """
    async with limited(ConnectionLimits(most=100, most_of_source=8)) as (server, connect):
        other = await connect("127.0.0.2")
        busy = await connect("127.0.0.3")
        busy[1].write(GET % b"never")
        idle = [await connect("127.0.0.3") for _ in range(20)]
        answers = [await is_answered(connection) for connection in idle]

        assert len(server.limits.connections) <= 9
        assert answers == [False] * 13 + [True] * 7
        assert await is_answered(other)
        assert server.busy == 1
        assert not busy[0].at_eof()


async def test_a_full_server_accepts_a_probe() -> None:
    """Given a server that is full of idle connections from many addresses, then a new client is served."""
    async with limited(ConnectionLimits(most=16)) as (server, connect):
        opened = [await connect(f"127.0.1.{i}") for i in range(1, 40)]
        probe = await connect("127.0.0.1")

        assert await is_answered(probe)
        assert len(server.limits.connections) <= 16
        assert len(opened) == 39


async def test_a_server_without_idle_connections_refuses_new_ones() -> None:
    """Given as many requests in progress as connections, then a new connection is closed."""
    async with limited(ConnectionLimits(most=4)) as (server, connect):
        kept = [await connect("127.0.0.1") for _ in range(4)]
        for _, writer in kept:
            writer.write(GET % b"never")
        while server.busy < 4:
            await asyncio.sleep(0)
        late = await connect("127.0.0.1")

        assert not await is_answered(late)
        assert server.busy == 4


async def test_unfinished_requests_are_limited_together() -> None:
    """Given more bytes of unfinished requests than the limit, then the last one is refused with 503, and all
    bytes are forgotten with their connections.
    """
    head = b"PUT /k HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
    async with limited(ConnectionLimits(most_held=170_000)) as (server, connect):
        kept = [await connect("127.0.0.1") for _ in range(3)]
        for number, (_, writer) in enumerate(kept[:2]):
            writer.write(head + b"x" * 60_000)
            while server.limits.held < 60_000 * (number + 1):
                await asyncio.sleep(0)
        kept[2][1].write(head + b"x" * 60_000)
        reply = await kept[2][0].readuntil(b"requests\n")
        kept[2][1].close()
        while len(server.limits.connections) > 2:
            await asyncio.sleep(0)
        kept[0][1].write(b"x" * 40_000)
        first = await kept[0][0].readuntil(b"ok")
        for _, writer in kept:
            writer.close()
        while server.limits.connections:
            await asyncio.sleep(0)

        assert b" 503 " in reply
        assert b" 200 " in first
        assert server.limits.held == 0
