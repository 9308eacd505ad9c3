"""A small HTTP/1.1 server on `asyncio.Protocol` and llhttp: what a tier needs and nothing more.

Requests of one connection are answered in order, pipelined or not; while many wait, or nobody takes the answers, no more are read. Malformed
or oversized input gets 400, 413 or 431 and the connection ends. `drain` stops accepting, ends idle connections, and lets requests in progress finish with `Connection: close`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections import deque
from collections.abc import Callable

import httptools

from spiko_nanoservice.contract import DEADLINE_HEADER, LONGEST_PROPAGATED, WRITTEN_HEADER

MOST_HEADER_BYTES = 65_536
MOST_BODY_BYTES = 1_048_576
IDLE_S = 75.0
MOST_PIPELINED = 128
SLICE = 4_096  # parsed at a time: what waits exceeds MOST_PIPELINED by what fits in here at most
BACKLOG = 1024

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


def render_heads(content_type: bytes) -> dict[int, bytes]:
    """The beginning of an answer, by status."""
    return {
        status: b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: " % (status, reason, content_type)
        for status, reason in REASONS.items()
    }


_HEADS = render_heads(b"text/plain; charset=utf-8")
_WANTED = {
    b"traceparent": "traceparent",
    b"tracestate": "tracestate",
    b"baggage": "baggage",
    DEADLINE_HEADER: "deadline",
    WRITTEN_HEADER: "written",
    b"expect": "expect",
    b"sec-websocket-key": "websocket_key",
}


class Request:
    """One request as it came; header values are None if absent. `arrived_ns` is on the `perf_counter` clock.

    `websocket_key` is there if the connection can be handed over.
    """

    __slots__ = (
        "arrived_ns",
        "baggage",
        "body",
        "connection",
        "deadline",
        "expect",
        "keep_alive",
        "method",
        "path",
        "traceparent",
        "tracestate",
        "websocket_key",
        "written",
    )

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.method = b""
        self.path = b""
        self.body = b""
        self.traceparent: bytes | None = None
        self.tracestate: bytes | None = None
        self.baggage: bytes | None = None
        self.deadline: bytes | None = None
        self.written: bytes | None = None
        self.expect: bytes | None = None
        self.websocket_key: bytes | None = None
        self.keep_alive = True
        self.arrived_ns = 0

    def reply(self, status: int, body: bytes, extra: bytes = b"", heads: dict[int, bytes] = _HEADS) -> None:
        """Send the answer; `extra` are whole header lines, `heads` as `render_heads` made them. A peer that has gone is nobody's fault."""
        self.connection.finish(self, status, body, extra, heads)

    def hand_over(self, heir: asyncio.Protocol, answer: bytes) -> None:
        """Say `answer`, and let another protocol have the connection from here on. Only from within the handler, and with a `websocket_key`."""
        self.connection.heir = heir, answer


Handler = Callable[[Request], None]


