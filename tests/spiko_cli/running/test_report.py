"""The report of a run."""

from __future__ import annotations

from typing import Any

from spiko_cli.metrics.aggregates import Aggregates
from spiko_cli.metrics.histogram import bins, render_histogram
from spiko_cli.running.progress import Tick, render_tick
from spiko_cli.running.report import Report, render, to_json
from spiko_console.store import TraceStore
from spiko_nanoservice.telemetry.histograms import add_encoded, new_histogram
from spiko_nanoservice.telemetry.latencies import count_values, encode_counts
from tests.support.traces import make_call


def second(caller: str, callee: str, ok: int, miss: int, values: list[int], **errors: int) -> dict[str, Any]:
    """Return one eureka's report of an edge, and of its callee."""
    encoded = encode_counts(count_values(values))
    edge = {
        "from": [caller, "1.0.0", "r", "*"],
        "to": [callee, "1.0.0", "r", "a"],
        "ok": ok,
        "miss": miss,
        "errors": errors,
    }
    served = {"at": [callee, "1.0.0", "r", "a"], "ok": ok, "miss": miss, "errors": {}, "response": encoded}
    return {
        "edges": [edge | {"response": encoded, "service": encoded, "network": encoded}],
        "served": [served],
    }


def report(**more: Any) -> Report:
    """Return the report of www -> lb -> db."""
    totals = Aggregates()
    totals.add(second("www", "lb", 90, 9, [1_000] * 99, refused=1))
    totals.add(second("lb", "db", 90, 9, [500] * 99))
    return Report("lamp", 23, 3, 1.9, 10.0, frozenset({"www"}), totals, **more)


def test_the_head_counts_the_requests_of_the_sources_only() -> None:
    """Given edges at and below the source, then the head counts the source's requests only once."""
    text = render(report(), histograms=False)

    assert "lamp: 23 pods in 3 zones, ready after 1.9 s; traffic for 10.0 s" in text
    assert "www: 100 requests, 9 misses, 1 errors (refused=1); response p50 1.00 ms" in text
    assert "10.0     9.0   1.00    1.00" in next(
        line for line in text.splitlines() if line.startswith("www -> lb")
    )


def test_requests_that_a_source_could_not_send_are_shown() -> None:
    """Given a source that reports 300 requests as not sent, then head, table, progress and JSON have the
    number, and requests and errors do not include it.
    """
    run = report()
    source = {"at": ["www", "1.0.0", "r", "*"], "ok": 0, "miss": 0, "errors": {}, "not_sent": 300}
    run.totals.add({"edges": [], "served": [source]})
    text, row = render(run, histograms=False), run.source_row()

    assert "100 requests, 9 misses, 1 errors (refused=1), 300 not sent; response" in text
    assert any(line.startswith("www  ") and line.endswith("not_sent=300") for line in text.splitlines())
    assert "1 errors, 300 not sent" in render_tick(Tick(2.0, 10.0, "23/23", row, row, [], []))
    found = to_json(run)
    assert (100, 300) == (found["sources"]["requests"], found["sources"]["notSent"])
    assert {"www": 300, "lb": 0, "db": 0} == {tier["name"]: tier["notSent"] for tier in found["tiers"]}


def test_the_json_report_has_the_same_numbers() -> None:
    """Given a run, then JSON has the counts of the text, and percentiles by name."""
    found = to_json(
        report(
            faults=[{"metadata": {"name": "f"}, "spec": {}, "status": {"summary": "gone"}}],
            cut_s=3.0,
            interrupted=True,
        )
    )

    assert (100, 9, {"refused": 1}) == (
        found["sources"]["requests"],
        found["sources"]["miss"],
        found["sources"]["errors"],
    )
    assert {"p50", "p90", "p99", "p99.9"} == set(found["edges"][0]["serviceMicroseconds"])
    assert found["interrupted"]
    assert "gone" == found["faults"][0]["status"]["summary"]


def test_received_traces_are_drawn() -> None:
    """Given traces, then the slowest and the last failed are drawn; else the report names the endpoint."""
    store = TraceStore()
    store.add(make_call("slow", 40), now=0.0)
    store.add(make_call("bad", 4, error="refused"), now=0.0)
    store.close()
    text = render(report(traces=store, traces_file="all.jsonl"), histograms=False)

    assert "traces: 2 with 7 spans, 1 failed; all traces are in all.jsonl" in text
    assert "slowest: GET   40.00 ms  trace slow" in text
    assert "last failed: GET   4.00 ms  trace bad" in text
    assert "traces were exported to http://there" in render(report(endpoint="http://there"), histograms=False)


def test_a_run_without_requests_is_reported() -> None:
    """Given a run without requests and a fault without a status, then all outputs work."""
    empty = Report(
        "a", 1, 1, 0.1, 0.0, frozenset(), Aggregates(), faults=[{"metadata": {"name": "f"}, "spec": {}}]
    )

    assert "no source: no requests" in render(empty, histograms=True)
    assert 0 == to_json(empty)["sources"]["requests"]
    assert "no requests reported yet" in render_tick(
        Tick(0, 1, "?", empty.source_row(), empty.source_row(), [], [])
    )


def test_bins_hold_every_value_once() -> None:
    """Given values of the whole range, then each is in one bin, up to the histogram's precision of 1 %."""
    values = [1, 2, 9, 10, 11, 99, 100, 1_000, 12_345, 999_999, 59_999_999]
    histogram = new_histogram()
    add_encoded(histogram, encode_counts(count_values(values)))
    found = bins(histogram)

    assert len(values) == sum(count for _, _, count in found)
    assert (1, 60_000_000) == (found[0][0], 60_000_000)
    for value in values:
        assert any(count and low * 0.99 <= value < high * 1.01 for low, high, count in found), value
    assert [] == bins(new_histogram())


def test_a_bar_has_one_mark_per_percent() -> None:
    """Given a share of 75 %, then its bar has 75 marks, as Spigo printed it."""
    histogram = new_histogram()
    add_encoded(histogram, encode_counts(count_values([100] * 75 + [1_000] * 25)))
    text = render_histogram("www", histogram)

    assert "quantiles: [{50 100} {90 " in text
    assert f"{100:>9} {120:>9} {75:>9}  0.7500 :{'#' * 75}\n" in text
