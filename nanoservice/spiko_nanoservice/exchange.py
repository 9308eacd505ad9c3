"""One request on its way through a pod: what must be passed on with the calls that it causes."""

from __future__ import annotations

import time

from spiko_nanoservice.context import TraceParent
from spiko_nanoservice.tracing import Tracer


class Exchange:
    """Times in ns on the `perf_counter` clock; `written_us` is when a write to a ring began, microseconds since 1970, else 0."""

    __slots__ = (
        "baggage",
        "body",
        "deadline_ns",
        "method",
        "parent_id",
        "path",
        "sampled",
        "span_id",
        "started_ns",
        "trace_id",
        "tracestate",
        "written_us",
    )

    def __init__(
        self,
        method: bytes,
        path: bytes,
        body: bytes,
        started_ns: int,
        left_us: int,
        parent: TraceParent | None,
        tracer: Tracer,
    ) -> None:
        self.method, self.path, self.body = method, path, body
        self.started_ns = started_ns
        self.deadline_ns = started_ns + left_us * 1000
        self.trace_id, self.parent_id, self.sampled = tracer.begin(parent)
        self.span_id = tracer.new_span_id()
        self.tracestate: bytes | None = None
        self.baggage: bytes | None = None
        self.written_us = 0

    def left_us(self) -> int:
        """Time left, microseconds; may be negative."""
        return (self.deadline_ns - time.perf_counter_ns()) // 1000

    @property
    def prefix(self) -> bytes:
        """The path's first part, with both slashes, such as /k/."""
        return self.path[: self.path.find(b"/", 1) + 1]

    @property
    def raw_key(self) -> bytes:
        """The rest, as it came: percent-encoded, with its query if any."""
        return self.path[self.path.find(b"/", 1) + 1 :]
