"""The report of a run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from spiko_cli.metrics.aggregates import Aggregates
from spiko_cli.metrics.histogram import bins, render_histogram
from spiko_cli.metrics.tables import render_rows
from spiko_cli.running.progress import Tick, render_tick
from spiko_cli.running.report import Report, killed_pods, render, to_json
from spiko_console.spans import CLIENT
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
    assert "10.0     9.1   1.00    1.00" in next(
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


def test_writes_are_not_in_the_base_of_the_miss_percentage() -> None:
    """Given 3 hits, 1 miss, 5 writes and a failure, then 25 % of the reads missed; without reads there is no
    percentage.
    """
    totals = Aggregates()
    for callee, ok, writes, miss in (("db", 8, 5, 1), ("log", 5, 5, 0)):
        counts = {"ok": ok, "writes": writes, "miss": miss, "errors": {"refused": 1}}
        totals.add({"edges": [], "served": [{"at": [callee, "1.0.0", "r", "a"]} | counts]})
    db, log = totals.tier_rows(1.0)
    table = render_rows([], [db, log]).splitlines()

    assert (25.0, None) == (db.miss_percent, log.miss_percent)
    assert (5, 1) == (db.to_json()["writes"], db.to_json()["miss"])
    assert ["db", "10", "10.0", "25.0", "10.00"] == table[-2].split()[:5]
    assert ["log", "6", "6.0", "16.67"] == table[-1].split()[:4]


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


def test_spans_lost_in_a_killed_pod_are_told_from_others() -> None:
    """Given a trace that lacks the spans of web, which was killed, and one that lacks its root, then text and
    JSON count them apart.
    """
    store = TraceStore()
    for trace, lost in (("killed", "web"), ("lost", "www")):
        for span in make_call(trace, 10):
            callee = span.attributes["service.peer.name"] if span.kind == CLIENT else span.service
            if span.service != lost:
                store.add([replace(span, attributes={"server.address": callee})], now=0.0)
    store.close()
    killed = killed_pods({"chaos": {"recent": [{"uid": "2"}]}}, [{"victims": [{"uid": "1"}]}])
    found = report(traces=store, killed=dict.fromkeys(killed, "web"))

    assert {"1", "2"} == killed
    assert "0 failed, 1 with spans lost in a killed pod, 1 lack a span" in render(found, histograms=False)
    assert (1, 1) == tuple(to_json(found)["traces"][name] for name in ("cutByKills", "incomplete"))


def test_lost_traces_are_one_line_instead_of_a_count_of_zero() -> None:
    """Given a receiver without any span, then the text has the reason only, and JSON has it as a note."""
    run = report(traces=TraceStore(), lost_traces="no spans arrived at http://a")
    parts = render(run, histograms=False).split("\n\n")

    assert ["no spans arrived at http://a"] == [part for part in parts if "traces" in part or "spans" in part]
    assert ["no spans arrived at http://a"] == to_json(run)["notes"]


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
    for value in values:
        assert any(count and low * 0.99 <= value < high * 1.01 for low, high, count in found), value
    assert [] == bins(new_histogram())


def test_a_distribution_is_printed_as_spigo_printed_it() -> None:
    """Given values in three bins, then columns and bars are those of Spigo: the axis is : after skipped bins,
    and 7.9 % are seven marks.
    """
    histogram = new_histogram()
    values = [3] * 79 + [12] * 500 + [13] * 400 + [100] * 21
    add_encoded(histogram, encode_counts(count_values(values)))

    assert [
        "name: www, microseconds",
        "quantiles: [{50 12} {90 13} {99 100} {99.9 100}]",
        "From  To   Count  Prob    Bar",
        "3     3    79     0.0790  :#######",
        f"12    14   900    0.9000  :{'#' * 90}",
        "100   119  21     0.0210  :##",
    ] == render_histogram("www", histogram).splitlines()


def test_bars_of_neighboring_bins_begin_with_a_line() -> None:
    """Given two bins side by side, then the second begins with |."""
    histogram = new_histogram()
    add_encoded(histogram, encode_counts(count_values([1, 2])))

    assert ["1     1   1      0.5000  :" + "#" * 50, "2     2   1      0.5000  |" + "#" * 50] == (
        render_histogram("www", histogram).splitlines()[3:]
    )


def test_json_has_distributions_if_asked() -> None:
    """Given a report with histograms, then sources, edges and tiers have their bins in JSON; else none."""
    plain, full = to_json(report()), to_json(report(), histograms=True)
    names = ("response", "service", "network")

    assert [{"fromMicroseconds": 1_000, "toMicroseconds": 1_199, "count": 99}] == (
        full["edges"][1]["distributions"]["response"]
    )
    assert [names, names, ("response",)] == [
        tuple(row["distributions"]) for row in (full["sources"], full["edges"][0], full["tiers"][0])
    ]
    assert not any("distributions" in row for row in (plain["sources"], *plain["edges"], *plain["tiers"]))
