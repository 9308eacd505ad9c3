"""The server of a eureka: aiohttp's client is served, and protocol violations end the session."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError

from spiko_nanoservice.contract import EUREKA_PORT
from spiko_nanoservice.errors import LinkError
from spiko_nanoservice.eureka.session_handlers import MOST_FOLLOWED
from spiko_nanoservice.eureka.sockets import MOST_QUEUED as MOST_OUTBOX
from spiko_nanoservice.eureka.sockets import Outbox
from spiko_nanoservice.wire.http_server import Server
from spiko_nanoservice.wire.request import Request
from spiko_nanoservice.wire.websocket import WebSocket, connect, render_acceptance
from tests.support.keys import open_session
from tests.support.loopback_cluster import configuration, loopback_cluster, tier, until
from tests.support.websocket_frames import (
    CLOSE,
    MASK,
    PING,
    PONG,
    TEXT,
    close_code,
    render_frame,
    until_closed,
)

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = (
    b"Host: e\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: %b\r\n\r\n" % KEY
)


@asynccontextmanager
async def eureka() -> AsyncIterator[str]:
    """Run a eureka of region r with a configuration; yield its base URL."""
    async with loopback_cluster() as place:
        pod = await place.add_eureka("a", configuration(tier("store", "store")))
        await asyncio.sleep(0.05)
        yield f"http://{pod._settings.address}:{EUREKA_PORT}"


@asynccontextmanager
async def echo(silence_s: float = 1.0, most_bytes: int = 1 << 20) -> AsyncIterator[tuple[str, int]]:
    """Run a server that echoes texts, and replies to other requests after a while."""
    tasks: list[asyncio.Task[None]] = []
    sockets: list[WebSocket] = []

    async def answer(socket: WebSocket) -> None:
        with contextlib.suppress(LinkError):
            while True:
                for message in await socket.receive():
                    socket.send_text(str(message["text"]))
        socket.close()

    def handle(request: Request) -> None:
        if request.websocket_key is None:
            asyncio.get_running_loop().call_later(0.05, request.reply, 200, b"slow")
            return
        socket = WebSocket(0.05, silence_s, served=True, most_bytes=most_bytes)
        request.hand_over(socket, render_acceptance(request.websocket_key))
        sockets.append(socket)
        tasks.append(asyncio.get_running_loop().create_task(answer(socket)))

    server = Server(handle)
    try:
        yield await server.listen("127.0.0.1", 0)
    finally:
        await until_closed(sockets)
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.drain(1.0)


async def shake(
    address: tuple[str, int], more: bytes = b""
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect with raw bytes; `more` is sent in the same packet as the request."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"GET / HTTP/1.1\r\n" + UPGRADE + more)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head  # RFC 6455, section 1.3
    return reader, writer


@pytest.mark.parametrize("size", [0, 100, 125, 126, 65_500, 65_536, 100_000])
async def test_texts_of_every_length_from_aiohttps_client_are_echoed(size: int) -> None:
    """Given aiohttp's client, then texts of any length come back the same, and its close is answered."""
    async with (
        echo() as (address, port),
        ClientSession() as session,
        session.ws_connect(f"http://{address}:{port}/") as socket,
    ):
        await socket.send_json({"text": "ü" * size})

        assert "ü" * size == await socket.receive_str(timeout=5)
        assert await socket.close()
        assert 1000 == socket.close_code


async def test_a_message_in_the_packet_of_the_handshake_is_read() -> None:
    """Given a client that sends a message with its request, then it is answered."""
    async with echo() as address:
        reader, writer = await shake(address, render_frame(TEXT, b'{"text": "early"}', MASK))

        assert b"\x81\x05early" == await reader.readexactly(7)

        writer.close()


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a frame without a mask", render_frame(TEXT, b"{}"), 1002),
        ("a message that is too large", render_frame(TEXT, b"x" * ((1 << 20) + 1), MASK), 1009),
        ("bytes that are no text", render_frame(TEXT, b"\xff\xff", MASK), 1007),
        ("a binary message", render_frame(2, b"{}", MASK), 1003),
    ],
)
async def test_a_protocol_violation_ends_the_session(name: str, data: bytes, code: int) -> None:
    """Given a frame that violates the protocol, then the server says why and closes the connection."""
    async with echo() as address:
        reader, writer = await shake(address, data)
        async with asyncio.timeout(5):
            received = await reader.read()

        assert code == close_code(received), name
        writer.close()


async def test_a_ping_and_a_close_are_answered() -> None:
    """Given a ping and a close, then the pong has the ping's payload and the close its code."""
    async with echo() as address:
        reader, writer = await shake(address, render_frame(PING, b"there?", MASK))
        pong = render_frame(PONG, b"there?")
        assert pong == await reader.readexactly(len(pong))

        writer.write(render_frame(CLOSE, b"\x03\xe8bye", MASK))

        assert (await reader.read()).endswith(render_frame(CLOSE, b"\x03\xe8"))
        writer.close()


async def test_a_silent_client_is_pinged_and_then_closed() -> None:
    """Given a client that sends nothing, then it is pinged, and closed if it does not answer."""
    async with echo(silence_s=0.05) as address:
        reader, writer = await shake(address)
        async with asyncio.timeout(5):
            said = await reader.read()

        assert render_frame(PING, b"") == said
        writer.close()


