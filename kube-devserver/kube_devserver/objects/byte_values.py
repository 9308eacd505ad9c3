"""Pure: byte strings in JSON, as Go's encoding/base64 reads and writes them."""

from __future__ import annotations

import base64
import binascii

_ALPHABET = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_LINE_ENDS = b"\r\n"
_PADDING = ord("=")


def canonical_base64(text: str) -> str:
    r"""Return the base64 that Go writes for a byte string: without line ends and stray bits.

    Raises:
        ValueError: the text is not base64; the message is Go's.

    >>> canonical_base64("YW\nJj"), canonical_base64("YR==")
    ('YWJj', 'YQ==')
    """
    encoded = text.encode(errors="surrogateescape")
    try:
        decoded = base64.b64decode(encoded.translate(None, _LINE_ENDS), validate=True)
    except binascii.Error:
        raise ValueError(f"illegal base64 data at input byte {_first_fault(encoded)}") from None
    return base64.b64encode(decoded).decode()


def _first_fault(encoded: bytes) -> int:
    """Return the place that Go names: of the first wrong byte, or where the last incomplete group begins."""
    places = [place for place, byte in enumerate(encoded) if byte not in _LINE_ENDS]
    for number, place in enumerate(places):
        byte, in_group = encoded[place], number % 4
        if byte in _ALPHABET:
            continue
        if byte != _PADDING or in_group < 2:
            return place
        if in_group == 2:  # a second padding has to follow
            if number + 1 == len(places):
                return len(encoded)
            number += 1
            if encoded[places[number]] != _PADDING:
                return places[number] - 1
        return places[number + 1]  # what follows the padding
    # Go counts back as many bytes as the group has, line ends not among them.
    return len(encoded) - len(places) % 4
