"""One HTTP request as the server received it, and the first lines of its reply."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from spiko_nanoservice.wire.internal_errors import internal_errors

# The limits of a message, either way. The first holds for all that is not body: headers, trailers, and the
# heads of chunks.
MOST_HEADER_BYTES = 65_536
MOST_BODY_BYTES = 1_048_576
REASONS = {
    200: b"OK",
    400: b"Bad Request",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    409: b"Conflict",
    413: b"Content Too Large",
    426: b"Upgrade Required",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
}
Heads = dict[int, bytes]
"""The beginning of a reply by status, up to the value of Content-Length."""


def render_heads(content_type: bytes) -> Heads:
    """Return the beginnings of replies with this content type."""
    return {
        status: b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: " % (status, reason, content_type)
        for status, reason in REASONS.items()
    }


TEXT_HEADS = render_heads(b"text/plain; charset=utf-8")


class ReplyingConnection(Protocol):
    """The connection of a request, as the request needs it."""

    heir: tuple[asyncio.Protocol, bytes] | None

    @property
    def source(self) -> str:
        """The address of the client."""

    def finish(self, request: Request, status: int, body: bytes, extra: bytes, heads: Heads) -> None:
        """Send the reply to the request in progress."""

    def abort(self) -> None:
        """Close the connection at once."""


class Request:
    """One request. Header values are None if the header is absent.

    The defaults are attributes of the class, so that making a request stores only what differs: one is made
    for every request of a tier.

    Args:
        connection: the connection that it came over.

    Attributes:
        arrived_ns: when the handler got it, on the `perf_counter` clock.
        method: GET for HEAD as well.
        bodiless: whether the reply is sent without its body, as for HEAD.
        origin: of the page, if a browser sends the request; cut if it is long. The server refuses a request
            for a WebSocket that has it, before the handler gets it.
        websocket_key: None also if the connection cannot be handed over to another protocol.
    """

    method = b""
    path = b""
    body = b""
    traceparent: bytes | None = None
    tracestate: bytes | None = None
    baggage: bytes | None = None
    deadline: bytes | None = None
    written: bytes | None = None
    expect: bytes | None = None
    websocket_key: bytes | None = None
    origin: bytes | None = None
    bodiless = False
    keep_alive = True
    arrived_ns = 0

    def __init__(self, connection: ReplyingConnection) -> None:
        self.connection = connection

    def reply(self, status: int, body: bytes, extra: bytes = b"", heads: Heads = TEXT_HEADS) -> None:
        """Send the reply; it is dropped if the client has closed the connection, or if one was sent before.

        Args:
            status: a key of `REASONS`.
            body: of the reply.
            extra: whole header lines.
            heads: from `render_heads`.
        """
        self.connection.finish(self, status, body, extra, heads)

    @property
    def source(self) -> str:
        """The address of the client; empty once the connection is closed."""
        return self.connection.source

    def fail(self, error: BaseException) -> None:
        """Note an error that the handler did not expect, and reply with 500 unless a reply was sent."""
        internal_errors.note("request", error, f"{self.method.decode()} {self.path[:100]!r}")
        self.connection.finish(self, 500, b"internal error\n", b"", TEXT_HEADS)

    def hand_over(self, heir: asyncio.Protocol, answer: bytes) -> None:
        """Send `answer` and give the connection to another protocol.

        Call it from within the handler, and only for a request with a `websocket_key`.
        """
        self.connection.heir = heir, answer


Handler = Callable[[Request], None]


def strip_authority(target: bytes) -> bytes:
    """Return the path and query of a target in absolute form, and any other target as it is.

    >>> strip_authority(b"http://a:8080/k/b?c"), strip_authority(b"http://a"), strip_authority(b"*")
    (b'/k/b?c', b'/', b'*')
    """
    _, found, rest = target.partition(b"://")
    if not found:
        return target
    authority = rest.partition(b"/")[0].partition(b"?")[0]
    path = rest[len(authority) :]
    return path if path.startswith(b"/") else b"/" + path
