"""Pure: one trace as text, with a line for each call and its time as a bar.

A call has two spans: the caller's (CLIENT) and, within it, the callee's (SERVER). They share a line, which is
dotted where only the caller waits (network and queues) and solid where the callee works. A call without an
answer has only the caller's span.

Spans are not trusted: long names are cut, characters that are not printable are shown as ?, and calls that
are too deep or too many are only counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from spiko_console.spans import CLIENT, SERVER, Span, Trace, shorten

BAR, WAIT, WORK = 48, "░", "█"
MAX_LINES, MAX_DEPTH, MAX_TEXT = 60, 24, 60


@dataclass(frozen=True)
class Line:
    """One call, or a single span. `outer` is the caller's span, `inner` the callee's; one may be missing."""

    depth: int
    label: str
    outer: Span | None
    inner: Span | None

    @property
    def span(self) -> Span:
        """The longer of the two."""
        found = self.outer or self.inner
        assert found is not None
        return found

    @property
    def failed(self) -> bool:
        """Whether one of them is an error."""
        return any(span is not None and span.failed for span in (self.outer, self.inner))


def lines_of(trace: Trace) -> list[Line]:
    """Return the calls of a trace in the order of a tree, children by their start.

    Every span appears once, even if spans claim to be each other's parents.
    """
    lines: list[Line] = []
    seen: set[str] = set()
    waiting = [(root, 0) for root in reversed(trace.roots)]
    while waiting:
        span, depth = waiting.pop()
        if span.span_id in seen:
            continue
        seen.add(span.span_id)
        below = [child for child in trace.children.get(span.span_id, ()) if child.span_id not in seen]
        served = [child for child in below if child.kind == SERVER]
        if span.kind == CLIENT and len(served) <= 1:
            inner = served[0] if served else None
            if not depth:
                lines.append(Line(0, span.service, None, span))
                depth = 1
            lines.append(Line(depth, _callee(span, inner), span, inner))
            if inner is not None:
                seen.add(inner.span_id)
                below = [
                    *(child for child in below if child is not inner),
                    *trace.children.get(inner.span_id, ()),
                ]
        else:
            lines.append(Line(depth, span.service, None, span))
        waiting += [(child, depth + 1) for child in reversed(below)]
    return lines


def render_trace(trace: Trace) -> str:
    """Return a head and a line for each call; times are in ms.

    Args:
        trace: of at least one span.
    """
    lines = lines_of(trace)
    shown = [line for line in lines if line.depth <= MAX_DEPTH][:MAX_LINES]
    start = min(span.start_ns for span in trace.spans)
    whole = max(1, max(span.end_ns for span in trace.spans) - start)
    labels = [f"{'  ' * line.depth}{'└ ' if line.depth else ''}{_text(line.label)}" for line in shown]
    width = max(len(label) for label in labels)
    root = trace.root
    texts = [
        f"{_text(root.name)} {_text(_target(root))}  {trace.took_ns / 1e6:.2f} ms  trace {trace.trace_id}"
    ]
    for line, label in zip(shown, labels, strict=True):
        bar = f"|{_bar(line, start, whole)}| {_times(line)}{_failure(line)}"
        texts.append(f"{label:<{width}} {_place(line):<14.14} {bar}".rstrip())
    if len(lines) > len(shown):
        deep = sum(line.depth > MAX_DEPTH for line in lines)
        texts.append(f"... and {len(lines) - len(shown)} more" + (f", {deep} of them deeper" if deep else ""))
    if trace.left_out:
        texts.append(f"({trace.left_out} spans omitted: the trace is too large)")
    elif not trace.complete:
        texts.append("(a span is missing: its process ended before sending it)")
    return "\n".join(texts)


def _text(value: object) -> str:
    """Return an untrusted value as one printable line of at most 60 characters."""
    cut = shorten(str(value), MAX_TEXT)
    return "".join(letter if letter.isprintable() else "?" for letter in cut)


def _target(root: Span) -> str:
    try:
        return str(root.attributes.get("url.path") or urlsplit(str(root.attributes.get("url.full", ""))).path)
    except ValueError:  # not a valid URL
        return ""


def _callee(outer: Span, inner: Span | None) -> str:
    return inner.service if inner is not None else str(outer.attributes.get("service.peer.name", outer.name))


def _place(line: Line) -> str:
    resource = line.inner.resource if line.inner is not None else {}
    return _text(resource.get("cloud.availability_zone") or resource.get("cloud.region") or "")


def _bar(line: Line, start: int, whole: int) -> str:
    """Return columns from the trace's start to its end; the shortest span takes one column."""
    cells = [" "] * BAR
    for span, mark in ((line.outer, WAIT), (line.inner, WORK)):
        if span is not None:
            first = min(BAR - 1, (span.start_ns - start) * BAR // whole)
            last = max(first + 1, -(-(span.end_ns - start) * BAR // whole))
            cells[first : min(last, BAR)] = mark * (min(last, BAR) - first)
    return "".join(cells)


def _times(line: Line) -> str:
    took = f"{line.span.took_ns / 1e6:8.2f} ms"
    if line.outer is None or line.inner is None:
        return took
    return f"{took}, {line.inner.took_ns / 1e6:.2f} at the callee"


def _failure(line: Line) -> str:
    if not line.failed:
        return ""
    for span in (line.inner, line.outer):
        if span is not None and span.failed:
            reason = (
                span.attributes.get("error.type")
                or span.attributes.get("http.response.status_code")
                or "error"
            )
            return f"  ! {_text(reason)}" + ("" if line.inner is not None else ", no answer")
    return ""
