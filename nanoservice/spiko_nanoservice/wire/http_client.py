"""One connection of the HTTP/1.1 client for calls between tiers: it has one call at a time, with a deadline.

Replies may have a Content-Length or a chunked body. `connection_pool.py` keeps the connections to one
instance.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

import httptools

from spiko_nanoservice.contract import LONGEST_REASON, REASON_HEADER, Reason
from spiko_nanoservice.errors import CallError

# A timer that fires earlier than its time by less than this counts as due.
TIMER_TOLERANCE_S = 0.0005


@dataclass(slots=True)
class Reply:
    """A complete reply.

    Attributes:
        status: of the reply.
        body: of the reply.
        service_us: the time that the server worked on the request, as its Server-Timing header says; None
            without one.
        reason: the `spiko-reason` header; empty without one.
        retry_after: the Retry-After header, of a collector.
    """

    status: int
    body: bytes
    service_us: int | None
    reason: str
    retry_after: bytes | None = None


class Waiter(Protocol):
    """Takes the outcome of a call: an `asyncio.Future`, or an object that acts on it without a task."""

    def done(self) -> bool:
        """Return whether the outcome is no longer awaited."""

    def set_result(self, reply: Reply, /) -> None:
        """Take the reply."""

    def set_exception(self, error: CallError, /) -> None:
        """Take the failure."""


class ConnectionKeeper(Protocol):
    """The pool, as its connections see it."""

    def made(self) -> None:
        """Count a connection that was opened."""

    def lost(self, connection: ClientConnection) -> None:
        """Forget a connection that has ended."""

    def give_back(self, connection: ClientConnection) -> None:
        """Keep a connection that is free again."""


class ClientConnection(asyncio.Protocol):
    """One connection with at most one call at a time.

    Args:
        pool: is informed when the connection is open, free or lost.

    Attributes:
        idle_since: when its last call ended, on the event loop's clock.
        transport: None before the connection is open and after it was lost.
    """

    __slots__ = (
        "_expires_at", "_headers", "_loop", "_parser", "_parts", "_pool", "_replied", "_timer", "_timer_at",
        "_waiter", "idle_since", "transport",
    )  # fmt: skip

    def __init__(self, pool: ConnectionKeeper) -> None:
        self._pool = pool
        self.transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: Waiter | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = self._expires_at = 0.0
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes] = []
        self._headers: dict[bytes, bytes] = {}
        self._replied = False
        self.idle_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Inform the pool."""
        self.transport = transport  # type: ignore[assignment]  # uvloop's transport is not a subclass
        self._pool.made()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the call in progress with `Reason.RESET`.

        The pool may repeat it if no byte of the reply has come.
        """
        self.transport = None
        self._pool.lost(self)
        self._fail(Reason.RESET)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def data_received(self, data: bytes) -> None:
        """Feed the parser, which calls the `on_` methods."""
        if self._waiter is None:
            # No call is in progress, so this reply belongs to no request.
            self._close()
            return
        self._replied = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._close()
            self._fail(Reason.PROTOCOL)

    @property
    def replied(self) -> bool:
        """Return whether any byte of the reply has come."""
        return self._replied

    def on_message_begin(self) -> None:
        """Begin a reply."""
        self._parts = []
        self._headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the headers that callers use."""
        lower = name.lower()
        if lower in (b"server-timing", REASON_HEADER, b"retry-after"):
            self._headers[lower] = value

    def on_body(self, body: bytes) -> None:
        """Append a piece of the body."""
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """Give the connection back to the pool and the reply to the waiter."""
        status = self._parser.get_status_code()
        if status < 200:
            # 100 Continue: the final reply follows.
            return
        reply = Reply(
            status,
            b"".join(self._parts),
            parse_server_timing(self._headers.get(b"server-timing")),
            self._headers.get(REASON_HEADER, b"")[:LONGEST_REASON].decode("latin-1"),
            self._headers.get(b"retry-after"),
        )
        waiter, self._waiter = self._waiter, None
        if self._parser.should_keep_alive():
            self._pool.give_back(self)
        else:
            self._close()
        if waiter is not None and not waiter.done():
            waiter.set_result(reply)

    def send(self, request: bytes, timeout_s: float, waiter: Waiter) -> None:
        """Write a request; `waiter` gets the reply or a CallError.

        One timer serves many calls: it is set again only if a call must end before the timer fires.
        """
        assert self.transport is not None
        self._waiter = waiter
        self._replied = False
        self._expires_at = at = self._loop.time() + timeout_s
        if self._timer is None or at < self._timer_at:
            self._set_timer(timeout_s)
        self.transport.write(request)

    def _set_timer(self, in_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._expires_at
        self._timer = self._loop.call_later(in_s, self._expire)

    def _expire(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        left_s = self._expires_at - self._loop.time()
        if left_s > TIMER_TOLERANCE_S:
            # The timer was set for an earlier call.
            self._set_timer(left_s)
            return
        if self.transport is not None:
            # The reply may still come, so the connection cannot be used for another call.
            self.transport.abort()
        self._fail(Reason.TIMEOUT)

    def _fail(self, reason: str) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(CallError(reason))

    def _close(self) -> None:
        if self.transport is not None:
            self.transport.close()


def render_request(method: bytes, path: bytes, host: bytes, headers: bytes, body: bytes) -> bytes:
    r"""Return a whole request; `headers` are whole header lines.

    >>> render_request(b"GET", b"/k/a", b"10.0.0.1:8080", b"", b"")
    b'GET /k/a HTTP/1.1\r\nHost: 10.0.0.1:8080\r\n\r\n'
    """
    length = b"Content-Length: %d\r\n" % len(body) if body or method != b"GET" else b""
    return b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%b\r\n%b" % (method, path, host, headers, length, body)


def parse_server_timing(value: bytes | None) -> int | None:
    """Return the microseconds of the `app` metric of a Server-Timing header; None without such a metric.

    >>> parse_server_timing(b"app;dur=1.250")
    1250
    >>> parse_server_timing(b"cache;dur=2") is None
    True
    """
    if value is None:
        return None
    if value.startswith(b"app;dur=") and value[8:].replace(b".", b"", 1).isdigit():
        # The form that the nanoservice itself sends.
        return round(float(value[8:]) * 1000)
    for metric in value.split(b","):
        name, *parameters = metric.strip().split(b";")
        if name == b"app":
            for parameter in parameters:
                key, _, number = parameter.strip().partition(b"=")
                if key == b"dur" and number.replace(b".", b"", 1).isdigit():
                    return round(float(number) * 1000)
    return None
