"""Pure: the report of a run, as plain values and as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spiko_cli.metrics.aggregates import LATENCIES, Aggregate, Aggregates, Row
from spiko_cli.metrics.histogram import bins_json, render_histogram
from spiko_cli.metrics.tables import render_causes, render_rows
from spiko_console.spans import Trace
from spiko_console.store import TraceStore
from spiko_console.waterfall import render_trace
from spiko_local.objects import Object, status_of

SHOWN_FAILED = 1


@dataclass(frozen=True)
class Report:
    """A whole run.

    Args:
        name: of the Architecture.
        pods: number of all pods.
        zones: number of zones.
        ready_s: from the first apply until the architecture was ready.
        seconds: how long there was traffic.
        sources: tiers in which requests begin.
        totals: all requests.
        faults: the injected Faults with their status.
        errors_since: the sources' failed requests by cause after the faults were applied; None without
            faults.
        killed: addresses of the pods that Faults and the chaos monkey have killed, by UID; empty if unknown.
        traces: received here; None if they went to `endpoint`.
        endpoint: the Architecture's own.
        lost_traces: why none were received; empty if some were, or none were to be expected.
        traces_file: that has all traces; empty for none.
        cut_s: when the traffic was interrupted; None if it was not.
        notes: for the user.
        interrupted: whether the user has ended the run early.
    """

    name: str
    pods: int
    zones: int
    ready_s: float
    seconds: float
    sources: frozenset[str]
    totals: Aggregates
    faults: Sequence[Object] = ()
    errors_since: Mapping[str, int] | None = None
    killed: Mapping[str, str] = field(default_factory=dict)
    traces: TraceStore | None = None
    endpoint: str = ""
    lost_traces: str = ""
    traces_file: str = ""
    cut_s: float | None = None
    notes: Sequence[str] = field(default=())
    interrupted: bool = False

    def source_row(self) -> Row:
        """Return the requests of the sources, all edges together."""
        return self.totals.from_tiers(self.sources).row(
            ", ".join(sorted(self.sources)) or "no source", self.seconds
        )


def to_json(report: Report, histograms: bool = False) -> Object:
    """Return plain values for JSON.

    Args:
        report: of the run.
        histograms: whether sources, edges and tiers get their distributions.
    """
    edges, tiers = report.totals.edge_rows(report.seconds), report.totals.tier_rows(report.seconds)
    more = _distributions if histograms else lambda _: {}
    return {
        "architecture": report.name,
        "pods": report.pods,
        "zones": report.zones,
        "readySeconds": round(report.ready_s, 3),
        "seconds": round(report.seconds, 3),
        "interrupted": report.interrupted,
        "sources": report.source_row().to_json() | more(report.totals.from_tiers(report.sources)),
        "edges": [row.to_json() | more(report.totals.edges[row.ends]) for row in edges if row.ends],
        "tiers": [row.to_json() | more(report.totals.served[row.name]) for row in tiers],
        "faults": [
            {"name": f["metadata"]["name"], "spec": f["spec"], "status": status_of(f)} for f in report.faults
        ],
        "errorsSinceFaults": None if report.errors_since is None else dict(report.errors_since),
        "traces": _store_json(report.traces, report.killed) if report.traces is not None else None,
        "notes": [*report.notes, *([report.lost_traces] if report.lost_traces else [])],
    }


def killed_pods(architecture: Mapping[str, Any], faults: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Return the UIDs of pods that were killed, from the status of an Architecture and of its Faults."""
    victims = [victim for fault in faults for victim in fault.get("victims") or ()]
    monkey = architecture.get("chaos") or {}
    return frozenset(str(pod["uid"]) for pod in [*victims, *(monkey.get("recent") or ())])


def render(report: Report, histograms: bool) -> str:
    """Return the report as text.

    Args:
        report: of the run.
        histograms: whether to draw the distributions of all edges and tiers.
    """
    parts = [
        _head(report),
        render_rows(report.totals.edge_rows(report.seconds), report.totals.tier_rows(report.seconds)),
    ]
    parts += [_fault(fault) for fault in report.faults]
    if report.errors_since is not None:
        causes = f" ({render_causes(report.errors_since)})" if report.errors_since else ""
        parts.append(f"errors at the sources since the faults: {sum(report.errors_since.values())}{causes}")
    if report.lost_traces:
        parts.append(report.lost_traces)
    elif report.traces is not None:
        parts.append(_traces(report.traces, report.killed, report.traces_file))
    elif report.endpoint:
        parts.append(f"traces were exported to {report.endpoint} (spec.telemetry.otlpEndpoint)")
    parts += [f"note: {note}" for note in report.notes]
    if histograms:
        parts += _histograms(report.totals)
    return "\n\n".join(parts)


def _head(report: Report) -> str:
    row = report.source_row()
    where = f"{report.pods} pods in {report.zones} zone{'' if report.zones == 1 else 's'}"
    cut = f", interrupted after {report.cut_s:.1f} s" if report.cut_s is not None else ""
    text = f"{report.name}: {where}, ready after {report.ready_s:.1f} s;"
    text += f" traffic for {report.seconds:.1f} s{cut}\n"
    if not row.total:
        return text + f"{row.name}: no requests"
    causes = f" ({render_causes(row.errors)})" if row.errors else ""
    not_sent = f", {row.not_sent} not sent" if row.not_sent else ""
    times = row.response_us or (0, 0, 0, 0)
    return text + (
        f"{row.name}: {row.total} requests, {row.miss} misses, {row.failed} errors{causes}{not_sent};"
        f" response p50 {times[0] / 1000:.2f} ms, p99 {times[2] / 1000:.2f} ms"
    )


def _fault(fault: Object) -> str:
    return f"fault {fault['metadata']['name']}: {status_of(fault).get('summary') or 'no result was reported'}"


def _traces(store: TraceStore, killed: Mapping[str, str], file: str) -> str:
    cut, broken_count = store.lacking(killed)
    broken = f", {cut} with spans lost in a killed pod" if cut else ""
    broken += f", {broken_count} lack a span" if broken_count else ""
    broken += f", {store.late} spans came too late" if store.late else ""
    where = f"; all traces are in {file}" if file else ""
    texts = [f"traces: {store.traces} with {store.spans} spans, {store.failures} failed{broken}{where}"]
    texts += [f"slowest: {render_trace(trace)}" for trace in store.slowest()[:1]]
    texts += [f"last failed: {render_trace(trace)}" for trace in store.failed()[-SHOWN_FAILED:]]
    return "\n\n".join(texts)


def _distributions(total: Aggregate) -> Object:
    found = {name: bins_json(total.histograms[name]) for name in LATENCIES if name in total.histograms}
    return {"distributions": found}


def _histograms(totals: Aggregates) -> list[str]:
    found = [(f"{a} -> {b}", total) for (a, b), total in sorted(totals.edges.items())]
    found += sorted(totals.served.items())
    return [
        render_histogram(f"{name} {latency}", total.histograms[latency])
        for name, total in found
        for latency in LATENCIES
        if latency in total.histograms
    ]


def _store_json(store: TraceStore, killed: Mapping[str, str]) -> Object:
    cut, broken = store.lacking(killed)
    return {
        "traces": store.traces,
        "spans": store.spans,
        "failed": store.failures,
        "cutByKills": cut,
        "incomplete": broken,
        "lateSpans": store.late,
        "slowest": [_trace_json(trace) for trace in store.slowest()[:5]],
    }


def _trace_json(trace: Trace) -> Object:
    return {
        "traceId": trace.trace_id,
        "milliseconds": round(trace.took_ns / 1e6, 3),
        "spans": len(trace.spans),
    }
