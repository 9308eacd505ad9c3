"""WebSockets for JSON text messages (RFC 6455), on an `asyncio.Protocol`: pings answered, silence noticed. Pods and eurekas connect, eurekas serve.

Written out because of what it does not touch: a library's client, its HTTP parser and streams cost a forked pod 0.6 MB of pages that were shared,
and a library's server another 4 MB of a eureka. No extensions, no subprotocols, no binary messages; handshake and frames are checked as the
standard asks of either side.
"""

from __future__ import annotations

import asyncio
import binascii
import hashlib
import json
import os
from typing import Any

from spiko_nanoservice.contract import authority
from spiko_nanoservice.errors import LinkError

PING_S = 2.0  # a eureka pings nobody who talks, so a pod that only talks asks by itself
SILENCE_S = 3.0  # after its ping
CONNECT_S = 2.0
MOST_HEAD_BYTES = 16_384
MOST_MESSAGE_BYTES = 64 * 1024 * 1024  # a table of 100,000 instances has 15 MB
CONTINUATION, TEXT, CLOSE, PING, PONG = 0, 1, 8, 9, 10
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_encode = json.JSONEncoder(separators=(",", ":")).encode  # json.dumps would make an encoder each time


def render_frame(opcode: int, payload: bytes, mask: bytes = b"") -> bytes:
    """One whole frame; a client's `mask` has 4 bytes, a server has none.

    >>> render_frame(TEXT, b"Hello", bytes.fromhex("37fa213d")).hex(" ")
    '81 85 37 fa 21 3d 7f 9f 4d 51 58'
    """
    size, masked = len(payload), 128 if mask else 0
    if size < 126:
        head = bytes((128 | opcode, masked | size))
    elif size < 65_536:
        head = bytes((128 | opcode, masked | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((128 | opcode, masked | 127)) + size.to_bytes(8, "big")
    return head + mask + (mask_payload(payload, mask) if mask else payload)


def mask_payload(payload: bytes, mask: bytes) -> bytes:
    """Mask it, or take the mask off again."""
    size = len(payload)
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")


def find_frame(
    data: bytearray, masked: bool = False, most_bytes: int = MOST_MESSAGE_BYTES
) -> tuple[int, bool, int, int] | None:
    r"""Opcode, whether it is final, and begin and end of the payload of the first frame; None if it is not whole yet.

    Args:
        data: what has come.
        masked: a client's frames are, and the mask is the 4 bytes before the payload; a server's must not be.
        most_bytes: that a payload may have.

    Raises:
        LinkError: it breaks the protocol, or is too large.

    >>> find_frame(bytearray(b"\x81\x02hi"))
    (1, True, 2, 4)
    """
    if len(data) < 2:
        return None
    final, opcode, size, begin = data[0] >= 128, data[0] & 15, data[1] & 127, 2
    if data[0] & 0x70 or (data[1] >= 128) is not masked:
        raise LinkError(f"not the protocol: a frame begins with {bytes(data[:2]).hex()}")
    if opcode >= CLOSE and (size > 125 or not final):
        raise LinkError(f"not the protocol: a control frame of {size} bytes")
    if size >= 126:
        begin = 4 if size == 126 else 10
        if len(data) < begin:
            return None
        size = int.from_bytes(data[2:begin], "big")
    if size > most_bytes:
        raise LinkError(f"a frame of {size} bytes; at most {most_bytes} are taken")
    begin += 4 if masked else 0
    return (opcode, final, begin, begin + size) if len(data) >= begin + size else None


def render_acceptance(key: bytes) -> bytes:
    """A server's answer to the key of a client that wants a WebSocket."""
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n\r\n" % _accept(key)
    )


def _accept(key: bytes) -> bytes:
    return binascii.b2a_base64(hashlib.sha1(key + _GUID, usedforsecurity=False).digest(), newline=False)


class WebSocket(asyncio.Protocol):
    """One connection; a client's is made by `connect`.

    Args:
        ping_s: after so much silence the other side is asked.
        silence_s: and after so much more given up.
        served: we are the server, and hands are shaken already.
        most_bytes: that a message may have.
    """

    def __init__(
        self,
        ping_s: float = PING_S,
        silence_s: float = SILENCE_S,
        served: bool = False,
        most_bytes: int = MOST_MESSAGE_BYTES,
    ) -> None:
        self._ping_s, self._silence_s, self._most_bytes = ping_s, silence_s, most_bytes
        self._transport: Any = None
        self._key = binascii.b2a_base64(os.urandom(16), newline=False)
        self._served = self._open = served
        self._data = bytearray()
        self._parts: list[bytes] = []
        self._texts: list[str] = []
        self._error: LinkError | None = None
        self._heard: asyncio.Future[bool] | None = None
        self._writable: asyncio.Future[None] | None = None

    # ---------------------------------------------------------------- for the link

    def send(self, message: dict[str, Any]) -> None:
        """Queue one message; a broken connection shows at the next `receive`."""
        self._write(TEXT, _encode(message).encode())

    def send_text(self, text: str) -> None:
        """Queue a message that is encoded already."""
        self._write(TEXT, text.encode())

    async def receive(self) -> list[dict[str, Any]]:
        """Wait for messages; something that is heard may bring several, or none.

        Raises:
            LinkError: the other side has closed, is silent for too long after a ping, or talks nonsense.
        """
        try:
            return [json.loads(text) for text in await self.receive_texts()]
        except ValueError as error:
            raise LinkError(f"not the protocol: {error}") from error

    async def receive_texts(self) -> list[str]:
        """As `receive`, for whoever looks into messages by itself. Raises LinkError."""
        if not self._texts and self._error is None and not await self._hear(self._ping_s):
            self._write(PING, b"")
            if not await self._hear(self._silence_s):
                raise LinkError(f"{self._other} does not answer a ping within {self._silence_s:.0f} s")
        texts, self._texts = self._texts, []
        if not texts and self._error is not None:
            raise self._error
        return texts

    async def drain(self) -> None:
        """Wait until what was sent has left, as far as the other side reads. Raises LinkError."""
        if self._writable is not None:
            await self._writable
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """End it without a handshake: the registry takes the end of the stream for what it is."""
        self._transport.close()

    async def shake_hands(self, host: str, path: str) -> None:
        """Ask for the upgrade and wait for it. Raises LinkError."""
        self._transport.write(
            b"GET %b HTTP/1.1\r\nHost: %b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: %b\r\nSec-WebSocket-Version: 13\r\n\r\n" % (path.encode(), host.encode(), self._key)
        )
        while not self._open and self._error is None:
            await self._hear(CONNECT_S)
        if not self._open and self._error is not None:
            raise self._error

    # ---------------------------------------------------------------- for the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected; nothing is said yet."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take what has come; whoever waits is woken, even if it is no whole message yet."""
        self._data += data
        try:
            if not self._open:
                self._read_head()
            while self._open and (frame := find_frame(self._data, self._served, self._most_bytes)):
                opcode, final, begin, end = frame
                payload = bytes(self._data[begin:end])
                if self._served:
                    payload = mask_payload(payload, bytes(self._data[begin - 4 : begin]))
                del self._data[:end]
                self._take(opcode, final, payload)
        except LinkError as error:
            self._end(error)
        except ValueError as error:
            self._end(LinkError(f"not the protocol: {error}"))
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended, whoever ended it."""
        self._end(LinkError(f"{self._other} has gone: {exc!r}" if exc else f"{self._other} closed the connection"))
        self._wake()
        self.resume_writing()

    def pause_writing(self) -> None:
        """The other side reads slowly."""
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """It has caught up, or has gone."""
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # ---------------------------------------------------------------- inside

    def _read_head(self) -> None:
        head, end, rest = self._data.partition(b"\r\n\r\n")
        if not end:
            if len(head) > MOST_HEAD_BYTES:
                raise LinkError("no WebSocket: its answer has no end")
            return
        first, *lines = bytes(head).split(b"\r\n")
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        if first[:13] != b"HTTP/1.1 101 " or fields.get(b"sec-websocket-accept") != _accept(self._key):
            raise LinkError(f"no WebSocket: {first[:60]!r}")
        self._data, self._open = rest, True

    def _take(self, opcode: int, final: bool, payload: bytes) -> None:
        if opcode == PING:
            self._write(PONG, payload)
        elif opcode == CLOSE:
            self._write(CLOSE, payload[:2])
            raise LinkError(f"{self._other} closed the connection")
        elif (opcode == TEXT and not self._parts) or (opcode == CONTINUATION and self._parts):
            self._parts.append(payload)
            if sum(map(len, self._parts)) > self._most_bytes:
                raise LinkError(f"a message of more than {self._most_bytes} bytes")
            if final:
                self._texts.append(b"".join(self._parts).decode())
                self._parts = []
        elif opcode != PONG:
            raise LinkError(f"not the protocol: opcode {opcode}")

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
        if self._heard is not None and not self._heard.done():
            self._heard.set_result(True)

    async def _hear(self, seconds: float) -> bool:
        """Wait for anything from the other side; False if nothing came in time."""
        loop = asyncio.get_running_loop()
        self._heard = heard = loop.create_future()
        timer = loop.call_later(seconds, _give_up, heard)
        try:
            found: bool = await heard
        finally:
            timer.cancel()
            self._heard = None
        return found


def _give_up(heard: asyncio.Future[bool]) -> None:
    if not heard.done():
        heard.set_result(False)


async def connect(
    address: str, port: int, path: str, ping_s: float = PING_S, silence_s: float = SILENCE_S
) -> WebSocket:
    """Open a WebSocket.

    Raises:
        LinkError: refused, no answer within 2 s, or no WebSocket.

    """
    try:
        async with asyncio.timeout(CONNECT_S):
            loop = asyncio.get_running_loop()
            _, socket = await loop.create_connection(lambda: WebSocket(ping_s, silence_s), address, port)
            try:
                await socket.shake_hands(authority(address, port), path)
            except BaseException:
                socket.close()
                raise
    except (OSError, TimeoutError, LinkError) as error:
        raise LinkError(f"{authority(address, port)}: {error}") from error
    return socket
