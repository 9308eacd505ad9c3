"""Malformed, oversized, pipelined and cancelled requests; servers and collectors that fail."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from spiko_nanoservice.contract import Reason
from spiko_nanoservice.errors import CallError
from spiko_nanoservice.telemetry.export import MOST_QUEUED, Exporter
from spiko_nanoservice.telemetry.spans import Envelope
from spiko_nanoservice.wire.connection_pool import Pool
from spiko_nanoservice.wire.http_server import Server
from spiko_nanoservice.wire.request import Request
from spiko_nanoservice.wire.server_connection import ServerConnection


@asynccontextmanager
async def echo() -> AsyncIterator[tuple[str, int]]:
    """Run a server that replies with the path, after a while for /slow."""

    def handle(request: Request) -> None:
        if request.path == b"/slow":
            asyncio.get_running_loop().call_later(0.05, request.reply, 200, b"slow")
        else:
            request.reply(200, request.path)

    server = Server(handle)
    yield await server.listen("127.0.0.1", 0)
    await server.drain(1.0)


async def talk(address: tuple[str, int], data: bytes) -> bytes:
    """Send bytes and return everything that is received until the end."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(data)
    try:
        async with asyncio.timeout(5):
            return await reader.read(1 << 20)
    finally:
        writer.close()


