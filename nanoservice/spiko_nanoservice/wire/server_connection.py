"""One connection of the HTTP server: parses requests, hands them to the handler in order, and writes replies.

The parser is llhttp. Requests are answered in order, pipelined or not. While `MOST_PIPELINED` requests wait,
or while the client does not read its replies, no more input is parsed. A request in progress needs no queue
and no task: it is handed over and answered within `data_received` if its handler replies at once.

HEAD is handled as GET, and its reply is sent without the body. Trailers and chunk extensions are discarded.
A request that asks for a WebSocket and has an Origin header comes from a browser, so it gets 403: a page
that a user visits must not speak for the user.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

import httptools

from spiko_nanoservice.contract import DEADLINE_HEADER, LONGEST_PROPAGATED, WRITTEN_HEADER
from spiko_nanoservice.wire.connection_limits import ConnectionOwner
from spiko_nanoservice.wire.lingering_close import close_lingering
from spiko_nanoservice.wire.request import (
    MOST_BODY_BYTES,
    MOST_HEADER_BYTES,
    TEXT_HEADS,
    Heads,
    Request,
    strip_authority,
)

IDLE_S = 75.0
SLASH = ord("/")
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
    b"origin": "origin",
    b"sec-websocket-key": "websocket_key",
}
_ENDED = httptools.HttpRequestParser(object())


class ServerConnection(asyncio.Protocol):
    """One accepted connection.

    Args:
        server: the server that accepted it.

    Attributes:
        queue: requests that wait for the one in progress.
        heir: the protocol that takes the connection over, and the bytes to send before it does.
    """

    __slots__ = (
        "_body",
        "_current",
        "_dispatching",
        "_held",
        "_idle_since",
        "_idle_timer",
        "_parser",
        "_received",
        "_refusal",
        "_request",
        "_server",
        "_transport",
        "_unparsed",
        "_withheld",
        "_write_paused",
        "heir",
        "queue",
    )

    def __init__(self, server: ConnectionOwner) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._request: Request | None = None  # that is being parsed; None in a chunk of its body
        self._withheld: Request | None = None
        self._body = bytearray()
        self._received = 0  # bytes of the request that is being parsed, rounded up to a slice
        self._held = 0  # bytes of an unfinished request that the server has counted
        self._current: Request | None = None  # the request in progress
        # _dispatch, or the handler's call, is on the stack.
        self._dispatching = False
        self._write_paused = False
        self._unparsed = b""
        self.queue: deque[Request] = deque()
        self.heir: tuple[asyncio.Protocol, bytes] | None = None
        self._refusal = b""  # the reply to invalid input; sent after the replies to the requests before it
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
        self._idle_since = time.perf_counter()
        if not self._server.limits.add(self, self.source):
            self.abort()
        self._idle_timer = asyncio.get_running_loop().call_later(IDLE_S, self._check_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the transport; later replies are dropped."""
        self._transport = None
        # These refer to the connection, which is freed at once without them, not by the garbage collector.
        self._parser, self._request, self._withheld = _ENDED, None, None
        self.queue.clear()
        self._server.limits.hold(-self._held)
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
        self._received += len(data)
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
            if self._received != self._held:
                self._check_limits()

    def _check_limits(self) -> None:
        free = self._server.limits.hold(self._received - self._held)
        self._held = self._received
        body_bytes = len(self._body)
        if body_bytes > MOST_BODY_BYTES:
            self._refuse(413, b"body: must have at most 1048576 bytes\n")
        elif self._received - body_bytes > MOST_HEADER_BYTES:
            self._refuse(431, b"headers and trailers: must have at most 65536 bytes together\n")
        elif self._held and not free:
            self._refuse(503, b"too many unfinished requests\n")

    # ---------------------------------------------------------------- called by the parser

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._request = Request(self)

    def on_url(self, url: bytes) -> None:
        """Append a piece of the request's target."""
        if self._request is not None:
            self._request.path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the headers that the nanoservice uses; one that is too long to be passed on is ignored."""
        attribute = _KEPT_HEADERS.get(name) or _KEPT_HEADERS.get(name.lower())
        request = self._request
        if attribute is None or request is None:
            return
        if len(value) <= LONGEST_PROPAGATED:
            setattr(request, attribute, value)
        elif attribute == "origin":
            request.origin = value[:LONGEST_PROPAGATED]

    def on_headers_complete(self) -> None:
        """Note method and path; tell a client that waits for it to send the body."""
        request = self._request
        if request is None:
            return
        method = self._parser.get_method()
        if method == b"HEAD":
            method, request.bodiless = b"GET", True
        request.method = method
        if request.path[0] != SLASH:
            request.path = strip_authority(request.path)
        # Behind another request, 100 Continue would be taken for a part of its reply.
        if request.expect is not None and self._current is None and not self.queue:
            expected = request.expect.lower() == b"100-continue" and self._parser.get_http_version() == "1.1"
            if expected and self._transport is not None:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_chunk_header(self) -> None:
        """Withhold the request until its chunk is complete, so that trailers of the last one are ignored.

        HTTP/1.0 has no chunks: a proxy may see another end of the request, so it is refused.
        """
        self._withheld, self._request = self._request, None
        if self._parser.get_http_version() == "1.0":
            self._refuse(400, b"Transfer-Encoding: not valid in HTTP/1.0\n")

    def on_chunk_complete(self) -> None:
        """Continue the request."""
        self._request, self._withheld = self._withheld, None

    def on_body(self, body: bytes) -> None:
        """Append a piece of the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Hand the request to the handler, or queue it behind the one in progress."""
        request, self._request = self._request, None
        self._received = 0
        if request is None or self._transport is None or self._refusal:
            return
        parser = self._parser
        upgrade = parser.should_upgrade()
        request.keep_alive = parser.should_keep_alive() and not upgrade
        free = not (self._current or self._dispatching or self._write_paused or self.queue)
        if not (upgrade and free) or request.bodiless:
            # Its handler runs later than the parser's upgrade event, so the connection cannot be handed over.
            request.websocket_key = None
        if upgrade and request.origin is not None:
            self._refuse(403, b"Origin: not allowed with a WebSocket\n")
            return
        if self._body:
            if len(self._body) > MOST_BODY_BYTES:
                self._refuse(413, b"body: must have at most 1048576 bytes\n")
                return
            request.body = bytes(self._body)
            self._body.clear()
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
            while not (self._current or self._write_paused or transport.is_closing()):
                if self.queue:
                    self._start(self.queue.popleft())
                elif self._unparsed:
                    data, self._unparsed = self._unparsed, b""
                    self._parse_in_slices(data)
                    if not self._unparsed:
                        transport.resume_reading()
                elif self._refusal:
                    self._end_with_refusal(transport)
                    break
                else:
                    break
        finally:
            self._dispatching = False

    def _start(self, request: Request) -> None:
        self._current = request
        self._server.busy += 1
        request.arrived_ns = time.perf_counter_ns()
        try:
            self._server.handler(request)
        except Exception as error:  # noqa: BLE001  # the request is answered in any case
            self.heir = None
            request.fail(error)

    def finish(self, request: Request, status: int, body: bytes, extra: bytes, heads: Heads) -> None:
        """Send the reply to the request in progress and handle the next one.

        A second reply to a request is dropped.
        """
        if request is not self._current:
            return
        waits = self.queue or self._unparsed or self._refusal
        last = not request.keep_alive or (self._server.draining and not waits)
        end = b"Connection: close\r\n\r\n" if last else b"\r\n"
        sent = b"" if request.bodiless else body
        # An invalid status or body raises here, and the request is still in progress.
        reply = b"%b%d\r\n%b%b%b" % (heads[status], len(body), extra, end, sent)
        self._current = None
        self._server.busy -= 1
        transport = self._transport
        if transport is None or transport.is_closing():
            self.queue.clear()
            self._unparsed = b""
            return
        transport.write(reply)
        if last:
            transport.close()
        elif waits:
            self._dispatch()
        else:
            self._idle_since = request.arrived_ns / 1e9

    def _refuse(self, status: int, body: bytes) -> None:
        """Reply to invalid input and end the connection, after the requests before it were answered."""
        transport = self._transport
        if transport is None or transport.is_closing() or self._refusal:
            return
        self._refusal = b"%b%d\r\nConnection: close\r\n\r\n%b" % (TEXT_HEADS[status], len(body), body)
        transport.pause_reading()
        self._dispatch()

    def _end_with_refusal(self, transport: asyncio.Transport) -> None:
        transport.write(self._refusal)
        close_lingering(transport, self.connection_lost)

    def _hand_over(self, heir: asyncio.Protocol, answer: bytes, rest: bytes) -> None:
        """Give the connection to another protocol."""
        transport = self._transport
        self._current = None
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

    def idle_since(self) -> float | None:
        """Return when the last request began, on the `perf_counter` clock; None while one is in progress."""
        return self._idle_since if self._current is None and not self.queue else None

    def close_if_idle(self) -> None:
        """End a kept-alive connection without a request."""
        if self.idle_since() is not None and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _check_idle(self) -> None:
        loop = asyncio.get_running_loop()
        left = self._idle_since + IDLE_S - time.perf_counter()
        if self._current is None and left <= 0.0:
            if self._write_paused:
                self.abort()
            else:
                self.close_if_idle()
        else:
            self._idle_timer = loop.call_later(max(left, 1.0), self._check_idle)