class Server:
    """Shared by all connections: the handler and who is connected."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.connections: set[Connection] = set()
        self.draining = False
        self.busy = 0
        self._listener: asyncio.Server | None = None
        self._empty: asyncio.Event | None = None

    def ended(self, connection: Connection) -> None:
        """A connection has ended."""
        self.connections.discard(connection)
        if not self.connections and self._empty is not None:
            self._empty.set()

    async def listen(self, address: str, port: int) -> tuple[str, int]:
        """Start to listen; port 0 picks a free one. Raises OSError if the address cannot be had.

        On a socket of our own: given an address the loop would have it looked up, in one of four threads that it starts for that (0.2 MB).
        """
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.socket(
            family, socket.SOCK_STREAM, socket.IPPROTO_TCP
        )  # asyncio sets TCP_NODELAY if it says TCP
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            listener.bind((address, port))
        except OSError:
            listener.close()
            raise
        bound = listener.getsockname()
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: Connection(self), sock=listener, backlog=BACKLOG)
        return bound[0], bound[1]

    async def drain(self, grace_s: float) -> None:
        """Stop accepting, end idle connections, wait until the busy ones are answered; at most `grace_s`."""
        self.draining = True
        if self._listener is not None:
            self._listener.close()
        for connection in list(self.connections):
            connection.close_if_idle()
        self._empty = asyncio.Event()
        if self.connections:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self._empty.wait()
        for connection in list(self.connections):
            connection.abort()


class Connection(asyncio.Protocol):
    """One accepted connection."""

    __slots__ = (
        "_busy",
        "_going",
        "_header_bytes",
        "_held",
        "_idle_since",
        "_idle_timer",
        "_parser",
        "_parts",
        "_refusal",
        "_request",
        "_server",
        "_size",
        "_stuffed",
        "_transport",
        "heir",
        "queue",
    )

    def __init__(self, server: Server) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._request: Request | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._header_bytes = 0
        self._busy = False
        self._going = False
        self._stuffed = False
        self._held = b""  # not parsed yet
        self.queue: deque[Request] = deque()
        self.heir: tuple[asyncio.Protocol, bytes] | None = None
        self._refusal = b""  # said after the requests before it were answered
        self._idle_since = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; the idle timer runs from here."""
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]  # uvloop's is no subclass
        self._server.connections.add(self)
        self._watch_idle()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it; a reply that comes later is dropped."""
        self._transport = None
        self._server.ended(self)
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    def pause_writing(self) -> None:
        """The other side does not take our answers."""
        self._stuffed = True

    def resume_writing(self) -> None:
        """It does."""
        self._stuffed = False
        self._go_on()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, unless enough waits: then it gets the rest later."""
        if self._held:
            self._held += data
        elif len(data) <= SLICE and len(self.queue) < MOST_PIPELINED:
            self._parse(data)
        else:
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        at = 0
        while at < len(data) and (transport := self._transport) is not None:
            if self._refusal or transport.is_closing():
                return
            if len(self.queue) >= MOST_PIPELINED:
                self._held = data[at:]
                transport.pause_reading()
                return
            self._parse(data[at : at + SLICE])
            at += SLICE
        if self.heir is not None and at < len(data):
            self.heir[0].data_received(data[at:])

    def _parse(self, data: bytes) -> None:
        """The parser calls the `on_` methods."""
        self._header_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self.heir is not None:
                self._pass_on(*self.heir, data[upgrade.args[0] :])
            return  # an offer to change protocols may be passed over; the request was answered, its connection ends
        except httptools.HttpParserError:
            self._refuse(400, b"not HTTP/1.1\n")
        else:
            if self._request is not None and self._request.method == b"" and self._header_bytes > MOST_HEADER_BYTES:
                self._refuse(431, b"headers over 65536 bytes\n")

    def on_message_begin(self) -> None:
        """A request begins."""
        self._request = Request(self)
        self._parts = []
        self._size = 0

    def on_url(self, url: bytes) -> None:
        """Its target, perhaps in pieces."""
        if self._request is not None:
            self._request.path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the few that are wanted; one that is too long to be passed on counts as absent."""
        wanted = _WANTED.get(name) or _WANTED.get(name.lower())
        if wanted is not None and self._request is not None and len(value) <= LONGEST_PROPAGATED:
            setattr(self._request, wanted, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        request = self._request
        if request is not None:
            request.method = self._parser.get_method()
            if request.expect is not None and request.expect.lower() == b"100-continue" and self._transport is not None:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._size += len(body)
        if self._size <= MOST_BODY_BYTES:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        """Hand the request over, or queue it behind the one in progress."""
        request, self._request = self._request, None
        self._header_bytes = 0
        if request is None or self._transport is None or self._refusal:
            return
        upgrade = self._parser.should_upgrade()
        request.keep_alive = self._parser.should_keep_alive() and not upgrade
        if not upgrade or self._busy or self._going or self._stuffed or self.queue:
            request.websocket_key = None  # it would be answered when the parser has gone on
        if self._size > MOST_BODY_BYTES:
            self._refuse(413, b"body over 1048576 bytes\n")
            return
        if self._parts:
            request.body = b"".join(self._parts)
        if not (self._busy or self._going or self._stuffed or self.queue or self._held):
            self._going = True
            try:
                self._start(request)
            finally:
                self._going = False
            if self.queue or self._held or self._refusal:
                self._go_on()
            return
        self.queue.append(request)
        self._go_on()

    def _go_on(self) -> None:
        """Start what waits. A request that is answered at once comes back here and finds us at it: a loop, however many there are."""
        transport = self._transport
        if self._going or transport is None:
            return
        self._going = True
        try:
            while not (self._busy or self._stuffed or transport.is_closing()):
                if self.queue:
                    self._start(self.queue.popleft())
                elif self._held:
                    data, self._held = self._held, b""
                    self._feed(data)
                    if not self._held:
                        transport.resume_reading()
                elif self._refusal:
                    transport.write(self._refusal)
                    transport.close()
                else:
                    break
        finally:
            self._going = False

    def _start(self, request: Request) -> None:
        self._busy = True
        self._server.busy += 1
        request.arrived_ns = time.perf_counter_ns()
        self._server.handler(request)

    def finish(self, request: Request, status: int, body: bytes, extra: bytes, heads: dict[int, bytes]) -> None:
        """Answer the request in progress and go on with the next."""
        self._busy = False
        self._server.busy -= 1
        transport = self._transport
        if transport is None or transport.is_closing():
            self.queue.clear()
            self._held = b""
            return
        waits = self.queue or self._held or self._refusal
        last = not request.keep_alive or (self._server.draining and not waits)
        end = b"Connection: close\r\n\r\n" if last else b"\r\n"
        transport.write(b"%b%d\r\n%b%b%b" % (heads[status], len(body), extra, end, body))
        if last:
            transport.close()
        elif waits:
            self._go_on()
        else:
            self._idle_since = request.arrived_ns / 1e9

    def _pass_on(self, heir: asyncio.Protocol, answer: bytes, rest: bytes) -> None:
        """From here on the connection is another's."""
        transport = self._transport
        self._busy = False
        self._server.busy -= 1
        if transport is None:
            return
        self.connection_lost(None)
        transport.set_protocol(heir)
        transport.write(answer)
        heir.connection_made(transport)
        if rest:
            heir.data_received(rest)

    def close_if_idle(self) -> None:
        """End a kept-alive connection that has nothing to do."""
        if not self._busy and not self.queue and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End it now."""
        if self._transport is not None:
            self._transport.abort()

    def _refuse(self, status: int, body: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._refusal = b"%b%d\r\nConnection: close\r\n\r\n%b" % (_HEADS[status], len(body), body)
        transport.pause_reading()
        self._go_on()

    def _watch_idle(self) -> None:
        self._idle_since = time.perf_counter()
        self._idle_timer = asyncio.get_running_loop().call_later(IDLE_S, self._check_idle)

    def _check_idle(self) -> None:
        loop = asyncio.get_running_loop()
        left = self._idle_since + IDLE_S - time.perf_counter()
        if not self._busy and left <= 0.0:
            if self._stuffed:
                self.abort()
            else:
                self.close_if_idle()
        else:
            self._idle_timer = loop.call_later(max(left, 1.0), self._check_idle)
