"""Pure: spans with the attributes of their resource, and traces made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

SERVER, CLIENT = 2, 3  # trace.proto, SpanKind
ERROR = 2  # trace.proto, StatusCode
STATUS = "http.response.status_code"
REPLIES = (200, 404)  # which only a callee that has a span gives
SPAN_BYTES = 400  # of an empty span with its ids and its two dictionaries


@dataclass(frozen=True, slots=True)
class Span:
    """One span. Ids are hexadecimal; `parent_id` is empty for a root; times are in ns since 1970."""

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
        """Its duration; 0 if clocks disagree."""
        return max(0, self.end_ns - self.start_ns)

    @property
    def service(self) -> str:
        """The service that has sent it."""
        return str(self.resource.get("service.name", "?"))

    @property
    def pod_uid(self) -> str:
        """UID of the pod that has sent it; empty if it does not say."""
        return str(self.resource.get("k8s.pod.uid", ""))

    @property
    def server(self) -> str:
        """Address of the callee, in its own span and in that of its caller; empty if it does not say."""
        return str(self.attributes.get("server.address", ""))


@dataclass(frozen=True)
class Trace:
    """All received spans of one trace, except `left_out` of them if it was thinned."""

    trace_id: str
    spans: tuple[Span, ...]
    left_out: int = 0

    @cached_property
    def children(self) -> Mapping[str, Sequence[Span]]:
        """Spans by the id of their parent, in the order of their start.

        The empty id has those without a known parent.
        """
        known = {span.span_id for span in self.spans}
        found: dict[str, list[Span]] = {}
        for span in sorted(self.spans, key=lambda s: s.start_ns):
            found.setdefault(span.parent_id if span.parent_id in known else "", []).append(span)
        return found

    @cached_property
    def roots(self) -> tuple[Span, ...]:
        """The spans from which all others can be reached, in the order of their start.

        These are the spans without a known parent: one in a complete trace, more if a span was lost with its
        process. Of spans that are each other's parents, the earliest is a root as well.
        """
        found = list(self.children.get("", ()))
        seen = {span.span_id for root in found for span in self._below(root)}
        for span in sorted(self.spans, key=lambda s: s.start_ns) if len(seen) < len(self.spans) else ():
            if span.span_id not in seen:
                found.append(span)
                seen |= {below.span_id for below in self._below(span)}
        return tuple(sorted(found, key=lambda s: s.start_ns))

    @cached_property
    def root(self) -> Span:
        """The span without a parent, else the earliest."""
        return next((span for span in self.roots if not span.parent_id), self.roots[0])

    @property
    def complete(self) -> bool:
        """Whether no span is missing: each has its parent, and each answered call the span of its callee."""
        is_tree = len(self.roots) == 1 and not self.root.parent_id and not self.left_out
        return is_tree and not any(call.attributes.get(STATUS) in REPLIES for call in self._one_sided())

    @property
    def silent(self) -> frozenset[str]:
        """Addresses of the callees without a span of their own."""
        return frozenset(call.server for call in self._one_sided())

    def _one_sided(self) -> list[Span]:
        """Return the calls of which the callee's span is missing; a call that failed may have none."""
        served = {span.parent_id for span in self.spans if span.kind == SERVER}
        return [span for span in self.spans if span.kind == CLIENT and span.span_id not in served]

    @property
    def failed(self) -> bool:
        """Whether one of its spans is an error."""
        return any(span.failed for span in self.spans)

    @property
    def took_ns(self) -> int:
        """Duration of its root."""
        return self.root.took_ns

    def _below(self, root: Span) -> Iterator[Span]:
        """Iterate over a span and all below it, each once."""
        seen = {root.span_id}
        waiting = [root]
        while waiting:
            span = waiting.pop()
            yield span
            for child in self.children.get(span.span_id, ()):
                if child.span_id not in seen:
                    seen.add(child.span_id)
                    waiting.append(child)


def make_trace(spans: Sequence[Span]) -> Trace:
    """Return a trace of at least one span; a span that was sent twice counts once."""
    unique = {span.span_id: span for span in spans}
    return Trace(spans[0].trace_id, tuple(unique.values()))


def thin(trace: Trace, max_bytes: int) -> Trace:
    """Return a trace of at most `max_bytes`: its root and its earliest spans if it is larger."""
    left = max_bytes
    kept: list[Span] = []
    for span in (
        trace.root,
        *sorted((s for s in trace.spans if s is not trace.root), key=lambda s: s.start_ns),
    ):
        left -= size_bytes(span)
        if kept and left < 0:
            break
        kept.append(span)
    if len(kept) == len(trace.spans):
        return trace
    return replace(trace, spans=tuple(kept), left_out=trace.left_out + len(trace.spans) - len(kept))


def shorten(text: str, most: int) -> str:
    """Return a text of at most `most` characters; a longer one is cut and ends with an ellipsis.

    >>> shorten("refused", 10), shorten("refused", 4)
    ('refused', 'ref…')
    """
    return text if len(text) <= most else text[: most - 1] + "…"


def size_bytes(span: Span) -> int:
    """Return about how much memory a span takes; its resource counts as well, although spans share it."""
    return SPAN_BYTES + len(span.name) + _size(span.attributes) + _size(span.resource)


def _size(value: Any) -> int:
    """Return the size of a value, which is at most 100 levels deep: the limit of protobuf."""
    if isinstance(value, str | bytes):
        return 50 + len(value)
    if isinstance(value, Mapping):
        return 60 + sum(60 + len(key) + _size(item) for key, item in value.items())
    if isinstance(value, list):
        return 60 + sum(8 + _size(item) for item in value)
    return 32
