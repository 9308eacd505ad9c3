"""WebSockets for JSON text messages (RFC 6455), client and server, on `asyncio.Protocol`.

Pings are answered, and silence is noticed. `websocket_messages.py` reads and renders frames, and has the
limits of what the other side may send. Unread messages are limited in number and size: input is read again
once the owner has taken them.
"""

from __future__ import annotations

import asyncio
import binascii
import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

from spiko_nanoservice.contract import authority, parse_object
from spiko_nanoservice.errors import LinkError
from spiko_nanoservice.wire.internal_errors import internal_errors
from spiko_nanoservice.wire.lingering_close import close_lingering

if TYPE_CHECKING:
    from spiko_nanoservice.wire.websocket_messages import Messages

# A eureka does not ping a pod that sends messages, so a pod that hears nothing pings the eureka.
PING_S = 2.0
SILENCE_S = 3.0  # how long the answer to a ping may take
CONNECT_S = 2.0
MOST_HEAD_BYTES = 16_384
MOST_MESSAGE_BYTES = 64 * 1024 * 1024  # a table of 100,000 instances has 15 MB
# Messages that wait for the owner. Together they have less than two messages of the largest size. The rest of
# the input waits unparsed.
MOST_WAITING = 256
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# json.dumps makes a new encoder for every call.
_encode = json.JSONEncoder(separators=(",", ":")).encode


def render_acceptance(key: bytes) -> bytes:
    """Return a server's answer to the key of a client that asks for a WebSocket."""
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n\r\n" % _accept(key)
    )


def _accept(key: bytes) -> bytes:
    return binascii.b2a_base64(hashlib.sha1(key + _GUID, usedforsecurity=False).digest(), newline=False)


