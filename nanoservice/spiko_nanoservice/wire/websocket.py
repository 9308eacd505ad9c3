"""WebSockets for JSON text messages (RFC 6455), client and server, on `asyncio.Protocol`.

Pings are answered, and silence is noticed. Without extensions, subprotocols and binary messages this needs no
library, which would bring an HTTP parser and streams of its own into every pod. Handshake and frames are
checked as the standard demands of either side.
"""

from __future__ import annotations

import asyncio
import binascii
import hashlib
import json
import os
from typing import Any

from spiko_nanoservice.contract import authority, parse_object
from spiko_nanoservice.errors import LinkError
from spiko_nanoservice.wire.websocket_frames import (
    CLOSE,
    CONTINUATION,
    MOST_MESSAGE_BYTES,
    PING,
    PONG,
    TEXT,
    find_frame,
    mask_payload,
    render_frame,
)

# A eureka does not ping a pod that sends messages, so a pod that hears nothing pings the eureka.
PING_S = 2.0
SILENCE_S = 3.0  # how long the answer to a ping may take
CONNECT_S = 2.0
MOST_HEAD_BYTES = 16_384
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
        most_bytes: the limit for a message.

    Attributes:
        most_bytes: the limit for a message; it may be changed while the connection is open.
    """

    def __init__(
        self,
        ping_s: float = PING_S,
        silence_s: float = SILENCE_S,
        served: bool = False,
        most_bytes: int = MOST_MESSAGE_BYTES,
    ) -> None:
        self._ping_s, self._silence_s, self.most_bytes = ping_s, silence_s, most_bytes
        self._transport: Any = None
        self._key = binascii.b2a_base64(os.urandom(16), newline=False)
        self._served = self._open = served
        self._data = bytearray()
        self._parts: list[bytes] = []
        self._texts: list[str] = []
        self._error: LinkError | None = None
        self._input: asyncio.Future[bool] | None = None
        self._writable: asyncio.Future[None] | None = None

    # ---------------------------------------------------------------- called by the owner

    def send(self, message: dict[str, Any]) -> None:
        """Queue a message; if the connection is broken, the next `receive` raises."""
        self._write(TEXT, _encode(message).encode())

    def send_text(self, text: str) -> None:
        """Queue an encoded message."""
        self._write(TEXT, text.encode())

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
            self._write(PING, b"")
            if not await self._wait_for_input(self._silence_s):
                raise LinkError(f"{self._other} did not answer a ping within {self._silence_s:.0f} s")
        texts, self._texts = self._texts, []
        if not texts and self._error is not None:
            raise self._error
        return texts

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
        """Read frames and wake the receiver, even if no message is whole yet: any input answers a ping."""
        self._data += data
        try:
            if not self._open:
                self._read_head()
            while self._open and (frame := find_frame(self._data, self._served, self.most_bytes)):
                opcode, final, begin, end = frame
                payload = bytes(self._data[begin:end])
                if self._served:
                    payload = mask_payload(payload, bytes(self._data[begin - 4 : begin]))
                del self._data[:end]
                self._take(opcode, final, payload)
        except LinkError as error:
            self._end(error)
        except ValueError as error:
            self._end(LinkError(f"invalid message: {error}"))
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

    def _read_head(self) -> None:
        head, end, rest = self._data.partition(b"\r\n\r\n")
        if not end:
            if len(head) > MOST_HEAD_BYTES:
                raise LinkError(
                    f"WebSocket handshake failed: the answer has more than {MOST_HEAD_BYTES} bytes"
                )
            return
        first, *lines = bytes(head).split(b"\r\n")
        fields = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)
        }
        if first[:13] != b"HTTP/1.1 101 " or fields.get(b"sec-websocket-accept") != _accept(self._key):
            raise LinkError(f"WebSocket handshake failed: {first[:60]!r}")
        self._data, self._open = rest, True

    def _take(self, opcode: int, final: bool, payload: bytes) -> None:
        if opcode == PING:
            self._write(PONG, payload)
        elif opcode == CLOSE:
            self._write(CLOSE, payload[:2])
            raise LinkError(f"{self._other} closed the connection")
        elif (opcode == TEXT and not self._parts) or (opcode == CONTINUATION and self._parts):
            self._parts.append(payload)
            if sum(map(len, self._parts)) > self.most_bytes:
                raise LinkError(f"message: must have at most {self.most_bytes} bytes")
            if final:
                self._texts.append(b"".join(self._parts).decode())
                self._parts = []
        elif opcode != PONG:
            raise LinkError(f"invalid WebSocket frame: unexpected opcode {opcode}")

    def _write(self, opcode: int, payload: bytes) -> None:
        if self._error is None and not self._transport.is_closing():
            self._transport.write(render_frame(opcode, payload, b"" if self._served else os.urandom(4)))

    @property
    def _other(self) -> str:
        return "client" if self._served else "eureka"

    def _end(self, error: LinkError) -> None:
        if self._error is None:
            self._error = error
            self._transport.close()

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
