"""Pure: spans as they are kept: of one trace, with what their resource says of the process that made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SERVER, CLIENT = 2, 3  # trace.proto, SpanKind
ERROR = 2  # trace.proto, StatusCode


@dataclass(frozen=True, slots=True)
class Span:
    """One span. Ids are hexadecimal, `parent_id` is empty for a root; times are in ns since 1970."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: int
    start_ns: int
    end_ns: int
    failed: bool
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]

    @property
    def took_ns(self) -> int:
        """Its length; 0 if clocks disagree."""
        return max(0, self.end_ns - self.start_ns)

    @property
    def service(self) -> str:
        """Who made it."""
        return str(self.resource.get("service.name", "?"))


@dataclass(frozen=True)
class Trace:
    """All spans of one trace that have come in."""

    trace_id: str
    spans: tuple[Span, ...]

    @property
    def roots(self) -> tuple[Span, ...]:
        """Spans whose parent is not here: one in a whole trace, more if some span was lost with its process."""
        known = {span.span_id for span in self.spans}
        return tuple(sorted((s for s in self.spans if s.parent_id not in known), key=lambda s: s.start_ns))

    @property
    def root(self) -> Span:
        """Where it began: the span without a parent, else the earliest."""
        return next((span for span in self.roots if not span.parent_id), self.roots[0])

    @property
    def whole(self) -> bool:
        """Whether every parent is here."""
        return len(self.roots) == 1 and not self.root.parent_id

    @property
    def failed(self) -> bool:
        """Whether any of its spans is an error."""
        return any(span.failed for span in self.spans)

    @property
    def took_ns(self) -> int:
        """How long its root took."""
        return self.root.took_ns


def make_trace(spans: Sequence[Span]) -> Trace:
    """A trace of at least one span; a span that was sent twice counts once."""
    unique = {span.span_id: span for span in spans}
    return Trace(spans[0].trace_id, tuple(unique.values()))
