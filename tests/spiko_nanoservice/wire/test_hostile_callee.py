"""A callee that sends double, partial, late, oversized or invalid replies, over real sockets.

Bytes that arrive after the next request was sent cannot be told from its reply; HTTP/1.1 has nothing that
relates the two. So every callee here sends what is too much together with the end of its reply.
"""

from __future__ import annotations

import asyncio
import contextlib
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random

import pytest

from spiko_nanoservice.contract import Reason
from spiko_nanoservice.errors import CallError
from spiko_nanoservice.telemetry.export import Exporter
from spiko_nanoservice.telemetry.spans import Envelope
from spiko_nanoservice.wire.connection_pool import Pool
from spiko_nanoservice.wire.http_client import Reply
from spiko_nanoservice.wire.request import MOST_BODY_BYTES, MOST_HEADER_BYTES

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
DEADLINE_S = 0.5
# How late the event loop of a busy machine may run a timer.
LAG_S = 2.0


@asynccontextmanager
async def callee(serve: Serve) -> AsyncIterator[Pool]:
    """Run a callee; yield a pool of connections to it."""
    ended: list[asyncio.Future[None]] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = asyncio.get_running_loop().create_future()
        ended.append(end)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await serve(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        end.set_result(None)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    pool = Pool(*server.sockets[0].getsockname())
    try:
        yield pool
    finally:
        pool.close()
        server.close()
        async with asyncio.timeout(10):
            await asyncio.gather(*ended)
            while pool._open:
                await asyncio.sleep(0.01)


async def get(pool: Pool, path: bytes = b"/", timeout_s: float = 5.0) -> Reply:
    """Make a call."""
    return await pool.call(b"GET", path, bytes, b"", timeout_s)


def reply(body: bytes, head: bytes = b"") -> bytes:
    """Return a reply with a Content-Length."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n%b" % (len(body), head, body)


def chunked(body: bytes) -> bytes:
    """Return a reply with one chunk per byte, and a trailer."""
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    return (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%b0\r\nspiko-reason: trailer\r\n\r\n" % chunks
    )


def answering(*replies: bytes) -> Serve:
    """Return a callee whose n-th connection answers its requests with the n-th reply."""
    left = list(replies)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = left.pop(0)
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(said)
            await writer.drain()

    return serve


STRAYS = [reply(b"stray"), b"HTTP/1.1 100 Continue\r\n\r\n", b"HTT", b"x", b"\r\n", b"\n", b"\0"]


@pytest.mark.parametrize("stray", STRAYS)
@pytest.mark.parametrize("first", [reply(b"first"), reply(b"first\n"), chunked(b"first")])
async def test_bytes_behind_a_reply_close_its_connection(first: bytes, stray: bytes) -> None:
    """Given bytes behind a reply, then the reply is taken, and the next call uses another connection."""
    async with callee(answering(first + stray, reply(b"second"))) as pool:
        assert b"first" == (await get(pool)).body.strip()
        assert b"second" == (await get(pool)).body


@pytest.mark.parametrize("stray", STRAYS)
async def test_bytes_that_the_event_loop_has_not_read_are_no_reply(stray: bytes) -> None:
    """Given bytes that arrive between two calls without a turn of the event loop, then the second call uses
    another connection.
    """
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(reply(b"%d" % len(writers)))

    async with callee(serve) as pool:
        assert b"1" == (await get(pool)).body
        writers[0].write(stray)
        assert b"2" == (await get(pool)).body


TOO_MUCH = [
    ("a body", reply(b"x" * (MOST_BODY_BYTES + 1))),
    ("a body without an end", b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 3 * MOST_BODY_BYTES),
    ("a chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n" + b"x" * 0xFFFFFF),
    ("chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 1_000_000),
    ("headers", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100_000),
    ("a header", b"HTTP/1.1 200 OK\r\na: " + b"b" * 1_000_000),
    ("a status line", b"HTTP/1.1 200 " + b"K" * 1_000_000),
    ("headers of a complete reply", reply(b"x", b"a: %b\r\n" % (b"b" * MOST_HEADER_BYTES))),
    ("trailers", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 100_000),
    ("interim replies", b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000),
    (
        "a change of protocols",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ),
    ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
    ("length and chunks", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx"),
]


@pytest.mark.parametrize("said", [row[1] for row in TOO_MUCH], ids=[row[0] for row in TOO_MUCH])
async def test_an_oversized_or_ambiguous_reply_fails_the_call(said: bytes) -> None:
    """Given a reply beyond a limit, then the call fails long before its deadline with its reason, and the
    next call uses another connection.
    """
    async with callee(answering(said, reply(b"next"))) as pool:
        with pytest.raises(CallError) as caught:
            await get(pool, timeout_s=30.0)

        assert Reason.PROTOCOL == caught.value.reason
        assert b"next" == (await get(pool)).body


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, MOST_BODY_BYTES])
async def test_bodies_up_to_the_limit_are_taken(size: int) -> None:
    """Given bodies up to the limit, then they arrive, and the connection is used again."""
    async with callee(answering(reply(b"x" * size))) as pool:
        for _ in range(3):
            assert size == len((await get(pool)).body)
        assert 1 == pool._open


async def test_an_endless_reply_costs_bounded_memory() -> None:
    """Given a callee that sends as fast as it can, then a call holds little more than the largest body."""
    piece = b"%x\r\n%b\r\n" % (1 << 16, b"x" * (1 << 16))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(piece)
            await writer.drain()

    async with callee(serve) as pool:
        tracemalloc.start()
        with pytest.raises(CallError, match=Reason.PROTOCOL):
            await get(pool)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert most < 8 * MOST_BODY_BYTES


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"", b"H"),
        (b"", b"\r\n"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\na: ", b"b"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\na: ", b"b"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x"),
    ],
)
async def test_the_deadline_ends_a_call_whatever_drips_in(begin: bytes, piece: bytes) -> None:
    """Given a callee that sends a few bytes all the time, then the deadline ends the call."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begin)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)

    async with callee(serve) as pool:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(CallError) as caught:
            await get(pool, timeout_s=0.2)

        assert caught.value.reason in (Reason.TIMEOUT, Reason.PROTOCOL)
        assert loop.time() - began < 0.2 + LAG_S


@pytest.mark.parametrize(
    ("value", "service_us"),
    [
        (b"app;dur=1.5", 1_500),
        (b"app;dur=3600000", 3_600_000_000),
        (b"app;dur=3600001", None),
        (b"app;dur=99999999999999999999", None),
        (b"app;dur=" + b"9" * 5_000, None),
        (b"app;dur=1e308", None),
        (b"app;dur=inf", None),
        (b"app;dur=-1", None),
        (b"app;dur=.", None),
        (b"db;dur=1, app;dur=" + b"9" * 400, None),
        (b"a," * 20_000 + b"app;dur=2", 2_000),
    ],
)
async def test_only_a_possible_service_time_is_taken(value: bytes, service_us: int | None) -> None:
    """Given a Server-Timing header, then a duration up to one hour is taken and any other ignored."""
    async with callee(answering(reply(b"x", b"Server-Timing: %b\r\n" % value))) as pool:
        assert service_us == (await get(pool)).service_us


async def test_trailers_are_no_headers() -> None:
    """Given a reason in the trailers of a reply, then it is ignored."""
    async with callee(answering(chunked(b"x"))) as pool:
        assert "" == (await get(pool)).reason


async def test_a_call_in_progress_does_not_outlive_its_pool() -> None:
    """Given a pool that is closed during a call, then the connection ends with the call."""
    asked, answer = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await answer.wait()
        writer.write(reply(b"x"))
        await reader.read()

    async with callee(serve) as pool:
        call = asyncio.create_task(get(pool))
        await asked.wait()
        pool.close()
        answer.set()

        assert b"x" == (await call).body


async def test_a_hostile_collector_costs_no_span_and_bounded_memory() -> None:
    """Given a collector that answers without end, then the batch stays queued for the next attempt."""
    async with callee(answering(TOO_MUCH[1][1])) as pool:
        exporter = Exporter(Envelope({}, "s", "1"))
        exporter.point_at("http://" + pool.host.decode())
        exporter.add(b"span")

        verdict = await exporter.send_batch()
        assert (True, 0) == (verdict.again, verdict.lost)
        assert 0 == exporter.take_dropped()


class HostileCallee:
    """Answers each request in a way that is drawn; `/N` is answered with a body that ends with N.

    Attributes:
        shared: requests that came over a connection while another one was in progress.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self.shared = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until a reply ends it."""
        if self._random.random() < 0.05:
            writer.write(self._noise())
            return
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            number = head.split(b" ", 2)[1][1:]
            again = await self._answer(writer, number)
            # A call in progress has one request, so nothing was sent since its end.
            self.shared += len(reader._buffer) > 0 and not again  # type: ignore[attr-defined]
            if not again:
                return

    def _noise(self) -> bytes:
        stray = reply(b"stray", b"spiko-reason: stray\r\n")
        return self._random.choice([stray, stray[:20], b"\r\n", b"noise", self._random.randbytes(50)])

    async def _answer(self, writer: asyncio.StreamWriter, number: bytes) -> bool:
        """Answer a request; return whether the connection may be used again."""
        random = self._random
        body = b"x" * random.choice([0, 1, 10, 5_000]) + b"/" + number + random.choice([b"", b"\n", b"\r\n"])
        whole = (chunked if random.random() < 0.3 else reply)(body)
        if random.random() < 0.2:
            whole = b"HTTP/1.1 103 Early Hints\r\nserver-timing: app;dur=1\r\n\r\n" + whole
        match random.randrange(10):
            case 0 | 1 | 2 | 3:
                await self._send(writer, whole)
                return True
            case 4 | 5:
                await self._send(writer, whole, self._noise())
            case 6:
                await self._send(writer, whole[: random.randrange(len(whole))])
                await asyncio.sleep(random.choice([0.0, 0.01, 2 * DEADLINE_S]))
            case 7:
                await asyncio.sleep(DEADLINE_S * random.choice([0.9, 1.1]))
                await self._send(writer, whole)
            case 8:
                await self._send(writer, random.choice([row[1] for row in TOO_MUCH]))
            case 9:
                await self._send(writer, self._noise(), whole)
        return False

    async def _send(self, writer: asyncio.StreamWriter, whole: bytes, rest: bytes = b"") -> None:
        """Send in pieces with pauses; the last piece and the rest go out together."""
        pieces = self._random.choice([1, 1, 2, 5])
        cuts = sorted(self._random.randrange(len(whole) + 1) for _ in range(pieces - 1))
        for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
            if begin:
                await asyncio.sleep(self._random.choice([0.0, 0.001]))
            writer.write(whole[begin:end] + (rest if end == len(whole) else b""))
            if end == len(whole):
                break
        await writer.drain()


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 20))])
async def test_no_call_gets_another_ones_reply(seed: int) -> None:
    """Given a hostile callee and calls from several tasks, then every call that gets a reply gets its own,
    every call ends by its deadline, and calls to a callee in order succeed.
    """
    hostile = HostileCallee(Random(seed))
    loop = asyncio.get_running_loop()
    answered = 0
    reasons: set[str] = set()

    async def call(number: int) -> None:
        nonlocal answered
        began = loop.time()
        try:
            found = await get(pool, b"/%d" % number, DEADLINE_S)
        except CallError as error:
            reasons.add(error.reason)
        else:
            if not found.body.endswith(b"stray"):  # sent before the request, on a new connection
                assert b"%d" % number == found.body.strip().rpartition(b"/")[2]
                answered += 1
        assert loop.time() - began < DEADLINE_S + LAG_S

    async def work(first: int) -> None:
        for number in range(first, first + 30):
            await call(number)

    async with callee(hostile.serve) as pool:
        await asyncio.gather(*(work(100 * task) for task in range(1, 7)))

    assert answered > 40
    assert {Reason.TIMEOUT, Reason.RESET, Reason.PROTOCOL} == reasons
    assert 0 == hostile.shared
