"""What a hostile client may do to a WebSocket: fragments, control frames, sizes and encodings.

The server's side is tried over real sockets, with the messages that the echo server took and its closing
code.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from spiko_nanoservice.errors import LinkError
from spiko_nanoservice.wire.http_server import Server
from spiko_nanoservice.wire.request import Request
from spiko_nanoservice.wire.websocket import MOST_WAITING, WebSocket, render_acceptance
from spiko_nanoservice.wire.websocket_messages import MOST_CONTROL_FRAMES_PER_S, MOST_FRAGMENTS, Messages
from tests.support.websocket_frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MASK,
    PING,
    PONG,
    TEXT,
    close_code,
    render_frame,
    until_closed,
)

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: e\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
MOST_BYTES = 1 << 20


class Place:
    """A server whose WebSockets keep what they receive.

    Attributes:
        address: of the server.
        texts: received messages.
        portions: number of messages that each `receive_texts` returned.
        sockets: the server's sides.
        ended: set when the first session has ended.
    """

    def __init__(self) -> None:
        self.address = ("", 0)
        self.texts: list[str] = []
        self.portions: list[int] = []
        self.sockets: list[WebSocket] = []
        self.reading = asyncio.Event()
        self.reading.set()
        self.ended = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []

    def handle(self, request: Request) -> None:
        """Begin a session for a request with a key, and reply 426 to others."""
        if request.websocket_key is None:
            request.reply(426, b"")
            return
        socket = WebSocket(5.0, 5.0, served=True, most_bytes=MOST_BYTES)
        request.hand_over(socket, render_acceptance(request.websocket_key))
        self.sockets.append(socket)
        self.tasks.append(asyncio.get_running_loop().create_task(self.serve(socket)))

    async def serve(self, socket: WebSocket) -> None:
        """Keep messages until the connection ends."""
        with contextlib.suppress(LinkError):
            while True:
                await self.reading.wait()
                texts = await socket.receive_texts()
                self.portions.append(len(texts))
                self.texts += texts
        socket.close()
        self.ended.set()


@asynccontextmanager
async def place() -> AsyncIterator[Place]:
    """Run the server."""
    found = Place()
    server = Server(found.handle)
    found.address = await server.listen("127.0.0.1", 0)
    try:
        yield found
    finally:
        found.reading.set()
        await until_closed(found.sockets)
        await asyncio.gather(*found.tasks)
        await server.drain(1.0)


async def exchange(address: tuple[str, int], data: bytes, more: bytes = b"") -> bytes:
    """Open a WebSocket, send bytes, and return everything after the handshake until the connection ends."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(HANDSHAKE + more + b"\r\n" + data)
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        received = await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    return received if head.startswith(b"HTTP/1.1 101 ") else head + received


def client(opcode: int, payload: bytes = b"", final: bool = True) -> bytes:
    """Return a client's frame."""
    return render_frame(opcode, payload, MASK, final)


