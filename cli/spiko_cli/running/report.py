"""Pure: what came of a run, as plain values and as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spiko_cli.metrics.aggregates import LATENCIES, Row, Sum, Sums
from spiko_cli.metrics.histogram import render_histogram
from spiko_cli.metrics.tables import render_causes, render_rows
from spiko_console.spans import Trace
from spiko_console.store import TraceStore
from spiko_console.waterfall import render_trace

Object = dict[str, Any]
SHOWN_FAILED = 1


@dataclass(frozen=True)
class Outcome:
    """A whole run. `traces` is None if they went elsewhere (`endpoint`); `cut_s` is None unless its traffic was interrupted."""

    name: str
    pods: int
    zones: int
    ready_s: float
    seconds: float
    sources: frozenset[str]
    sums: Sums
    faults: Sequence[Object] = ()
    errors_since: Mapping[str, int] | None = None  # of the sources, from when the faults were applied
    traces: TraceStore | None = None
    endpoint: str = ""
    traces_file: str = ""
    cut_s: float | None = None
    notes: Sequence[str] = field(default=())
    interrupted: bool = False

    def begun(self) -> Row:
        """The sources' own requests: every edge that begins at one, together."""
        total = sum_of(self.sums, self.sources)
        return total.row(", ".join(sorted(self.sources)) or "no source", self.seconds)


def sum_of(sums: Sums, sources: frozenset[str]) -> Sum:
    """All edges from these tiers as one sum; their versions are part of them."""
    whole = Sum()
    for (caller, _), edge in sums.edges.items():
        if caller.partition("@")[0] in sources:
            whole.merge(edge)
    return whole


def to_json(outcome: Outcome) -> Object:
    """Plain values, for programs."""
    traces = outcome.traces
    return {
        "architecture": outcome.name,
        "pods": outcome.pods,
        "zones": outcome.zones,
        "readySeconds": round(outcome.ready_s, 3),
        "seconds": round(outcome.seconds, 3),
        "interrupted": outcome.interrupted,
        "sources": outcome.begun().to_json(),
        "edges": [row.to_json() for row in outcome.sums.edge_rows(outcome.seconds)],
        "tiers": [row.to_json() for row in outcome.sums.tier_rows(outcome.seconds)],
        "faults": [
            {"name": f["metadata"]["name"], "spec": f["spec"], "status": f.get("status") or {}} for f in outcome.faults
        ],
        "errorsSinceFaults": None if outcome.errors_since is None else dict(outcome.errors_since),
        "traces": None
        if traces is None
        else {
            "traces": traces.traces,
            "spans": traces.spans,
            "failed": traces.failures,
            "incomplete": traces.broken,
            "lateSpans": traces.late,
            "slowest": [_trace_json(trace) for trace in traces.slowest()[:5]],
        },
        "notes": list(outcome.notes),
    }


def render(outcome: Outcome, histograms: bool) -> str:
    """The report.

    Args:
        outcome: of the run.
        histograms: whether every edge's and tier's distribution is drawn.
    """
    parts = [
        _head(outcome),
        render_rows(outcome.sums.edge_rows(outcome.seconds), outcome.sums.tier_rows(outcome.seconds)),
    ]
    parts += [_fault(fault) for fault in outcome.faults]
    if outcome.errors_since is not None:
        causes = f" ({render_causes(sorted(outcome.errors_since.items()))})" if outcome.errors_since else ""
        parts.append(f"errors at the sources since then: {sum(outcome.errors_since.values())}{causes}")
    if outcome.traces is not None:
        parts.append(_traces(outcome.traces, outcome.traces_file))
    elif outcome.endpoint:
        parts.append(f"traces went to {outcome.endpoint}, as the Architecture says")
    parts += [f"note: {note}" for note in outcome.notes]
    if histograms:
        parts += _histograms(outcome.sums)
    return "\n\n".join(parts)


def _head(outcome: Outcome) -> str:
    row = outcome.begun()
    where = f"{outcome.pods} pods in {outcome.zones} zone{'' if outcome.zones == 1 else 's'}"
    cut = f", interrupted after {outcome.cut_s:.1f} s" if outcome.cut_s is not None else ""
    text = f"{outcome.name}: {where}, ready after {outcome.ready_s:.1f} s; traffic for {outcome.seconds:.1f} s{cut}\n"
    if not row.total:
        return text + f"{row.name}: no requests"
    causes = f" ({render_causes(sorted(row.errors.items()))})" if row.errors else ""
    times = row.response_us or (0, 0, 0, 0)
    return text + (
        f"{row.name}: {row.total} requests, {row.miss} misses, {row.failed} errors{causes};"
        f" response p50 {times[0] / 1000:.2f} ms, p99 {times[2] / 1000:.2f} ms"
    )


def _fault(fault: Object) -> str:
    status = fault.get("status") or {}
    return f"fault {fault['metadata']['name']}: {status.get('summary') or 'nothing came of it'}"


def _traces(store: TraceStore, file: str) -> str:
    broken = f", {store.broken} lack a span" if store.broken else ""
    broken += f", {store.late} spans came too late" if store.late else ""
    where = f"; all of them are in {file}" if file else ""
    texts = [f"traces: {store.traces}, with {store.spans} spans, {store.failures} failed{broken}{where}"]
    texts += [f"the slowest: {render_trace(trace)}" for trace in store.slowest()[:1]]
    texts += [f"the last that failed: {render_trace(trace)}" for trace in store.failed()[-SHOWN_FAILED:]]
    return "\n\n".join(texts)


def _histograms(sums: Sums) -> list[str]:
    found = [(f"{a} -> {b}", total) for (a, b), total in sorted(sums.edges.items())]
    found += sorted(sums.served.items())
    return [
        render_histogram(f"{name} {latency}", total.histograms[latency])
        for name, total in found
        for latency in LATENCIES
        if latency in total.histograms
    ]


def _trace_json(trace: Trace) -> Object:
    return {"traceId": trace.trace_id, "milliseconds": round(trace.took_ns / 1e6, 3), "spans": len(trace.spans)}
