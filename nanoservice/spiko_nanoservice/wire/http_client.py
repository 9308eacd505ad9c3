"""A pooled HTTP/1.1 client for calls between tiers: one pool per instance, last used first.

It knows Content-Length and chunked bodies, a deadline per call, a cap on connections, and what to do with a kept-alive connection that the
other side closed: if it dies before the first byte of the reply, the call is sent once more on a fresh connection (GET and PUT of a key
may be repeated). Nothing else is retried here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import httptools

from spiko_nanoservice.contract import LONGEST_REASON, REASON_HEADER, Reason, authority
from spiko_nanoservice.errors import CallError

MOST_CONNECTIONS = 512  # per instance; a call beyond it is refused at once: Overloaded
TIMER_TOLERANCE_S = 0.0005  # a timer that fires this much early counts as due
IDLE_S = 60.0  # under the server's 75, so that it is the client that ends an idle connection


@dataclass(slots=True)
class Reply:
    """A complete answer. `service_us` is what the other side says it took, or None."""

    status: int
    body: bytes
    service_us: int | None
    reason: str


class Waiter(Protocol):
    """Takes the outcome of a call: an `asyncio.Future`, or an object that continues without a task."""

    def done(self) -> bool:
        """Whether the outcome is no longer awaited."""

    def set_result(self, reply: Reply, /) -> None:
        """Take the reply."""

    def set_exception(self, error: CallError, /) -> None:
        """Take the failure."""


class ClientConnection(asyncio.Protocol):
    """One connection; at most one call at a time."""

    __slots__ = (
        "_expires_at", "_headers", "_loop", "_parser", "_parts", "_pool", "_replied", "_timer", "_timer_at", "_waiter", "idle_since",
        "transport",
    )  # fmt: skip

    def __init__(self, pool: Pool) -> None:
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
        """Connected."""
        self.transport = transport  # type: ignore[assignment]  # uvloop's is no subclass
        self._pool.made()

    def connection_lost(self, exc: Exception | None) -> None:
        """A call in progress fails: `RESET`; if nothing had come yet the pool may send it again."""
        self.transport = None
        self._pool.lost(self)
        self._fail(Reason.RESET)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        if self._waiter is None:  # an answer to no question
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
        """Whether any byte of the reply has come."""
        return self._replied

    def on_message_begin(self) -> None:
        """A reply begins."""
        self._parts = []
        self._headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the two that are wanted."""
        lower = name.lower()
        if lower in (b"server-timing", REASON_HEADER):
            self._headers[lower] = value

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """The reply is whole; the connection goes back to the pool."""
        status = self._parser.get_status_code()
        if status < 200:  # 100 Continue: the real one follows
            return
        reply = Reply(
            status,
            b"".join(self._parts),
            parse_server_timing(self._headers.get(b"server-timing")),
            self._headers.get(REASON_HEADER, b"")[:LONGEST_REASON].decode("latin-1"),
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

        One timer serves many calls: it is set anew only when a call ends before the timer fires.
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
        if left_s > TIMER_TOLERANCE_S:  # the timer was set for an earlier call
            self._set_timer(left_s)
            return
        if self.transport is not None:
            self.transport.abort()  # the reply may still come: this connection cannot be used again
        self._fail(Reason.TIMEOUT)

    def _fail(self, reason: str) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(CallError(reason))

    def _close(self) -> None:
        if self.transport is not None:
            self.transport.close()


class Pool:
    """Connections to one address."""

    def __init__(self, address: str, port: int) -> None:
        self._address, self._port = address, port
        self._idle: list[ClientConnection] = []
        self._open = self._opening = 0
        self.host = authority(address, port).encode()

    def made(self) -> None:
        """A connection is there."""
        self._open += 1

    def lost(self, connection: ClientConnection) -> None:
        """A connection has ended."""
        self._open -= 1
        if connection in self._idle:
            self._idle.remove(connection)

    def give_back(self, connection: ClientConnection) -> None:
        """A connection is free again."""
        connection.idle_since = asyncio.get_running_loop().time()
        self._idle.append(connection)

    def take_idle(self) -> ClientConnection | None:
        """Return a kept-alive connection that is free, or None."""
        while self._idle:
            connection = self._idle.pop()
            if connection.transport is not None and not connection.transport.is_closing():
                return connection
        return None

    async def call(
        self, method: bytes, path: bytes, headers: Callable[[], bytes], body: bytes, timeout_s: float
    ) -> Reply:
        """Send one request and wait for its reply, at most `timeout_s`.

        `headers` is asked at the moment of sending: the time left must not include the wait for a connection.

        Raises:
            CallError: with its reason.

        """
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        while True:
            kept = self.take_idle()
            connection = kept or await self._connect(end - loop.time())
            request = render_request(method, path, self.host, headers(), body)
            try:
                reply: asyncio.Future[Reply] = loop.create_future()
                connection.send(request, max(0.0, end - loop.time()), reply)
                return await reply
            except CallError as error:
                if kept is None or connection.replied or error.reason != Reason.RESET:
                    raise

    def close_idle(self, now: float) -> None:
        """End connections that nobody has used for a minute."""
        for connection in [c for c in self._idle if now - c.idle_since > IDLE_S]:
            if connection.transport is not None:
                connection.transport.close()

    def close(self) -> None:
        """End all idle connections; those in use end with their call."""
        for connection in list(self._idle):
            if connection.transport is not None:
                connection.transport.close()

    async def _connect(self, timeout_s: float) -> ClientConnection:
        if self._open + self._opening >= MOST_CONNECTIONS:
            raise CallError(Reason.OVERLOADED)
        self._opening += 1
        try:
            async with asyncio.timeout(max(0.0, timeout_s)):
                loop = asyncio.get_running_loop()
                _, connection = await loop.create_connection(lambda: ClientConnection(self), self._address, self._port)
        except TimeoutError as error:
            raise CallError(Reason.TIMEOUT) from error
        except OSError as error:
            raise CallError(Reason.REFUSED) from error
        finally:
            self._opening -= 1
        return connection


def render_request(method: bytes, path: bytes, host: bytes, headers: bytes, body: bytes) -> bytes:
    r"""Return a whole request; `headers` are whole lines.

    >>> render_request(b"GET", b"/k/a", b"10.0.0.1:8080", b"", b"")
    b'GET /k/a HTTP/1.1\r\nHost: 10.0.0.1:8080\r\n\r\n'
    """
    length = b"Content-Length: %d\r\n" % len(body) if body or method != b"GET" else b""
    return b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%b\r\n%b" % (method, path, host, headers, length, body)


def parse_server_timing(value: bytes | None) -> int | None:
    """Microseconds of the `app` metric of a Server-Timing header; None if it is not there.

    >>> parse_server_timing(b"app;dur=1.250")
    1250
    >>> parse_server_timing(b"cache;dur=2") is None
    True
    """
    if value is None:
        return None
    for metric in value.split(b","):
        name, *parameters = metric.strip().split(b";")
        if name == b"app":
            for parameter in parameters:
                key, _, number = parameter.strip().partition(b"=")
                if key == b"dur" and number.replace(b".", b"", 1).isdigit():
                    return round(float(number) * 1000)
    return None