async def test_an_upgrade_behind_another_request_is_answered_as_http() -> None:
    """Given a request in progress, then an upgrade behind it is answered as HTTP, since the first reply is
    still to be sent.
    """
    async with echo() as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"GET /slow HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n" + UPGRADE)
        async with asyncio.timeout(5):
            said = await reader.read()

        assert 2 == said.count(b"HTTP/1.1 200 OK")
        writer.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/edges", 404),
        ("GET", "/totals", 404),
        ("GET", "/metrics", 200),
        ("POST", "/healthz", 405),
        ("GET", "/register", 426),
        ("GET", "/control", 426),
        ("GET", "/read", 426),
        ("GET", "/nothing", 404),
    ],
)
async def test_pages_answer_get_only(method: str, path: str, status: int) -> None:
    """Given a page, then GET is answered and POST is 405; the path of a session wants a WebSocket."""
    async with eureka() as url, ClientSession() as session, session.request(method, url + path) as reply:
        assert status == reply.status


async def test_a_pod_of_another_region_is_refused() -> None:
    """Given a pod that asks for another region, then it gets 409 and no session."""
    async with eureka() as url, ClientSession() as session:
        with pytest.raises(WSServerHandshakeError) as refusal:
            await session.ws_connect(f"{url}/register?region=elsewhere")

        assert 409 == refusal.value.status


@pytest.mark.parametrize("text", ["no JSON", "[1]", '{"t": "nonsense"}', '{"no": "t"}'])
async def test_an_invalid_control_message_is_refused(text: str) -> None:
    """Given an invalid message on /control, then the last message of the session is REFUSED."""
    async with (
        eureka() as url,
        ClientSession() as session,
        await open_session(session, url.split("/")[2].split(":")[0], "/control") as socket,
    ):
        await socket.send_str(text)
        words = [frame.json()["t"] async for frame in socket if frame.type == WSMsgType.TEXT]

        assert ["eureka", "programmed", "refused"] == words


async def test_a_control_connection_follows_a_limited_number_of_pods() -> None:
    """Given a control connection that follows as many pods as it may, then it may follow one of them again,
    and another one only in place of one of them.
    """
    async with (
        eureka() as url,
        ClientSession() as session,
        await open_session(session, url.split("/")[2].split(":")[0], "/control") as socket,
    ):
        for number in (*range(MOST_FOLLOWED), 0):
            await socket.send_json({"t": "follow", "id": f"p{number}"})
        await socket.send_json({"t": "unfollow", "id": "p0"})
        await socket.send_json({"t": "follow", "id": "another"})
        kinds = [(await socket.receive_json())["t"] for _ in range(MOST_FOLLOWED + 4)]
        await socket.send_json({"t": "follow", "id": "one too many"})
        received = [frame.json() async for frame in socket if frame.type == WSMsgType.TEXT]

    assert ["eureka", "programmed", *["holders"] * (MOST_FOLLOWED + 2)] == kinds
    assert f"follow: at most {MOST_FOLLOWED} pods at a time" == received[-1]["message"]


async def test_a_reader_that_falls_behind_is_closed() -> None:
    """Given a connection that does not send, then its outbox holds a limited number of messages and the
    connection is closed.
    """
    async with echo() as address:
        socket = await connect(*address, "/")
        outbox = Outbox(socket)
        for _ in range(MOST_OUTBOX):
            outbox.put("text")
        assert not socket._transport.is_closing()
        outbox.put("one too many")
        assert socket._transport.is_closing()


async def test_seconds_go_to_readers_that_ask_for_them() -> None:
    """Given two readers with a valid proof, then both can read edges and totals, and only the one that asks
    for seconds gets them.
    """
    async with loopback_cluster() as place, ClientSession() as session:
        pod = await place.add_eureka("a", configuration(tier("store", "store")))
        address = pod._settings.address
        await asyncio.sleep(0.05)
        quiet = await open_session(session, address, "/read")
        curious = await open_session(session, address, "/read")
        await curious.send_json({"t": "seconds"})
        await quiet.send_json({"t": "edges"})
        await quiet.send_json({"t": "totals"})
        received = [await quiet.receive_json() for _ in range(3)]
        pod.eureka.totals.add(
            ("a", "1.0.0", "r", "a"), {"edges": [], "served": {"ok": 1, "miss": 0, "errors": {}}}
        )
        seen = [(await curious.receive_json(timeout=5))["t"] for _ in range(2)]
        await quiet.close()
        await curious.close()

    assert ["eureka", "edges", "totals"] == [message["t"] for message in received]
    assert ["eureka", "second"] == seen


async def test_pods_and_their_eureka_stop_together() -> None:
    """Given an architecture that is deleted, then a pod that stops with its eureka does not wait for an
    answer that cannot come.
    """
    async with loopback_cluster() as place:
        await place.add_eureka("a", configuration(tier("front", "monolith", "store"), tier("store", "store")))
        front, store = (
            await place.add("front-0", "front", "monolith"),
            await place.add("store-0", "store", "store"),
        )
        await until(lambda: front.tier.routes.has_route and store.tier.ready)
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(place.stop(name) for name in list(place._running)))

        assert asyncio.get_running_loop().time() - began < 1.5  # a pod waits 2 s for a silent eureka