class WebSocket(asyncio.Protocol):
    """One connection; `connect` returns a client's.

    Args:
        ping_s: the silence after which the other side is pinged, seconds.
        silence_s: how long its answer may take before the connection counts as broken, seconds.
        served: True for the server's side, which begins after the handshake.
        most_bytes: the limit for a message, bytes.
    """

    def __init__(
        self,
        ping_s: float = PING_S,
        silence_s: float = SILENCE_S,
        served: bool = False,
        most_bytes: int = MOST_MESSAGE_BYTES,
    ) -> None:
        # The first WebSocket of a process loads the library; a prefork template opens one before it forks.
        from spiko_nanoservice.wire.websocket_messages import Messages

        self._ping_s, self._silence_s, self._most_bytes = ping_s, silence_s, most_bytes
        self._messages: Messages = Messages(served, most_bytes)
        self._transport: Any = None
        self._key = binascii.b2a_base64(os.urandom(16), newline=False)
        self._served = self._open = served
        self._head = bytearray()
        self._texts: list[str] = []
        self._characters = 0  # of these texts
        self._paused = False  # no input is read: enough messages wait
        self._lingers = False  # a closing frame was sent, and the connection ends by itself
        self._error: LinkError | None = None
        self._input: asyncio.Future[bool] | None = None
        self._writable: asyncio.Future[None] | None = None

    # ---------------------------------------------------------------- called by the owner

    def send(self, message: dict[str, Any]) -> None:
        """Queue a message; if the connection is broken, the next `receive` raises."""
        self.send_text(_encode(message))

    def send_text(self, text: str) -> None:
        """Queue an encoded message."""
        if self._can_write:
            self._transport.write(self._messages.render_text(text))

    async def receive(self) -> list[dict[str, Any]]:
        """Wait for input and return the messages that it completed, which may be none.

        Raises:
            LinkError: the other side closed the connection, did not answer a ping, or violated the protocol.
        """
        try:
            return [parse_object(text) for text in await self.receive_texts()]
        except ValueError as error:
            raise LinkError(f"invalid message: {error}") from error

    async def receive_texts(self) -> list[str]:
        """Wait as `receive` does and return the messages undecoded. Raises LinkError."""
        if not self._texts and self._error is None and not await self._wait_for_input(self._ping_s):
            if self._can_write:
                self._transport.write(self._messages.render_ping())
            if not await self._wait_for_input(self._silence_s):
                raise LinkError(f"{self._other} did not answer a ping within {self._silence_s:.0f} s")
        if self._paused:
            # Other connections get their turn between two portions of one client's messages.
            await asyncio.sleep(0)
        texts, self._texts, self._characters = self._texts, [], 0
        if self._paused:
            self._resume_reading()
        if not texts and self._error is not None:
            raise self._error
        return texts

    def limit_messages(self, most_bytes: int) -> None:
        """Change the limit for a message that is received from now on, bytes."""
        self._messages.most_bytes = most_bytes

    def unread(self, texts: list[str]) -> None:
        """Return messages that the next `receive` shall return again, before all others."""
        self._texts[:0] = texts

    @property
    def source(self) -> str:
        """The address of the other side; empty once the connection is closed."""
        peer = self._transport.get_extra_info("peername")
        return str(peer[0]) if peer else ""

    async def drain(self) -> None:
        """Wait until the other side reads again, if it has fallen behind. Raises LinkError."""
        if self._writable is not None:
            await self._writable
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """End the connection without a closing handshake; the other side sees the end of the stream."""
        if not self._lingers:
            self._transport.close()

    async def shake_hands(self, host: str, path: str) -> None:
        """Ask a server for the upgrade and wait for its answer. Raises LinkError."""
        self._transport.write(
            b"GET %b HTTP/1.1\r\nHost: %b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: %b\r\nSec-WebSocket-Version: 13\r\n\r\n"
            % (path.encode(), host.encode(), self._key)
        )
        while not self._open and self._error is None:
            await self._wait_for_input(CONNECT_S)
        if not self._open and self._error is not None:
            raise self._error

    # ---------------------------------------------------------------- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Read messages and wake the receiver, even if no message is whole yet: any input answers a ping."""
        if self._error is not None:
            return
        try:
            if not self._open:
                data = self._read_head(data)
            if self._open:
                self._messages.feed(data)
                self._read()
        except LinkError as error:
            self._end(error)
        except Exception as error:  # noqa: BLE001  # the edge of the process
            internal_errors.note("WebSocket", error)
            self._end(LinkError(f"unexpected error: {error!r}"))
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Make the receiver and the sender raise."""
        self._end(
            LinkError(
                f"{self._other}: connection lost: {exc!r}" if exc else f"{self._other} closed the connection"
            )
        )
        self._wake()
        self.resume_writing()

    def pause_writing(self) -> None:
        """Make `drain` wait: the other side reads slowly."""
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """End the wait of `drain`."""
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # ---------------------------------------------------------------- frames and handshake

    def _read_head(self, data: bytes) -> bytes:
        """Take a part of the server's answer to the handshake; return what follows it."""
        self._head += data
        head, end, rest = bytes(self._head).partition(b"\r\n\r\n")
        if len(head) > MOST_HEAD_BYTES:
            raise LinkError(f"WebSocket handshake failed: the answer has more than {MOST_HEAD_BYTES} bytes")
        if not end:
            return b""
        first, *lines = head.split(b"\r\n")
        fields = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)
        }
        if first[:13] != b"HTTP/1.1 101 " or fields.get(b"sec-websocket-accept") != _accept(self._key):
            raise LinkError(f"WebSocket handshake failed: {first[:60]!r}")
        self._head.clear()
        self._open = True
        return rest

    def _read(self) -> None:
        """Read messages until the input ends, the connection must end, or enough messages wait."""
        now = asyncio.get_running_loop().time()
        texts, messages = self._texts, self._messages
        while len(texts) < MOST_WAITING and self._characters < self._most_bytes:
            text = messages.next_text(now)
            # A client that does not read gets no more answers to its pings, which would pile up.
            if messages.answers and self._can_write and self._writable is None:
                self._transport.write(b"".join(messages.answers))
            messages.answers.clear()
            if messages.failure:
                self._end_lingering(LinkError(messages.failure))
                return
            if text is None:
                return
            texts.append(text)
            self._characters += len(text)
        self._paused = True
        self._transport.pause_reading()

    def _resume_reading(self) -> None:
        """Read the rest of the input that was received before the pause, then new input."""
        self._paused = False
        if self._error is None:
            self.data_received(b"")
        if not self._paused and not self._transport.is_closing():
            self._transport.resume_reading()

    @property
    def _can_write(self) -> bool:
        return self._error is None and not self._transport.is_closing()

    @property
    def _other(self) -> str:
        return "client" if self._served else "eureka"

    def _end(self, error: LinkError) -> None:
        if self._error is None:
            self._error = error
            self._transport.close()

    def _end_lingering(self, error: LinkError) -> None:
        """End the connection so that the other side can read the closing frame."""
        self._error = error
        self.resume_writing()
        if not self._transport.is_closing():
            self._lingers = True
            close_lingering(self._transport, self.connection_lost)

    def _wake(self) -> None:
        if self._input is not None and not self._input.done():
            self._input.set_result(True)

    async def _wait_for_input(self, seconds: float) -> bool:
        """Wait for input from the other side; return False if none came in time."""
        loop = asyncio.get_running_loop()
        self._input = received = loop.create_future()
        timer = loop.call_later(seconds, _give_up, received)
        try:
            in_time: bool = await received
        finally:
            timer.cancel()
            self._input = None
        return in_time


def _give_up(received: asyncio.Future[bool]) -> None:
    if not received.done():
        received.set_result(False)


async def connect(
    address: str,
    port: int,
    path: str,
    ping_s: float = PING_S,
    silence_s: float = SILENCE_S,
    *,
    source: str | None = None,
) -> WebSocket:
    """Open a WebSocket, from the address `source` of this machine if it is given.

    Raises:
        LinkError: the connection was refused, the handshake failed, or it took longer than 2 s.
    """
    try:
        async with asyncio.timeout(CONNECT_S):
            loop = asyncio.get_running_loop()
            local = (source, 0) if source else None
            _, socket = await loop.create_connection(
                lambda: WebSocket(ping_s, silence_s), address, port, local_addr=local
            )
            try:
                await socket.shake_hands(authority(address, port), path)
            except BaseException:
                socket.close()
                raise
    except (OSError, TimeoutError, LinkError) as error:
        raise LinkError(f"{authority(address, port)}: {error}") from error
    return socket
