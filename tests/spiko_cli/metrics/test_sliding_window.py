"""Sliding windows over the reports of several eurekas."""

from __future__ import annotations

from typing import Any

from spiko_cli.metrics.sliding_window import SlidingWindow
from spiko_cli.metrics.tables import render_rows
from spiko_nanoservice.telemetry.latencies import count_values, encode_counts


def second(ok: int, values: list[int], **errors: int) -> dict[str, Any]:
    """Return one eureka's report of one edge."""
    edge = {
        "from": ["lb", "1.0.0", "r", "*"],
        "to": ["web", "1.1.0", "r", "ra"],
        "ok": ok,
        "miss": 1,
        "errors": errors,
        "response": encode_counts(count_values(values)),
    }
    return {"t": "second", "eureka": "e", "edges": [edge], "served": []}


def test_counts_add_up_and_old_reports_are_dropped() -> None:
    """Given reports of 25 s, then a window of 10 s adds up the last ones and merges their histograms."""
    window = SlidingWindow(10, zones=False)
    window.add(second(100, [9_000_000]), now=0.0)
    window.add(second(4, [1000] * 90), now=20.0)
    window.add(second(4, [5000] * 10, refused=1), now=21.0)
    (row,), _ = window.rows(25.0)

    assert "lb -> web@1.1.0" == row.name
    assert (8, 2, {"refused": 1}, 1.1) == (row.ok, row.miss, row.errors, row.rate)
    assert row.response_us is not None
    assert (1000, 5000) == (row.response_us[0] // 100 * 100, row.response_us[2] // 100 * 100)


def test_the_table_shows_errors_by_cause() -> None:
    """Given failed requests, then the edge's line ends with their causes."""
    window = SlidingWindow(10, zones=True)
    window.add(second(1, [1000], refused=2), now=0.0)

    assert "refused=2" in render_rows(*window.rows(1.0))
    assert "lb -> web@1.1.0/ra" in render_rows(*window.rows(1.0))


def test_zones_of_the_same_name_in_two_regions_are_distinct() -> None:
    """Given zones whose names lack their region, then the region is added."""
    window = SlidingWindow(10, zones=True)
    for region in ("east", "west"):
        added = second(1, [1000])
        added["edges"][0]["to"] = ["web", "1.0.0", region, "a"]
        window.add(added, now=0.0)

    assert ["lb -> web/east/a", "lb -> web/west/a"] == [row.name for row in window.rows(1.0)[0]]
