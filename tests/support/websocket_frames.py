"""Frames of the WebSocket protocol (RFC 6455) as bytes, valid or not, and the end of WebSockets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from spiko_nanoservice.wire.websocket import WebSocket

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\x01\x02\x03\x04"


def render_frame(opcode: int, payload: bytes = b"", mask: bytes = b"", final: bool = True) -> bytes:
    """Return a frame; a client's has a mask of 4 bytes.

    >>> render_frame(TEXT, b"Hello", bytes.fromhex("37fa213d")).hex(" ")
    '81 85 37 fa 21 3d 7f 9f 4d 51 58'
    """
    size, masked = len(payload), 128 if mask else 0
    head = bytes(((128 if final else 0) | opcode,))
    if size < 126:
        head += bytes((masked | size,))
    elif size < 65_536:
        head += bytes((masked | 126,)) + size.to_bytes(2, "big")
    else:
        head += bytes((masked | 127,)) + size.to_bytes(8, "big")
    return head + mask + (mask_payload(payload, mask) if mask else payload)


def mask_payload(payload: bytes, mask: bytes) -> bytes:
    """Return a payload masked, or a masked payload unmasked."""
    key = int.from_bytes((mask * (len(payload) // 4 + 1))[: len(payload)], "big")
    return (int.from_bytes(payload, "big") ^ key).to_bytes(len(payload), "big")


def close_code(received: bytes) -> int:
    """Return the code of the closing frame at the end of what a server sent."""
    begin = received.rindex(bytes((128 | CLOSE,)))
    return int.from_bytes(received[begin + 2 : begin + 4], "big")


async def until_closed(sockets: Iterable[WebSocket]) -> None:
    """Wait until the other side has ended the connections, or they were ended after a moment; at most 5 s."""
    async with asyncio.timeout(5):
        for socket in sockets:
            socket.close()
            while socket._transport.get_extra_info("socket").fileno() >= 0:
                await asyncio.sleep(0)
