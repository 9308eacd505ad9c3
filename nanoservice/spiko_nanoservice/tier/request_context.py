"""One request on its way through a pod, and one call that it causes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from spiko_nanoservice.contract import DEADLINE_HEADER, WRITTEN_HEADER, Instance
from spiko_nanoservice.telemetry.trace_context import SpanContext, render_deadline

READS = (b"GET", b"HEAD")  # methods of requests that hit or miss


class RequestContext:
    """A request: its target, its deadline and its span.

    Args:
        method: as received.
        path: as received, percent-encoded, with its query.
        body: as received.
        started_ns: arrival, or when a source had to send it, on the `perf_counter` clock.
        left_us: time until the deadline, microseconds.
        span: the SERVER span; at a source, a context without a span id.

    Attributes:
        raw_key: the path after its prefix; set by the tier.
        key: the key that it names, decoded; set by the tier.
        verb: the role's function for method and prefix; set by the tier.
        written_us: the time of a write to a ring, microseconds since 1970; 0 for other requests.
    """

    raw_key = b""
    key = b""
    verb: Callable[..., Any] | None = None
    written_us = 0

    def __init__(
        self, method: bytes, path: bytes, body: bytes, started_ns: int, left_us: int, span: SpanContext
    ) -> None:
        self.method, self.path, self.body = method, path, body
        self.started_ns = started_ns
        self.deadline_ns = started_ns + left_us * 1000
        self.span = span

    def left_us(self) -> int:
        """Return the time until the deadline, microseconds; negative once it has passed."""
        return (self.deadline_ns - time.perf_counter_ns()) // 1000


class Call:
    """One call of a request to one instance.

    Args:
        context: the request that causes it.
        to: the instance.
        method: of the call.
        path: of the call.
        limit_us: the longest time that it may take, microseconds; None for the request's deadline alone.

    Attributes:
        span: the CLIENT span; set when the call is sent.
        started_ns: when the call was sent, or was due at a source, on the `perf_counter` clock.
    """

    __slots__ = ("context", "limit_us", "method", "path", "span", "started_ns", "to")

    def __init__(
        self, context: RequestContext, to: Instance, method: bytes, path: bytes, limit_us: int | None = None
    ) -> None:
        self.context, self.to, self.method, self.path, self.limit_us = context, to, method, path, limit_us
        self.span = context.span
        self.started_ns = 0

    def left_us(self) -> int:
        """Return the time that the call may take from now on, microseconds.

        It is 0 or less once the deadline has passed.
        """
        left_us = self.context.left_us()
        return left_us if self.limit_us is None else min(left_us, self.limit_us)

    def headers(self) -> bytes:
        """Return the header lines of the call: trace context, deadline, and the time of a write to a ring."""
        context = self.context
        lines = b"%b%b: %b\r\n" % (self.span.headers(), DEADLINE_HEADER, render_deadline(context.left_us()))
        return lines + b"%b: %d\r\n" % (WRITTEN_HEADER, context.written_us) if context.written_us else lines
