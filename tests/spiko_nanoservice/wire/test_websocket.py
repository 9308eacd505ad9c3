"""A pod's WebSocket: what a server may do to it, by a real server for what is right and by raw bytes for what
is not.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from spiko_nanoservice.errors import LinkError
from spiko_nanoservice.wire.websocket import WebSocket, connect
from tests.support.websocket_frames import CLOSE, CONTINUATION, PING, PONG, TEXT, mask_payload, render_frame

ADDRESS = "127.0.0.1"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def echo() -> AsyncIterator[int]:
    """Run a server of aiohttp that echoes messages; yield its port."""

    async def answer(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        async for frame in socket:
            if frame.type == WSMsgType.TEXT:
                await socket.send_str(frame.data)
        return socket

    application = web.Application()
    application.router.add_get("/register", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, ADDRESS, 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw(talk: Talk, other: bytes = b"") -> AsyncIterator[int]:
    """Run a server that answers the handshake, or sends `other`, and then calls `talk`; yield its port."""
    ended: list[asyncio.Future[None]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = asyncio.get_running_loop().create_future()
        ended.append(end)
        head = await reader.readuntil(b"\r\n\r\n")
        key = head.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
        right = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        status = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        writer.write(other or status + b"sec-websocket-accept: " + right + b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            await talk(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        end.set_result(None)

    server = await asyncio.start_server(answer, ADDRESS, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*ended)


async def messages(socket: WebSocket, count: int) -> list[dict[str, Any]]:
    """Return the next messages."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        found += await socket.receive()
    return found


async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send nothing until the other side closes the connection."""
    await reader.read()


def unmask(data: bytes) -> bytes:
    """Return the payload of a client's short frame."""
    return mask_payload(data[6:], data[2:6])


@pytest.mark.parametrize("size", [0, 1, 100, 125, 126, 127, 65_500, 65_536, 300_000])
async def test_messages_of_every_length_are_echoed(size: int) -> None:
    """Given a message of any form of length, when it is echoed, then it comes back the same."""
    async with echo() as port:
        socket = await connect(ADDRESS, port, "/register?region=r")
        message = {"t": "x" * size, "ü": 1}
        socket.send(message)
        await socket.drain()

        assert [message] == await messages(socket, 1)

        socket.close()


async def test_messages_keep_their_order() -> None:
    """Given 300 messages sent at once, then they come back in order."""
    async with echo() as port:
        socket = await connect(ADDRESS, port, "/register")
        sent = [{"n": number} for number in range(300)]
        for message in sent:
            socket.send(message)

        assert sent == await messages(socket, len(sent))

        socket.close()


async def test_a_fragmented_message_is_assembled() -> None:
    """Given fragments with a ping between them, byte by byte, then they make one message and the ping is
    answered.
    """
    received: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parts = (
            render_frame(TEXT, b'{"a":', final=False),
            render_frame(PING, b"there?"),
            render_frame(CONTINUATION, b"1}"),
            render_frame(PONG, b""),
        )
        for byte in b"".join(parts):
            writer.write(bytes((byte,)))
            await writer.drain()
        received.append(await reader.readexactly(6 + len(b"there?")))

    async with raw(talk) as port:
        socket = await connect(ADDRESS, port, "/")

        assert [{"a": 1}] == await messages(socket, 1)
        with pytest.raises(LinkError, match="closed"):
            await messages(socket, 1)
        assert (128 | PONG, b"there?") == (received[0][0], unmask(received[0]))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (render_frame(CLOSE, b"\x03\xe8"), "closed"),
        (b"", "closed"),
        (b"\x81\x82aaaaaa", "invalid WebSocket frame"),
        (b"\x81\xff" + b"\xff" * 8, "invalid WebSocket frame"),
        (b"\xc1\x00", "invalid WebSocket frame"),
        (b"\x82\x01x", "must be text"),
        (b"\x80\x01x", "CONTINUATION"),
        (b"\x09\x00", "control frame"),
        (render_frame(TEXT, b"no JSON"), "invalid message"),
        (render_frame(TEXT, b"[" * 100_000 + b"]" * 100_000), "invalid message"),
        (render_frame(TEXT, b"\xff\xff"), "utf-8"),
    ],
)
async def test_a_protocol_violation_ends_the_connection_with_a_reason(data: bytes, says: str) -> None:
    """Given input that violates or ends the protocol, then receiving raises a LinkError that names the
    violation.
    """

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    async with raw(talk) as port:
        socket = await connect(ADDRESS, port, "/")
        with pytest.raises(LinkError, match=says):
            await messages(socket, 1)
        socket.send({"t": "late"})  # sending on a broken connection has no effect


async def test_a_silent_server_is_pinged_and_then_given_up() -> None:
    """Given a server that sends nothing, then it is pinged, and without an answer receiving raises a
    LinkError.
    """
    received = bytearray()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.extend(await reader.read())

    async with raw(talk) as port:
        socket = await connect(ADDRESS, port, "/", ping_s=0.02, silence_s=0.03)
        with pytest.raises(LinkError, match="did not answer a ping"):
            await messages(socket, 1)
        socket.close()
        async with asyncio.timeout(5):
            while not received:
                await asyncio.sleep(0)

    assert (128 | PING, 128) == (received[0], received[1])


@pytest.mark.parametrize(
    "other",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: bm90IHRoaXMga2V5\r\n\r\n",
        b"HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\n\r\n",
        b"x" * 20_000,
    ],
)
async def test_an_invalid_handshake_is_a_link_error(other: bytes) -> None:
    """Given an answer to another key, a 409 of another region's eureka, or bytes that are not HTTP, then
    connecting fails.
    """
    async with raw(hold, other) as port:
        with pytest.raises(LinkError, match="WebSocket handshake failed"):
            await connect(ADDRESS, port, "/")


async def test_a_refused_connection_is_a_link_error() -> None:
    """Given a closed port, then connecting raises a LinkError with the address."""
    with pytest.raises(LinkError, match=r"127\.0\.0\.1:9"):
        await connect(ADDRESS, 9, "/")
