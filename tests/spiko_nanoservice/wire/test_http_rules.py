"""The server follows RFC 9110 and 9112 where a client, or a proxy in between, relies on it.

Pipelining and slow clients are in `test_hostile.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from spiko_nanoservice.wire.http_server import Server
from spiko_nanoservice.wire.internal_errors import internal_errors
from spiko_nanoservice.wire.request import MOST_BODY_BYTES, MOST_HEADER_BYTES, Request

SEEN = ("traceparent", "tracestate", "baggage", "deadline", "written", "origin")


class Place:
    """A server that keeps its requests and replies with the path.

    Attributes:
        address: of the server.
        requests: in the order of their arrival.
    """

    def __init__(self) -> None:
        self.address = ("", 0)
        self.requests: list[Request] = []

    def handle(self, request: Request) -> None:
        """Keep and answer a request, or fail as its path says."""
        self.requests.append(request)
        match request.path:
            case b"/raise":
                raise RecursionError("deep")
            case b"/raise-late":
                request.reply(200, b"early")
                raise OverflowError("late")
            case b"/status":
                request.reply(299, b"")
            case b"/twice":
                request.reply(200, b"first")
                request.reply(200, b"second")
            case b"/hand-over":
                request.hand_over(asyncio.Protocol(), b"")
                raise AttributeError("after")
            case _:
                request.reply(200, request.path, b"x-extra: 1\r\n")


@asynccontextmanager
async def place() -> AsyncIterator[Place]:
    """Run the server."""
    found = Place()
    server = Server(found.handle)
    found.address = await server.listen("127.0.0.1", 0)
    yield found
    await server.drain(2.0)
    assert 0 == server.busy


async def talk(address: tuple[str, int], data: bytes) -> bytes:
    """Send bytes and the end of the stream; return everything that is received until the end."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        async with asyncio.timeout(10):
            writer.write(data)
            return await reader.read()
    finally:
        writer.close()


CLOSE = b"Connection: close\r\n\r\n"
CHUNKED = b"PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"


async def test_trailers_are_discarded() -> None:
    """Given trailers with the names of headers, then the request has the headers only, and the connection
    continues.
    """
    trailers = (
        b"traceparent: t\r\ntracestate: t\r\nbaggage: t\r\nspiko-deadline-ms: 1\r\nspiko-written-us: 1\r\n"
    )
    request = CHUNKED + b"baggage: head\r\n\r\n2;name=value\r\nab\r\n0\r\n" + trailers + b"origin: t\r\n\r\n"
    async with place() as found:
        await talk(found.address, request + b"GET /next HTTP/1.1\r\ntracestate: s\r\n" + CLOSE)

    first, second = found.requests
    assert [None, None, b"head", None, None, None] == [getattr(first, name) for name in SEEN]
    assert (b"/k", b"ab") == (first.path, first.body)
    assert (b"/next", b"s", None) == (second.path, second.tracestate, second.baggage)


async def test_head_has_the_headers_of_get_without_a_body() -> None:
    """Given GET and HEAD of one path, then the replies differ by the body only, and the handler sees GET."""
    async with place() as found:
        got = await talk(found.address, b"GET /k/a HTTP/1.1\r\n" + CLOSE)
        head = await talk(found.address, b"HEAD /k/a HTTP/1.1\r\n" + CLOSE)
        both = await talk(found.address, b"HEAD /k/a HTTP/1.1\r\n\r\nGET /k/b HTTP/1.1\r\n" + CLOSE)

    assert got == head + b"/k/a"
    assert b"Content-Length: 4\r\n" in head
    assert both.endswith(b"Connection: close\r\n\r\n/k/b")
    assert b"/k/a" not in both
    assert {b"GET"} == {request.method for request in found.requests}


async def test_a_failing_head_request_has_no_body_either() -> None:
    """Given HEAD of a handler that fails, then the 500 has no body."""
    async with place() as found:
        said = await talk(found.address, b"HEAD /raise HTTP/1.1\r\n" + CLOSE)

    assert said.startswith(b"HTTP/1.1 500 ")
    assert said.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"http://h:8080/k/a?b=c", b"/k/a?b=c"),
        (b"http://h", b"/"),
        (b"http://h?q", b"/?q"),
        (b"HTTPS://user@[::1]:1/k//b", b"/k//b"),
        (b"/k/http://x/y", b"/k/http://x/y"),
        (b"*", b"*"),
    ],
)
async def test_a_target_in_absolute_form_is_its_path(target: bytes, path: bytes) -> None:
    """Given a target as a client sends it to a proxy, then the handler gets path and query."""
    async with place() as found:
        await talk(
            found.address, b"%b %b HTTP/1.1\r\n" % (b"OPTIONS" if target == b"*" else b"GET", target) + CLOSE
        )

    assert [path] == [request.path for request in found.requests]


