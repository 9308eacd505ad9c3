"""Pure: frames of the WebSocket protocol (RFC 6455): text messages and control frames, without extensions."""

from __future__ import annotations

from spiko_nanoservice.errors import LinkError

MOST_MESSAGE_BYTES = 64 * 1024 * 1024  # a table of 100,000 instances has 15 MB
CONTINUATION, TEXT, CLOSE, PING, PONG = 0, 1, 8, 9, 10


def render_frame(opcode: int, payload: bytes, mask: bytes = b"") -> bytes:
    """Return a whole frame. A client gives a `mask` of 4 bytes; a server gives none.

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
    """Return a payload masked, or a masked payload unmasked."""
    size = len(payload)
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")


def find_frame(
    data: bytearray, masked: bool = False, most_bytes: int = MOST_MESSAGE_BYTES
) -> tuple[int, bool, int, int] | None:
    r"""Return opcode, final flag, begin and end of the payload of the first frame.

    The result is None if the frame is not whole yet.

    Args:
        data: the received bytes that were not taken yet.
        masked: True for frames of a client, whose mask is the 4 bytes before the payload; a server's must
            have none.
        most_bytes: the limit for a payload.

    Raises:
        LinkError: the frame violates the protocol or is too large.

    >>> find_frame(bytearray(b"\x81\x02hi"))
    (1, True, 2, 4)
    """
    if len(data) < 2:
        return None
    final, opcode, size, begin = data[0] >= 128, data[0] & 15, data[1] & 127, 2
    if data[0] & 0x70 or (data[1] >= 128) is not masked:
        raise LinkError(f"invalid WebSocket frame: it begins with {bytes(data[:2]).hex()}")
    if opcode >= CLOSE and (size > 125 or not final):
        raise LinkError(f"invalid WebSocket frame: a control frame of {size} bytes, or one that is not final")
    if size >= 126:
        begin = 4 if size == 126 else 10
        if len(data) < begin:
            return None
        size = int.from_bytes(data[2:begin], "big")
    if size > most_bytes:
        raise LinkError(f"WebSocket frame of {size} bytes: must have at most {most_bytes}")
    begin += 4 if masked else 0
    return (opcode, final, begin, begin + size) if len(data) >= begin + size else None