HOSTILE = [
    ("4 MB of empty fragments", client(TEXT, b"", False) + client(CONTINUATION, b"", False) * 700_000, 1008),
    (
        "too many fragments",
        client(TEXT, b"x", False) + client(CONTINUATION, b"y", False) * MOST_FRAGMENTS,
        1008,
    ),
    ("too many pings", client(PING, b"p") * 1_000, 1008),
    ("too many pongs", client(PONG) * 1_000, 1008),
    ("a message that is too large", client(TEXT, b"x" * (MOST_BYTES + 1)), 1009),
    (
        "fragments that are too large together",
        client(TEXT, b"x" * MOST_BYTES, False) + client(CONTINUATION, b"y"),
        1009,
    ),
    (
        "a message with too many bytes but few characters",
        client(TEXT, "\N{GRINNING FACE}".encode() * (MOST_BYTES // 4 + 1)),
        1009,
    ),
    (
        "a frame of 2^62 bytes",
        b"\x81\xff" + (1 << 62).to_bytes(8, "big") + MASK + b"x" * (MOST_BYTES + 1),
        1009,
    ),
    ("text that is not UTF-8", client(TEXT, b"\xff"), 1007),
    ("half a character at the end", client(TEXT, "ü".encode()[:1]), 1007),
    ("half a character over fragments", client(TEXT, b"\xc3", False) + client(CONTINUATION, b"x"), 1007),
    ("a control frame of 126 bytes", client(PING, b"x" * 126), 1002),
    ("a fragmented control frame", client(PING, b"", final=False), 1002),
    ("a continuation of no message", client(CONTINUATION, b"x"), 1002),
    ("a message within another", client(TEXT, b"x", False) + client(TEXT, b"y"), 1002),
    ("a reserved bit", b"\xc1\x80" + MASK, 1002),
    ("an unknown opcode", b"\x83\x80" + MASK, 1002),
    ("a frame without a mask", render_frame(TEXT, b"x"), 1002),
    ("a close with one byte", client(CLOSE, b"x"), 1002),
    ("a close with a reserved code", client(CLOSE, (1005).to_bytes(2, "big")), 1002),
    ("a binary message", client(BINARY, b"x"), 1003),
    ("a close", client(CLOSE, (1001).to_bytes(2, "big") + b"away"), 1001),
]


@pytest.mark.parametrize(("data", "code"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
async def test_hostile_input_ends_the_connection_with_its_code(data: bytes, code: int) -> None:
    """Given input that violates the protocol or a limit, then the connection ends soon with the right code,
    and no message is delivered.
    """
    async with place() as found:
        began = time.process_time()
        received = await exchange(found.address, data)
        took_s = time.process_time() - began
        async with asyncio.timeout(5):
            await found.ended.wait()

        assert code == close_code(received)
        assert [] == found.texts
        assert took_s < 1.0


async def test_fragments_up_to_the_limits_are_one_message() -> None:
    """Given a message of exactly the limits, with characters cut between its fragments, then it is
    delivered.
    """
    text = "ü" * (MOST_BYTES // 2)
    data = text.encode()
    step = -(-len(data) // MOST_FRAGMENTS) | 1
    parts = [data[at : at + step] for at in range(0, len(data), step)]
    frames = [
        client(TEXT if not number else CONTINUATION, part, final=number == len(parts) - 1)
        for number, part in enumerate(parts)
    ]
    assert len(parts) > MOST_FRAGMENTS * 0.9
    async with place() as found:
        received = await exchange(found.address, b"".join(frames) + client(CLOSE, b"\x03\xe8"))

        assert 1000 == close_code(received)
        assert [text] == found.texts


async def test_pings_between_fragments_are_answered() -> None:
    """Given pings up to the limit within one message, then each gets its pong and the message arrives."""
    count = MOST_CONTROL_FRAMES_PER_S // 2
    data = client(TEXT, b"a", final=False)
    for number in range(count):
        data += client(PING, b"%d" % number) + client(CONTINUATION, b"b", final=False)
    async with place() as found:
        received = await exchange(found.address, data + client(CONTINUATION, b"c") + client(CLOSE))

        pongs = b"".join(render_frame(PONG, b"%d" % number) for number in range(count))
        assert received.startswith(pongs + b"\x88")
        assert ["a" + "b" * count + "c"] == found.texts


async def test_messages_are_received_in_portions_and_in_order() -> None:
    """Given 20,000 small messages at once, then the owner gets all of them, a limited number at a time."""
    data = b"".join(client(TEXT, b"%d" % number) for number in range(20_000))
    async with place() as found:
        await exchange(found.address, data + client(CLOSE))

        assert [str(number) for number in range(20_000)] == found.texts
        assert max(found.portions) <= MOST_WAITING


@pytest.mark.parametrize("size", [1_000, MOST_BYTES])
async def test_a_client_is_not_read_while_its_messages_wait(size: int) -> None:
    """Given an owner that does not take messages, then the client's input stays in the network, and all
    messages arrive once they are taken.
    """
    frame, most = client(TEXT, b"x" * size), 100_000_000 // size
    async with place() as found:
        found.reading.clear()
        reader, writer = await asyncio.open_connection(*found.address)
        writer.write(HANDSHAKE + b"\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.set_write_buffer_limits(high=1)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < most:
                writer.write(frame)
                sent += 1
                async with asyncio.timeout(1.0):
                    await writer.drain()
        assert sent < most, "100 MB were read although no message was taken"
        waiting = found.sockets[0]
        assert len(waiting._texts) <= MOST_WAITING
        assert sum(map(len, waiting._texts)) <= 2 * MOST_BYTES

        found.reading.set()
        async with asyncio.timeout(20):
            await writer.drain()
            while len(found.texts) < sent:
                await asyncio.sleep(0.01)
        writer.close()


@pytest.mark.parametrize("origin", [b"http://evil.example", b"null", b"", b"http://" + b"x" * 9_000])
async def test_an_origin_is_refused(origin: bytes) -> None:
    """Given a WebSocket of a browser, then it gets 403 and no session."""
    async with place() as found:
        received = await exchange(found.address, b"", b"Origin: %b\r\n" % origin)

        assert received.startswith(b"HTTP/1.1 403 Forbidden\r\n")
        assert [] == found.sockets


async def test_a_head_request_does_not_begin_a_session() -> None:
    """Given HEAD with the headers of an upgrade, then it is answered as HTTP."""
    async with place() as found:
        reader, writer = await asyncio.open_connection(*found.address)
        writer.write(HANDSHAKE.replace(b"GET", b"HEAD") + b"\r\n")
        async with asyncio.timeout(5):
            assert (await reader.read()).startswith(b"HTTP/1.1 426 ")
        writer.close()


@pytest.mark.parametrize("seed", range(20))
def test_any_split_of_the_input_gives_the_same_messages(seed: int) -> None:
    """Given messages in random fragments with pings between them, when the bytes come in random pieces, then
    the messages are the same and so are the pongs.
    """
    random = Random(seed)
    texts = ["".join(random.choices("aü\N{GRINNING FACE}", k=random.randrange(200))) for _ in range(20)]
    data, pings = b"", b""
    for text in texts:
        whole = text.encode()
        cuts = sorted(random.randrange(len(whole) + 1) for _ in range(random.randrange(4)))
        for number, (begin, end) in enumerate(zip([0, *cuts], [*cuts, len(whole)], strict=True)):
            data += client(CONTINUATION if number else TEXT, whole[begin:end], final=end == len(whole))
            if end == len(whole):
                break
            if random.random() < 0.3:
                data += client(PING, b"?")
                pings += render_frame(PONG, b"?")
    messages = Messages(True, MOST_BYTES)
    found, at = [], 0
    while at < len(data):
        size = random.randrange(1, 50)
        messages.feed(data[at : at + size])
        while (read := messages.next_text(0.0)) is not None:
            found.append(read)
        at += size

    assert ("", texts, pings) == (messages.failure, found, b"".join(messages.answers))
