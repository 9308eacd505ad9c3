"""One connection of the HTTP/1.1 client for calls between tiers: it has one call at a time, with a deadline.

Replies may have a Content-Length or a chunked body. `connection_pool.py` keeps the connections to one
instance. The callee is not trusted: a byte outside an exchange closes the connection, a reply beyond the
limits fails its call with `Reason.PROTOCOL`, and the deadline ends a call whatever the callee sends.
"""

from __future__ import annotations

import asyncio
import fcntl
import termios
from dataclasses import dataclass
from typing import Protocol

import httptools

from spiko_nanoservice.contract import LONGEST_REASON, REASON_HEADER, Reason
from spiko_nanoservice.errors import CallError
from spiko_nanoservice.wire.request import MOST_BODY_BYTES, MOST_HEADER_BYTES
from spiko_nanoservice.wire.server_timing import parse_server_timing

# A timer that fires earlier than its time by less than this counts as due.
TIMER_TOLERANCE_S = 0.0005
CARRIAGE_RETURN = ord("\r")
_NO_BYTES = bytes(4)  # FIONREAD's answer, an int, if no byte waits


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
        "_body", "_broken", "_expires_at", "_fd", "_in_chunks", "_keep_alive", "_loop", "_parser", "_pool",
        "_reason", "_received", "_reply", "_retry_after", "_timer", "_timer_at", "_timing", "_waiter",
        "idle_since", "transport",
    )  # fmt: skip

    def __init__(self, pool: ConnectionKeeper) -> None:
        self._pool = pool
        self.transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: Waiter | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = self._expires_at = 0.0
        self._loop = asyncio.get_running_loop()
        self._fd = -1
        self._body = bytearray()
        # The headers that callers use.
        self._timing: bytes | None = None
        self._retry_after: bytes | None = None
        self._reason = b""
        self._in_chunks = False
        # The complete reply, until the bytes that came with it are checked.
        self._reply: Reply | None = None
        self._keep_alive = False
        # The callee has sent more than the reply.
        self._broken = False
        self._received = 0
        self.idle_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Inform the pool."""
        self.transport = transport  # type: ignore[assignment]  # uvloop's transport is not a subclass
        connected = transport.get_extra_info("socket")
        self._fd = -1 if connected is None else connected.fileno()
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
        """Feed the parser, which calls the `on_` methods, and end the call if its reply is complete."""
        if self._waiter is None:
            # No call is in progress, so these bytes belong to no request.
            self.abort()
            return
        self._received += len(data)
        try:
            if data[-1] > CARRIAGE_RETURN:
                self._parser.feed_data(data)
            else:
                self._feed_line_end(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._broken = True
        if self._received > MOST_HEADER_BYTES and self._exceeds_limits():
            self._reply, self._broken = None, True
        reply = self._reply
        if reply is not None:
            self._deliver(reply)
        elif self._broken:
            self.abort()
            self._fail(Reason.PROTOCOL)

    def _feed_line_end(self, data: bytes) -> None:
        """Parse the last byte by itself: the parser skips line ends behind a message without a call."""
        self._parser.feed_data(data[:-1])
        if self._reply is None:
            self._parser.feed_data(data[-1:])
        else:
            self._broken = True

    def _exceeds_limits(self) -> bool:
        body_bytes = len(self._body)
        return body_bytes > MOST_BODY_BYTES or self._received - body_bytes > MOST_HEADER_BYTES

    def _deliver(self, reply: Reply) -> None:
        """End the call; give the connection back to the pool if it can be used for another one."""
        waiter, self._waiter = self._waiter, None
        self._reply = None
        if self._keep_alive and not self._broken:
            self._pool.give_back(self)
        else:
            self.abort()
        if waiter is not None and not waiter.done():
            waiter.set_result(reply)

    @property
    def replied(self) -> bool:
        """Return whether any byte of the reply has come."""
        return self._received > 0

    def has_input(self) -> bool:
        """Return whether bytes wait in the socket: of a free connection, they belong to no request."""
        return self._fd >= 0 and fcntl.ioctl(self._fd, termios.FIONREAD, _NO_BYTES) != _NO_BYTES

    def on_message_begin(self) -> None:
        """Begin a reply, or note that another one follows it."""
        if self._reply is not None:
            self._broken = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the headers that callers use; trailers are ignored."""
        name = name.lower()
        if self._in_chunks:
            return
        if name == b"server-timing":
            self._timing = value
        elif name == REASON_HEADER:
            self._reason = value[:LONGEST_REASON]
        elif name == b"retry-after":
            self._retry_after = value

    def on_chunk_header(self) -> None:
        """Note that the headers are complete: trailers follow the last chunk."""
        self._in_chunks = True

    def on_body(self, body: bytes) -> None:
        """Append a piece of the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Keep the reply until the rest of the received bytes was looked at."""
        status = self._parser.get_status_code()
        if status < 200 or self._broken:
            # 100 Continue: the final reply follows. A second reply belongs to no request.
            self._timing, self._retry_after, self._reason = None, None, b""
            return
        self._keep_alive = self._parser.should_keep_alive()
        self._reply = Reply(
            status,
            bytes(self._body),
            parse_server_timing(self._timing),
            self._reason.decode("latin-1") if self._reason else "",
            self._retry_after,
        )

    def send(self, request: bytes, timeout_s: float, waiter: Waiter) -> None:
        """Write a request; `waiter` gets the reply or a CallError.

        One timer serves many calls: it is set again only if a call must end before the timer fires.
        """
        transport = self.transport
        self._waiter = waiter
        self._received = 0
        self._timing, self._retry_after, self._reason, self._in_chunks = None, None, b"", False
        self._body.clear()
        if transport is None or transport.is_closing():
            self._fail(Reason.RESET)
            return
        self._expires_at = at = self._loop.time() + timeout_s
        if self._timer is None or at < self._timer_at:
            self._set_timer(timeout_s)
        transport.write(request)

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
        # The reply may still come, so the connection cannot be used for another call.
        self.abort()
        self._fail(Reason.TIMEOUT)

    def _fail(self, reason: str) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(CallError(reason))

    def abort(self) -> None:
        """Close the connection at once: a callee that does not read would delay an orderly end."""
        if self.transport is not None:
            self.transport.abort()


def render_request(method: bytes, path: bytes, host: bytes, headers: bytes, body: bytes) -> bytes:
    r"""Return a whole request; `headers` are whole header lines.

    >>> render_request(b"GET", b"/k/a", b"10.0.0.1:8080", b"", b"")
    b'GET /k/a HTTP/1.1\r\nHost: 10.0.0.1:8080\r\n\r\n'
    """
    length = b"Content-Length: %d\r\n" % len(body) if body or method != b"GET" else b""
    return b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%b\r\n%b" % (method, path, host, headers, length, body)
