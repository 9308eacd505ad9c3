"""Pure: the headers that a Secret adds to the requests to a collector.

The file has one `name: value` in each line. The values are credentials: errors name the line and show neither
name nor value.

Source: RFC 9110, sections 5.1 (field names), 5.5 (field values) and 7.6.1 (fields of a connection).
"""

from __future__ import annotations

import re

from spiko_nanoservice.contract.errors import ContractError

MOST_HEADERS_BYTES = 8_192
MOST_HEADERS = 32
# Characters of a value that a text may have: fewer are not a credential.
_FEW = 6
_NAME = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]{1,128}")
# Printable ASCII, with spaces and tabs inside: no line end can begin another header or the body.
_VALUE = re.compile(rb"[!-~](?:[\t -~]*[!-~])?")
# They are the pod's own, or belong to the connection. A pod does not unpack replies.
RESERVED = frozenset(
    (
        b"accept-encoding", b"connection", b"content-encoding", b"content-length", b"content-type", b"expect",
        b"host", b"http2-settings", b"keep-alive", b"proxy-authenticate", b"proxy-authorization",
        b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
    )
)  # fmt: skip


def parse_headers(content: bytes) -> bytes:
    r"""Return the headers as whole lines of a request; empty lines of the file are ignored.

    Args:
        content: of the file; a longer one may be cut behind `MOST_HEADERS_BYTES` + 1 bytes.

    Raises:
        ContractError: a line is not a header that may be added, or the file is too large.

    >>> parse_headers(b"Authorization:Bearer abc \n\nx-tenant: 7\n")
    b'Authorization: Bearer abc\r\nx-tenant: 7\r\n'
    """
    if len(content) > MOST_HEADERS_BYTES:
        raise ContractError(f"the file must have at most {MOST_HEADERS_BYTES} bytes")
    found: dict[bytes, bytes] = {}
    for number, line in enumerate(content.split(b"\n"), 1):
        line = line.strip(b" \t\r")
        if not line:
            continue
        name, colon, value = line.partition(b":")
        value = value.strip(b" \t")
        if not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ContractError(f"line {number}: must be `name: value` in printable ASCII")
        if name.lower() in RESERVED:
            raise ContractError(f"line {number}: a header that the pod or the connection sets itself")
        if name.lower() in found:
            raise ContractError(f"line {number}: a header of an earlier line")
        found[name.lower()] = b"%b: %b\r\n" % (name, value)
    if len(found) > MOST_HEADERS:
        raise ContractError(f"the file must have at most {MOST_HEADERS} headers")
    return b"".join(found.values())


def reveals(text: str, headers: bytes) -> bool:
    r"""Return whether a text has a part of a header's value: a collector may repeat a rejected token.

    Args:
        text: of at most a few hundred characters.
        headers: as `parse_headers` returns them.

    >>> reveals("invalid token s3cr3t-t...", b"authorization: Bearer s3cr3t-token-1\r\n")
    True
    >>> reveals("attribute too long", b"authorization: Bearer s3cr3t-token-1\r\n")
    False
    """
    for line in headers.decode("ascii").split("\r\n"):
        value = line.partition(": ")[2]
        if any(value[at : at + _FEW] in text for at in range(len(value) - _FEW + 1)):
            return True
    return False