ROWS = [
    ("not HTTP", b"hello\r\n\r\n", b" 400 "),
    (
        "an upgrade, ignored",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        b" 200 ",
    ),
    ("endless headers", b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 20_000, b" 431 "),
    (
        "a body over the limit",
        b"PUT / HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n" + b"x" * 1_048_577,
        b" 413 ",
    ),
    ("two lengths", b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", b" 400 "),
    (
        "length and chunks",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b" 400 ",
    ),
]


@pytest.mark.parametrize(("data", "status"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
async def test_an_invalid_request_gets_its_status_and_ends_the_connection(data: bytes, status: bytes) -> None:
    """Given invalid or oversized input, then the reply is 400, 413 or 431 and the connection is closed."""
    async with echo() as address:
        answer = await talk(address, data)

    assert status in answer.split(b"\r\n", 1)[0]


async def test_pipelined_requests_are_answered_in_order_before_a_refusal() -> None:
    """Given a slow request, another one and invalid input, then both are answered in order before the 400."""
    async with echo() as address:
        answer = await talk(address, b"GET /slow HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\nnonsense\r\n\r\n")

    assert answer.index(b"slow") < answer.index(b"/b") < answer.index(b" 400 ")


async def test_pipelined_requests_are_all_answered_and_few_are_queued() -> None:
    """Given a slow request and 20,000 behind it, then the queue stays bounded and every request is answered
    in order.
    """
    waiting: list[Request] = []
    longest = 0

    def handle(request: Request) -> None:
        nonlocal longest
        assert isinstance(request.connection, ServerConnection)
        longest = max(longest, len(request.connection.queue))
        waiting.append(request) if request.path == b"/slow" else request.reply(200, request.path)

    server = Server(handle)
    address = await server.listen("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*address)
    writer.write(
        b"GET /slow HTTP/1.1\r\n\r\n" + b"".join(b"GET /%d HTTP/1.1\r\n\r\n" % n for n in range(20_000))
    )
    while not waiting:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    waiting.pop().reply(200, b"slow")
    answer = b""
    async with asyncio.timeout(10):
        while not answer.endswith(b"/19999"):
            answer += await reader.read(1 << 20)
    writer.close()
    await server.drain(1.0)

    assert 20_001 == answer.count(b"HTTP/1.1 200")
    assert longest < 1_000


async def test_a_client_that_does_not_read_holds_back_its_requests() -> None:
    """Given a client that does not read replies, then its later requests are not handled."""
    answered = 0

    def handle(request: Request) -> None:
        nonlocal answered
        answered += 1
        request.reply(200, b"x" * 10_000)

    server = Server(handle)
    address = await server.listen("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*address, limit=1_000)
    writer.write(b"GET / HTTP/1.1\r\n\r\n" * 5_000)
    await asyncio.sleep(0.5)
    before = answered
    async with asyncio.timeout(10):
        received = 0
        while received < 5_000:
            received += (await reader.readuntil(b"\r\n\r\n")).count(b" 200 ")
            await reader.readexactly(10_000)
    writer.close()
    await server.drain(1.0)

    assert before < 5_000
    assert answered == 5_000


async def test_a_request_in_pieces_and_100_continue() -> None:
    """Given bytes that come one by one, then the request is handled; a client that expects 100 Continue gets
    it.
    """
    async with echo() as address:
        reader, writer = await asyncio.open_connection(*address)
        for (
            byte
        ) in b"PUT /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n":
            writer.write(bytes([byte]))
            await writer.drain()
        assert (await reader.readline()).startswith(b"HTTP/1.1 100")
        writer.write(b"ab")
        assert b"/x" in await reader.read()
        writer.close()


async def test_a_kept_alive_connection_that_the_server_closed_is_replaced() -> None:
    """Given an idle connection that the server ended, then the next call opens another and succeeds."""
    answers = 0

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answers
        await reader.readuntil(b"\r\n\r\n")
        answers += 1
        # The reply keeps the connection alive, but then the server closes it.
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(once, "127.0.0.1", 0)
    async with server:
        pool = Pool(*server.sockets[0].getsockname())
        for _ in range(20):
            assert (await pool.call(b"GET", b"/", lambda: b"", b"", 2.0)).status == 200
        pool.close()

    assert answers == 20


async def test_a_call_cancelled_while_it_connects_frees_its_connection() -> None:
    """Given calls that end in every way while they connect, then each counts once, and the limit of
    connections holds.
    """

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server:
        pool = Pool(*server.sockets[0].getsockname())
        for number in range(200):
            task = asyncio.create_task(pool.call(b"GET", b"/", lambda: b"", b"", number / 1e6))
            if number % 2:
                await asyncio.sleep(number / 1e6)
                task.cancel()
            await asyncio.wait([task])
        await asyncio.sleep(0.1)

    assert (0, 0) == (pool._open, pool._opening)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"", Reason.RESET),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal", Reason.RESET),
        (b"not http at all\r\n\r\n", Reason.PROTOCOL),
    ],
    ids=["closed at once", "half a body", "nonsense"],
)
async def test_an_incomplete_reply_is_an_error_with_its_reason(reply: bytes, reason: str) -> None:
    """Given a reply that is not complete, then the call raises a CallError and is not repeated."""
    asked = 0

    async def lie(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(lie, "127.0.0.1", 0)
    async with server:
        pool = Pool(*server.sockets[0].getsockname())
        with pytest.raises(CallError) as caught:
            await pool.call(b"GET", b"/", lambda: b"", b"", 2.0)

    assert (reason, 1) == (caught.value.reason, asked)


async def test_silence_is_a_timeout_and_a_closed_port_is_refused() -> None:
    """Given a server that does not answer, then the deadline ends the call; a closed port fails at once."""

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    async with server:
        with pytest.raises(CallError) as silent:
            await Pool(*address).call(b"GET", b"/", lambda: b"", b"", 0.05)
    with pytest.raises(CallError) as closed:
        await Pool(*address).call(b"GET", b"/", lambda: b"", b"", 1.0)

    assert (silent.value.reason, closed.value.reason) == (Reason.TIMEOUT, Reason.REFUSED)


@pytest.mark.parametrize(
    "endpoint", ["http://x:99999", "http://x:abc", "http://[", f"http://{'x' * 64}.y", "http://a..b"]
)
async def test_an_invalid_endpoint_does_not_end_the_exporter(endpoint: str) -> None:
    """Given an endpoint that is not a URL, then the task continues and exports once the endpoint is valid."""
    taken = asyncio.Event()

    async def collect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        taken.set()
        writer.close()

    exporter = Exporter(Envelope({}, "s", "1"))
    exporter.point_at(endpoint)
    exporter.add(b"span")
    running = asyncio.create_task(exporter.run())
    await asyncio.sleep(0.6)
    server = await asyncio.start_server(collect, "127.0.0.1", 0)
    async with server:
        exporter.point_at(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        async with asyncio.timeout(5):
            await taken.wait()
        assert not running.done()
    running.cancel()


async def test_a_collector_that_is_down_costs_a_bounded_queue() -> None:
    """Given a collector that is down, then spans beyond the queue are dropped and counted."""
    exporter = Exporter(Envelope({}, "s", "1"))
    exporter.point_at("http://127.0.0.1:1")
    for _ in range(MOST_QUEUED + 10):
        exporter.add(b"span")

    assert (await exporter.send_batch()).again
    assert (exporter.take_dropped(), exporter.take_dropped()) == (10, 0)
    await exporter.flush(0.5)


async def test_replies_are_sent_without_delay() -> None:
    """Given an accepted connection, then it has TCP_NODELAY: a second small packet would wait 40 ms for an
    acknowledgement.
    """
    seen: list[int] = []

    def handle(request: Request) -> None:
        assert isinstance(request.connection, ServerConnection)
        transport = request.connection._transport
        assert transport is not None
        seen.append(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        request.reply(200, b"")

    server = Server(handle)
    address = await server.listen("127.0.0.1", 0)
    await talk(address, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    await server.drain(1.0)

    assert [True] == [bool(value) for value in seen]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET / HTTP/1.1\r\nx: ",
        b"GET / HTTP/1.1\r\n\r\n",
        b"PUT / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 900_000,
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"GET /slow HTTP/1.1\r\n\r\n" * 200,
        b"hello\r\n\r\n",
    ],
    ids=["nothing", "half a request", "a request", "half a body", "half a chunk", "pipelined", "not HTTP"],
)
async def test_an_ended_connection_leaves_nothing_to_the_garbage_collector(data: bytes) -> None:
    """Given no garbage collection, when a client aborts its connection, then nothing of it is in memory."""

    def connections() -> int:
        return sum(isinstance(found, ServerConnection) for found in gc.get_objects())

    gc.collect()
    before = connections()
    gc.disable()
    try:
        async with echo() as address, asyncio.timeout(5):
            _, writer = await asyncio.open_connection(*address)
            writer.write(data)
            await writer.drain()
            while connections() == before:
                await asyncio.sleep(0.005)
            writer.transport.abort()
            while connections() > before:
                await asyncio.sleep(0.005)
    finally:
        gc.enable()
