"""One connection of the HTTP server: parses requests, hands them to the handler in order, and writes replies.

The parser is llhttp. Requests are answered in order, pipelined or not. While `MOST_PIPELINED` requests wait,
or while the client does not read its replies, no more input is parsed. A request in progress needs no queue
and no task: it is handed over and answered within `data_received` if its handler replies at once.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Protocol

import httptools

from spiko_nanoservice.contract import DEADLINE_HEADER, LONGEST_PROPAGATED, WRITTEN_HEADER
from spiko_nanoservice.wire.request import TEXT_HEADS, Handler, Heads, Request

MOST_HEADER_BYTES = 65_536
MOST_BODY_BYTES = 1_048_576
IDLE_S = 75.0
MOST_PIPELINED = 128
# Input is parsed in slices of this size, so that no more than one slice's requests wait beyond
# MOST_PIPELINED.
SLICE_BYTES = 4_096

_KEPT_HEADERS = {
    b"traceparent": "traceparent",
    b"tracestate": "tracestate",
    b"baggage": "baggage",
    DEADLINE_HEADER: "deadline",
    WRITTEN_HEADER: "written",
    b"expect": "expect",
    b"sec-websocket-key": "websocket_key",
}


class ConnectionOwner(Protocol):
    """The server, as its connections see it."""

    handler: Handler
    connections: set[ServerConnection]
    draining: bool
    busy: int

    def ended(self, connection: ServerConnection) -> None:
        """Forget a connection that has ended."""


class ServerConnection(asyncio.Protocol):
    """One accepted connection.

    Args:
        server: the server that accepted it.

    Attributes:
        queue: requests that wait for the one in progress.
        heir: the protocol that takes the connection over, and the bytes to send before it does.
    """

    __slots__ = (
        "_body_bytes",
        "_body_parts",
        "_busy",
        "_dispatching",
        "_header_bytes",
        "_idle_since",
        "_idle_timer",
        "_parser",
        "_refusal",
        "_request",
        "_server",
        "_transport",
        "_unparsed",
        "_write_paused",
        "heir",
        "queue",
    )

    def __init__(self, server: ConnectionOwner) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._request: Request | None = None
        self._body_parts: list[bytes] = []
        self._body_bytes = 0
        self._header_bytes = 0
        self._busy = False  # a request is in progress
        # _dispatch, or the handler's call, is on the stack.
        self._dispatching = False
        self._write_paused = False
        self._unparsed = b""
        self.queue: deque[Request] = deque()
        self.heir: tuple[asyncio.Protocol, bytes] | None = None
        # The reply to invalid input; sent after the replies to the requests before it.
        self._refusal = b""
        self._idle_since = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None

    @property
    def source(self) -> str:
        """The address of the client; empty once the connection is closed."""
        peer = self._transport.get_extra_info("peername") if self._transport is not None else None
        return str(peer[0]) if peer else ""

    # ---------------------------------------------------------------- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the idle timer."""
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]  # uvloop's transport is not a subclass
        self._server.connections.add(self)
        self._idle_since = time.perf_counter()
        self._idle_timer = asyncio.get_running_loop().call_later(IDLE_S, self._check_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the transport; later replies are dropped."""
        self._transport = None
        self._server.ended(self)
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    def pause_writing(self) -> None:
        """Stop handling requests: the client does not read its replies."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """Handle the requests that wait."""
        self._write_paused = False
        self._dispatch()

    def data_received(self, data: bytes) -> None:
        """Parse input, unless enough requests wait: then it is parsed later."""
        if self._unparsed:
            self._unparsed += data
        elif len(data) <= SLICE_BYTES and len(self.queue) < MOST_PIPELINED:
            self._parse(data)
        else:
            self._parse_in_slices(data)

    def _parse_in_slices(self, data: bytes) -> None:
        at = 0
        while at < len(data) and (transport := self._transport) is not None:
            if self._refusal or transport.is_closing():
                return
            if len(self.queue) >= MOST_PIPELINED:
                self._unparsed = data[at:]
                transport.pause_reading()
                return
            self._parse(data[at : at + SLICE_BYTES])
            at += SLICE_BYTES
        if self.heir is not None and at < len(data):
            self.heir[0].data_received(data[at:])

    def _parse(self, data: bytes) -> None:
        """Feed the parser, which calls the `on_` methods."""
        self._header_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # A request to change protocols may be ignored: then it was answered as HTTP, and its connection
            # ends.
            if self.heir is not None:
                self._hand_over(*self.heir, data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(400, b"not a valid HTTP/1.1 request\n")
        else:
            if (
                self._request is not None
                and self._request.method == b""
                and self._header_bytes > MOST_HEADER_BYTES
            ):
                self._refuse(431, b"headers: must have at most 65536 bytes\n")

    # ---------------------------------------------------------------- called by the parser

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._request = Request(self)
        self._body_parts = []
        self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Append a piece of the request's target."""
        if self._request is not None:
            self._request.path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the headers that the nanoservice uses; one that is too long to be passed on is ignored."""
        attribute = _KEPT_HEADERS.get(name) or _KEPT_HEADERS.get(name.lower())
        if attribute is not None and self._request is not None and len(value) <= LONGEST_PROPAGATED:
            setattr(self._request, attribute, value)

    def on_headers_complete(self) -> None:
        """Note the method; tell a client that waits for it to send the body."""
        request = self._request
        if request is not None:
            request.method = self._parser.get_method()
            if (
                request.expect is not None
                and request.expect.lower() == b"100-continue"
                and self._transport is not None
            ):
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Append a piece of the body."""
        self._body_bytes += len(body)
        if self._body_bytes <= MOST_BODY_BYTES:
            self._body_parts.append(body)

    def on_message_complete(self) -> None:
        """Hand the request to the handler, or queue it behind the one in progress."""
        request, self._request = self._request, None
        self._header_bytes = 0
        if request is None or self._transport is None or self._refusal:
            return
        parser = self._parser
        upgrade = parser.should_upgrade()
        request.keep_alive = parser.should_keep_alive() and not upgrade
        free = not (self._busy or self._dispatching or self._write_paused or self.queue)
        if not (upgrade and free):
            # Its handler runs later than the parser's upgrade event, so the connection cannot be handed over.
            request.websocket_key = None
        if self._body_bytes > MOST_BODY_BYTES:
            self._refuse(413, b"body: must have at most 1048576 bytes\n")
            return
        if self._body_parts:
            request.body = b"".join(self._body_parts)
        if free and not self._unparsed:
            self._dispatching = True
            try:
                self._start(request)
            finally:
                self._dispatching = False
            if self.queue or self._unparsed or self._refusal:
                self._dispatch()
        else:
            self.queue.append(request)
            self._dispatch()

    # ---------------------------------------------------------------- requests and replies

    def _dispatch(self) -> None:
        """Handle what waits until a request is not answered at once.

        A handler that replies at once calls `finish`, which calls this method again; `_dispatching` turns
        that recursion into this loop, however many requests wait.
        """
        transport = self._transport
        if self._dispatching or transport is None:
            return
        self._dispatching = True
        try:
            while not (self._busy or self._write_paused or transport.is_closing()):
                if self.queue:
                    self._start(self.queue.popleft())
                elif self._unparsed:
                    data, self._unparsed = self._unparsed, b""
                    self._parse_in_slices(data)
                    if not self._unparsed:
                        transport.resume_reading()
                elif self._refusal:
                    transport.write(self._refusal)
                    transport.close()
                else:
                    break
        finally:
            self._dispatching = False

    def _start(self, request: Request) -> None:
        self._busy = True
        self._server.busy += 1
        request.arrived_ns = time.perf_counter_ns()
        self._server.handler(request)

    def finish(self, request: Request, status: int, body: bytes, extra: bytes, heads: Heads) -> None:
        """Send the reply to the request in progress and handle the next one."""
        self._busy = False
        self._server.busy -= 1
        transport = self._transport
        if transport is None or transport.is_closing():
            self.queue.clear()
            self._unparsed = b""
            return
        waits = self.queue or self._unparsed or self._refusal
        last = not request.keep_alive or (self._server.draining and not waits)
        end = b"Connection: close\r\n\r\n" if last else b"\r\n"
        transport.write(b"%b%d\r\n%b%b%b" % (heads[status], len(body), extra, end, body))
        if last:
            transport.close()
        elif waits:
            self._dispatch()
        else:
            self._idle_since = request.arrived_ns / 1e9

    def _refuse(self, status: int, body: bytes) -> None:
        """Reply to invalid input and end the connection, after the requests before it were answered."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._refusal = b"%b%d\r\nConnection: close\r\n\r\n%b" % (TEXT_HEADS[status], len(body), body)
        transport.pause_reading()
        self._dispatch()

    def _hand_over(self, heir: asyncio.Protocol, answer: bytes, rest: bytes) -> None:
        """Give the connection to another protocol."""
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

    # ---------------------------------------------------------------- the end

    def close_if_idle(self) -> None:
        """End a kept-alive connection without a request."""
        if not self._busy and not self.queue and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _check_idle(self) -> None:
        loop = asyncio.get_running_loop()
        left = self._idle_since + IDLE_S - time.perf_counter()
        if not self._busy and left <= 0.0:
            if self._write_paused:
                self.abort()
            else:
                self.close_if_idle()
        else:
            self._idle_timer = loop.call_later(max(left, 1.0), self._check_idle)
