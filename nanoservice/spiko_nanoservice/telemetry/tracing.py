"""Trace ids, the sampling decision, and the two kinds of span that a tier makes.

The decision is made at the head, where the request begins, and travels in the flag of `traceparent`. Names
and attributes follow the stable HTTP semantic conventions; a 404 is a miss, which is a success, so its span
status stays unset on both sides.
"""

from __future__ import annotations

import time
from binascii import unhexlify
from random import Random
from typing import Any, Protocol

from spiko_nanoservice.contract import DEFAULT_SAMPLES_PER_MILLION, Instance, authority
from spiko_nanoservice.telemetry.export import Exporter
from spiko_nanoservice.telemetry.spans import CLIENT, ERROR, SERVER, UNSET, SpanTemplate
from spiko_nanoservice.telemetry.trace_context import SpanContext, TraceParent

LONGEST_VARYING = 2_048  # bytes of a path or URL in a span
# Callees come and go; when full, the cache is cleared.
MOST_TEMPLATES = 2_048
# The span id of a request that is not sampled, whose span is not exported.
UNUSED_SPAN = b"0" * 16


class Traced(Protocol):
    """A request or a call that has a span; `started_ns` is on the `perf_counter` clock."""

    span: SpanContext
    method: bytes
    path: bytes
    started_ns: int


class TracedCall(Traced, Protocol):
    """A call to an instance."""

    to: Instance


class Tracer:
    """Makes ids and encoded spans.

    Args:
        exporter: takes the spans; while it is disabled no trace that begins here is sampled, but a caller's
            decision is kept.
        random: the source of ids and decisions.
        address: this pod's address, for its SERVER spans.
        port: this pod's port.

    Attributes:
        samples_per_million: the share of traces beginning here that are sampled.
    """

    def __init__(self, exporter: Exporter, random: Random, address: str, port: int) -> None:
        self._exporter, self._random = exporter, random
        self._address, self._port = address, port
        self.samples_per_million = DEFAULT_SAMPLES_PER_MILLION
        self._servers: dict[tuple[bytes, bytes, int, str], SpanTemplate] = {}
        self._clients: dict[tuple[str, int, bytes, int, str], SpanTemplate] = {}
        self._epoch_ns = 0
        self.set_clock()

    def set_clock(self) -> None:
        """Relate the monotonic clock to the calendar.

        Call it once a second, since the calendar may be corrected.
        """
        self._epoch_ns = time.time_ns() - time.perf_counter_ns()

    def accept(
        self, parent: TraceParent | None, tracestate: bytes | None, baggage: bytes | None
    ) -> SpanContext:
        """Return the context of the SERVER span of a request that came with this parent."""
        if parent is None:
            span = self.originate(baggage)
            if span.sampled:
                span.span_id = self.new_span_id()
            return span
        trace_id, parent_id, sampled = parent
        span_id = self.new_span_id() if sampled else UNUSED_SPAN
        return SpanContext(trace_id, span_id, parent_id, sampled, tracestate, baggage)

    def originate(self, baggage: bytes | None = None) -> SpanContext:
        """Return the context of a new trace, without a span: the calls made in it are roots."""
        share = self.samples_per_million
        sampled = self._exporter.enabled and (share >= 1_000_000 or self._random.randrange(1_000_000) < share)
        return SpanContext(b"%032x" % (self._random.getrandbits(128) or 1), b"", b"", sampled, None, baggage)

    def new_span_id(self) -> bytes:
        """Return 16 hexadecimal digits, not all zero."""
        return b"%016x" % (self._random.getrandbits(64) or 1)

    def served(self, request: Traced, status: int, reason: str, ended_ns: int) -> None:
        """Export the SERVER span of a request that was answered."""
        if not self._exporter.enabled:
            return
        path = request.path
        prefix = path[: path.find(b"/", 1) + 1]
        key = (request.method, prefix, status, reason)
        template = self._servers.get(key)
        if template is None:
            template = self._server_template(request.method, prefix, status, reason)
            self._remember(self._servers, key, template)
        self._add(template, request, ended_ns, path)

    def called(self, call: TracedCall, status: int, reason: str, ended_ns: int) -> None:
        """Export the CLIENT span of a call; status 0 means that no reply came."""
        if not self._exporter.enabled:
            return
        to = call.to
        key = (to.address, to.port, call.method, status, reason)
        template = self._clients.get(key)
        if template is None:
            template = _client_template(to, call.method, status, reason)
            self._remember(self._clients, key, template)
        url = b"http://%b%b" % (authority(to.address, to.port).encode(), call.path)
        self._add(template, call, ended_ns, url)

    def _add(self, template: SpanTemplate, traced: Traced, ended_ns: int, varying: bytes) -> None:
        span, epoch = traced.span, self._epoch_ns
        varying = varying[:LONGEST_VARYING]
        # A protobuf string must be UTF-8; the target of a request may have any bytes.
        if not varying.isascii():
            varying = varying.decode("utf-8", "ignore").encode()
        self._exporter.add(
            template.encode(
                unhexlify(span.trace_id),
                unhexlify(span.span_id),
                unhexlify(span.parent_id),
                traced.started_ns + epoch,
                ended_ns + epoch,
                varying,
            )
        )

    def _server_template(self, method: bytes, prefix: bytes, status: int, reason: str) -> SpanTemplate:
        route = prefix.decode() + "{key}"
        attributes: dict[str, str | int] = {
            "http.request.method": method.decode("latin-1"),
            "http.route": route,
            "http.response.status_code": status,
            "url.scheme": "http",
            "server.address": self._address,
            "server.port": self._port,
            "network.protocol.version": "1.1",
        }
        failed = status >= 500
        if failed:
            attributes["error.type"] = reason or str(status)
        name = f"{method.decode('latin-1')} {route}"
        return SpanTemplate(name, SERVER, attributes, "url.path", ERROR if failed else UNSET, remote=True)

    @staticmethod
    def _remember(cache: dict[Any, SpanTemplate], key: Any, template: SpanTemplate) -> None:
        if len(cache) >= MOST_TEMPLATES:
            cache.clear()
        cache[key] = template


def _client_template(to: Instance, method: bytes, status: int, reason: str) -> SpanTemplate:
    attributes: dict[str, str | int] = {
        "http.request.method": method.decode("latin-1"),
        "server.address": to.address,
        "server.port": to.port,
        "network.protocol.version": "1.1",
        "service.peer.name": to.tier,
    }
    if status:
        attributes["http.response.status_code"] = status
    failed = status == 0 or (status >= 400 and status != 404)
    if failed:
        attributes["error.type"] = reason or str(status)
    return SpanTemplate(method.decode("latin-1"), CLIENT, attributes, "url.full", ERROR if failed else UNSET)