REFUSED = [
    ("chunks in HTTP/1.0", b"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 400),
    ("another coding", b"PUT / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
    ("chunked before another coding", b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 400),
    (
        "length, then chunks",
        b"PUT / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
    ),
    ("chunks, then length", CHUNKED + b"Content-Length: 3\r\n\r\n0\r\n\r\n", 400),
    ("a length twice", b"PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", 400),
    ("two lengths in one", b"PUT / HTTP/1.1\r\nContent-Length: 1, 2\r\n\r\na", 400),
    ("a length with a sign", b"PUT / HTTP/1.1\r\nContent-Length: +1\r\n\r\na", 400),
    ("a length of 30 digits", b"PUT / HTTP/1.1\r\nContent-Length: %b\r\n\r\na" % (b"9" * 30), 400),
    ("a chunk of 17 digits", CHUNKED + b"\r\nfffffffffffffffff\r\n", 400),
    ("a space before a colon", b"PUT / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    ("a folded header", b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400),
    ("bare line feeds", b"GET / HTTP/1.1\nA: b\n\n", 400),
    ("a zero byte", b"GET / HTTP/1.1\r\nA: \0\r\n\r\n", 400),
    ("10 MB of trailers", CHUNKED + b"\r\n0\r\n" + b"a: b\r\n" * 1_700_000, 431),
    ("one trailer of 1 MB", CHUNKED + b"\r\n0\r\na: " + b"b" * 1_000_000, 431),
    ("a chunk extension of 1 MB", CHUNKED + b"\r\n1;" + b"b" * 1_000_000, 431),
    ("1,000,000 chunks", CHUNKED + b"\r\n" + b"1\r\na\r\n" * 1_000_000, 431),
    ("one header of 1 MB", b"GET / HTTP/1.1\r\na: " + b"b" * 1_000_000, 431),
    ("a target of 1 MB", b"GET /" + b"b" * 1_000_000, 431),
    (
        "an endless body",
        b"PUT / HTTP/1.1\r\nContent-Length: 9999999999\r\n\r\n" + b"x" * 3 * MOST_BODY_BYTES,
        413,
    ),
    (
        "a body that is a byte too large",
        CHUNKED + b"\r\n100001\r\n" + b"x" * 0x100001 + b"\r\n0\r\n\r\n",
        413,
    ),
]


@pytest.mark.parametrize(("data", "status"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_ambiguous_or_oversized_input_is_refused(data: bytes, status: int) -> None:
    """Given a request whose end is ambiguous, or that exceeds a limit, then it is refused without reaching
    the handler, and nothing behind it is handled.
    """
    async with place() as found:
        said = await talk(found.address, data + b"\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n")

    assert said.startswith(b"HTTP/1.1 %d " % status)
    assert 1 == said.count(b"Content-Length")
    assert [] == found.requests


@pytest.mark.parametrize("size", [1, MOST_HEADER_BYTES, MOST_BODY_BYTES])
async def test_bodies_up_to_the_limit_are_taken(size: int) -> None:
    """Given bodies up to the limit, by length and in chunks, then both requests get all of it."""
    body = b"x" * size
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:1000], body[1000:]) if part)
    async with place() as found:
        await talk(
            found.address,
            b"PUT /a HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (size, body)
            + CHUNKED + b"Connection: close\r\n\r\n" + chunks + b"0\r\n\r\n",
        )  # fmt: skip

    assert [body, body] == [request.body for request in found.requests]


@pytest.mark.parametrize(
    ("lines", "closes"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", True),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", True),
    ],
)
async def test_a_connection_is_kept_as_its_version_says(lines: bytes, closes: bool) -> None:
    """Given HTTP/1.0 without keep-alive or 1.1 with close, then the connection ends after the reply."""
    async with place() as found:
        reader, writer = await asyncio.open_connection(*found.address)
        writer.write(lines)
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"/" == await reader.readexactly(1)
            assert closes == (b"Connection: close" in head)
            if closes:
                assert b"" == await reader.read()
        writer.close()


@pytest.mark.parametrize(
    ("before", "version", "interim"),
    [(b"", b"1.1", 1), (b"", b"1.0", 0), (b"GET /slow HTTP/1.1\r\n\r\n", b"1.1", 0)],
)
async def test_100_continue_is_sent_if_it_can_be_told_from_a_reply(
    before: bytes, version: bytes, interim: int
) -> None:
    """Given a client that waits for it, then 100 Continue is sent; in HTTP/1.0, and behind a request in
    progress, it is not.
    """
    waiting: list[Request] = []
    server = Server(lambda r: waiting.append(r) if r.path == b"/slow" else r.reply(200, r.body))
    address = await server.listen("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*address)
    head = (
        b"PUT / HTTP/%b\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\n" % version
    )
    writer.write(before + head)
    async with asyncio.timeout(5):
        if interim:
            assert b"HTTP/1.1 100 Continue\r\n\r\n" == await reader.readuntil(b"\r\n\r\n")
        writer.write(b"ab")
        while before and not waiting:
            await asyncio.sleep(0)
        for request in waiting:
            request.reply(200, b"slow")
        said = await reader.read()
    writer.close()
    await server.drain(1.0)

    assert 0 == said.count(b"HTTP/1.1 100 ")
    assert said.endswith(b"ab")


@pytest.mark.parametrize(
    ("path", "status"), [(b"/raise", 500), (b"/status", 500), (b"/hand-over", 500), (b"/raise-late", 200)]
)
async def test_a_handler_that_raises_costs_one_reply_and_is_counted(path: bytes, status: int) -> None:
    """Given a handler that raises, then its request is answered once, the error is counted, and the
    connection continues.
    """
    before = internal_errors.total
    async with place() as found:
        said = await talk(
            found.address,
            b"GET %b HTTP/1.1\r\n\r\nGET /next HTTP/1.1\r\nConnection: close\r\n\r\n" % path,
        )

    assert said.startswith(b"HTTP/1.1 %d " % status)
    assert said.endswith(b"/next")
    assert 2 == said.count(b"HTTP/1.1 ")
    assert 1 == internal_errors.total - before


async def test_a_second_reply_is_dropped() -> None:
    """Given a handler that replies twice, then the first reply is sent, and the next request gets its own."""
    async with place() as found:
        said = await talk(found.address, b"GET /twice HTTP/1.1\r\n\r\nGET /next HTTP/1.1\r\n" + CLOSE)

    assert 2 == said.count(b"HTTP/1.1 200 OK")
    assert b"second" not in said
