"""One HTTP request as the server received it, and the first lines of its reply."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

REASONS = {
    200: b"OK",
    400: b"Bad Request",
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
    keep_alive = True
    arrived_ns = 0

    def __init__(self, connection: ReplyingConnection) -> None:
        self.connection = connection

    def reply(self, status: int, body: bytes, extra: bytes = b"", heads: Heads = TEXT_HEADS) -> None:
        """Send the reply; it is dropped if the client has closed the connection.

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

    def hand_over(self, heir: asyncio.Protocol, answer: bytes) -> None:
        """Send `answer` and give the connection to another protocol.

        Call it from within the handler, and only for a request with a `websocket_key`.
        """
        self.connection.heir = heir, answer


Handler = Callable[[Request], None]
