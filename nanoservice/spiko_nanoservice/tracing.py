"""Trace ids, the sampling decision, and the two kinds of span that a tier makes.

The decision is taken at the head, where the request begins, and travels in the `traceparent` flag: an unsampled request costs two random
numbers. Names and attributes follow the stable HTTP semantic conventions; a 404 is a miss, so its status stays unset on both sides.
"""

from __future__ import annotations

import time
from random import Random
from typing import Any

from spiko_nanoservice.authority import authority
from spiko_nanoservice.context import TraceParent
from spiko_nanoservice.contract import DEFAULT_SAMPLES_PER_MILLION, Instance
from spiko_nanoservice.export import Exporter
from spiko_nanoservice.spans import CLIENT, ERROR, SERVER, UNSET, SpanTemplate

MOST_TEMPLATES = 2_048  # callees come and go; a full cache is simply started anew


class Tracer:
    """Makes ids and encoded spans.

    Args:
        exporter: where spans go; while it is not enabled nothing is sampled here, but a caller's decision is passed on.
        random: the source of ids and decisions.
        address: this pod's address, as its server spans say it.
        port: this pod's port.

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
        """Relate the monotonic clock to the calendar; once a second, since the calendar may be corrected."""
        self._epoch_ns = time.time_ns() - time.perf_counter_ns()

    def begin(self, parent: TraceParent | None) -> tuple[bytes, bytes, bool]:
        """Trace id, parent span id (empty for a root) and whether to sample."""
        if parent is not None:
            return parent.trace_id, parent.span_id, parent.sampled
        share = self.samples_per_million
        sampled = self._exporter.enabled and (share >= 1_000_000 or self._random.randrange(1_000_000) < share)
        return b"%032x" % (self._random.getrandbits(128) or 1), b"", sampled

    def new_span_id(self) -> bytes:
        """16 hexadecimal digits, not all zero."""
        return b"%016x" % (self._random.getrandbits(64) or 1)

    def served(
        self, trace_id: bytes, span_id: bytes, parent_id: bytes, method: bytes, path: bytes,
        status: int, reason: str, started_ns: int, ended_ns: int,
    ) -> None:  # fmt: skip
        """Make the SERVER span of a request that was answered."""
        if not self._exporter.enabled:
            return
        prefix = path[: path.find(b"/", 1) + 1]
        key = (method, prefix, status, reason)
        template = self._servers.get(key)
        if template is None:
            template = self._remember(self._servers, key, self._server_template(method, prefix, status, reason))
        self._add(template, trace_id, span_id, parent_id, started_ns, ended_ns, path)

    def called(
        self, trace_id: bytes, span_id: bytes, parent_id: bytes, to: Instance, method: bytes, path: bytes,
        status: int, reason: str, started_ns: int, ended_ns: int,
    ) -> None:  # fmt: skip
        """Make the CLIENT span of a call; status 0 means that no answer came."""
        if not self._exporter.enabled:
            return
        key = (to.address, to.port, method, status, reason)
        template = self._clients.get(key)
        if template is None:
            template = self._remember(self._clients, key, _client_template(to, method, status, reason))
        url = b"http://%b%b" % (authority(to.address, to.port).encode(), path)
        self._add(template, trace_id, span_id, parent_id, started_ns, ended_ns, url)

    def _add(
        self,
        template: SpanTemplate,
        trace_id: bytes,
        span_id: bytes,
        parent_id: bytes,
        started_ns: int,
        ended_ns: int,
        varying: bytes,
    ) -> None:
        epoch = self._epoch_ns
        if not varying.isascii():  # protobuf strings are UTF-8, a request's target may be anything
            varying = varying.decode("utf-8", "replace").encode()
        self._exporter.add(
            template.encode(
                bytes.fromhex(trace_id.decode()),
                bytes.fromhex(span_id.decode()),
                bytes.fromhex(parent_id.decode()),
                started_ns + epoch,
                ended_ns + epoch,
                varying[:2048],
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
    def _remember(cache: dict[Any, SpanTemplate], key: Any, template: SpanTemplate) -> SpanTemplate:
        if len(cache) >= MOST_TEMPLATES:
            cache.clear()
        cache[key] = template
        return template


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
