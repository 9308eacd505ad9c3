"""Verdicts on requests and exports, in virtual time."""

from __future__ import annotations

import itertools
from random import Random
from typing import Any

import pytest

from spiko_nanoservice.eureka.registry.health import HealthSummary
from spiko_operator.plan.health import (
    HOLD_S,
    LEAST_S,
    FailingEdge,
    HealthMonitor,
    HealthReport,
    Verdict,
    read_health,
    worst_edge,
)

COLLECTOR = "http://otel:4318"


def traffic(errors: int, requests: int = 1_000) -> HealthReport:
    """Return a summary with failures on a path of two edges; the second one causes them."""
    edges = (FailingEdge("www", "lb", errors, "injected"), FailingEdge("lb", "db", errors, "injected"))
    return HealthReport(requests, errors, edges if errors else ())


def exports(failing: int, pods: int = 9) -> HealthReport:
    """Return a summary with pods that fail to export."""
    return HealthReport(
        endpoint=COLLECTOR, exporting=pods, failing=failing, failure="refused" if failing else ""
    )


def run(monitor: HealthMonitor, report: HealthReport, begin_s: int, end_s: int) -> list[int]:
    """Give the monitor one summary each second; return when a verdict changed."""
    return [now for now in range(begin_s, end_s) if monitor.update([report], float(now))]


def test_a_verdict_must_last_and_comes_back() -> None:
    """Given traffic that fails from second 20 to 60, then Serving is False 3 s later with the worst edge, and
    True again 3 s after the errors have left the window.
    """
    monitor = HealthMonitor()

    assert run(monitor, traffic(0), 0, 20) == [HOLD_S]
    assert run(monitor, traffic(1_000), 20, 60) == [20 + HOLD_S]
    assert monitor.verdicts.serving == Verdict(False, "lb -> db (injected)")
    assert run(monitor, traffic(0), 60, 100) == [60 + HOLD_S]
    assert monitor.verdicts.serving == Verdict(True)


def test_thresholds_have_hysteresis() -> None:
    """Given 5 % of errors, then Serving stays True; with more it is False until at most 1 % fail."""
    monitor = HealthMonitor()
    run(monitor, traffic(50), 0, 20)
    assert monitor.verdicts.serving == Verdict(True)
    run(monitor, traffic(51), 20, 40)
    assert not (monitor.verdicts.serving or Verdict(True)).holds
    assert run(monitor, traffic(11), 40, 60) == []
    assert run(monitor, traffic(10), 60, 80) == [60 + HOLD_S]


def test_without_requests_the_verdict_stays() -> None:
    """Given no requests, then the verdict stays absent, or as it was."""
    monitor = HealthMonitor()
    assert run(monitor, HealthReport(), 0, 60) == []
    assert monitor.verdicts.serving is None
    run(monitor, traffic(1_000), 60, 80)
    assert run(monitor, HealthReport(), 80, 200) == []
    assert monitor.verdicts.serving == Verdict(False, "lb -> db (injected)")


@pytest.mark.parametrize("seed", range(20))
def test_a_verdict_changes_at_most_once_in_ten_seconds(seed: int) -> None:
    """Given evidence that changes at random each second, then changes of a verdict are 10 s apart."""
    random, monitor, changes = Random(seed), HealthMonitor(), list[tuple[float, bool]]()
    for now in range(1_000):
        report = traffic(random.choice((0, 0, 0, 1_000)) if now % 40 < 20 else random.choice((0, 1_000)))
        if monitor.update([report], float(now)) and monitor.verdicts.serving:
            changes.append((now, monitor.verdicts.serving.holds))
    for now in range(1_000, 2_000):
        if monitor.update([traffic(1_000 * (now // 4 % 2))], float(now)) and monitor.verdicts.serving:
            changes.append((now, monitor.verdicts.serving.holds))

    assert len(changes) > 3
    assert all(b[0] - a[0] >= LEAST_S for a, b in itertools.pairwise(changes))
    assert all(a[1] != b[1] for a, b in itertools.pairwise(changes))


def test_a_verdict_that_waits_says_when_it_is_due() -> None:
    """Given eurekas that send changes only, then the monitor says when to look again."""
    monitor = HealthMonitor()
    assert not monitor.update([traffic(0)], 0.0)
    assert monitor.due == HOLD_S
    assert monitor.update([traffic(0)], HOLD_S)
    assert monitor.due is None
    assert not monitor.update([traffic(1_000)], 4.0)
    assert monitor.due == HOLD_S + LEAST_S
    assert not monitor.update([traffic(0)], 5.0)
    assert monitor.due is None


def test_exports_are_judged_over_all_eurekas() -> None:
    """Given pods of two eurekas, then one that fails makes Exporting False with counts and failure; reports
    about another endpoint say nothing.
    """
    monitor = HealthMonitor()
    monitor.configure(COLLECTOR)
    other = HealthReport(endpoint="http://old", exporting=5, failing=5, failure="x")
    for now in range(20):
        monitor.update([exports(0), exports(1), other], float(now))
    assert monitor.verdicts.exporting == Verdict(False, "1 of 18 pods: refused", COLLECTOR)

    for now in range(20, 40):
        monitor.update([exports(0), exports(0), other], float(now))
    assert monitor.verdicts.exporting == Verdict(True, subject=COLLECTOR)

    monitor.configure("http://new")
    assert monitor.verdicts.exporting is None
    assert run(monitor, exports(9), 40, 60) == []


def test_the_worst_edge_is_the_one_that_its_callee_has_not_passed_on() -> None:
    """Given errors that travel up a path, then the deepest edge is named; a tier that fails by itself is
    named although it has failing edges below it.
    """
    path = (
        FailingEdge("www 1.0.0", "lb 1.0.0", 100, "injected"),
        FailingEdge("lb 1.0.0", "web 1.0.0", 100, "injected"),
        FailingEdge("web 1.0.0", "db 1.0.0", 5, "refused"),
    )

    assert worst_edge([HealthReport(edges=path)]) == "lb 1.0.0 -> web 1.0.0 (injected)"
    assert worst_edge([HealthReport(edges=path[:1]), HealthReport(edges=path[1:])]).startswith(
        "lb 1.0.0 -> web"
    )
    assert worst_edge([HealthReport(edges=(FailingEdge("db", "db", 3, "reset"),))]) == "db -> db (reset)"
    assert worst_edge([HealthReport()]) == ""


def message(**changes: Any) -> dict[str, Any]:
    """Return a valid summary with changes."""
    summary = HealthSummary()
    edge = {"to": ["db", "1.0.0", "r", "a"], "ok": 5, "miss": 1, "errors": {"reset": 4}}
    summary.add(1, "www", "1.0.0", True, {"edges": [edge], "exporting": [COLLECTOR, "refused"]})
    return (summary.close_second(COLLECTOR) or {}) | changes


def test_a_summary_of_a_eureka_can_be_read() -> None:
    """Given a summary as a eureka makes it, then the operator reads the same values."""
    edge = FailingEdge("www 1.0.0", "db 1.0.0", 4, "reset")

    assert read_health(message()) == HealthReport(10, 4, (edge,), COLLECTOR, 1, 1, "refused")


@pytest.mark.parametrize(
    "changes",
    [
        {"requests": -1},
        {"requests": 10**13},
        {"errors": float("inf")},
        {"errors": True},
        {"edges": {}},
        {"edges": [["a", "1", "b", "1", 1, "x"]] * 9},
        {"edges": [["a", "1", "b", "1", 1]]},
        {"edges": [[["a"], "1", "b", "1", 1, "x"]]},
        {"edges": [7]},
        {"failing": "3"},
    ],
)
def test_a_summary_that_violates_the_contract_is_refused(changes: dict[str, Any]) -> None:
    """Given a value out of range or of another type, then reading raises an expected error."""
    with pytest.raises((KeyError, TypeError, ValueError)):
        read_health(message(**changes))


def test_foreign_text_is_bounded_and_printable() -> None:
    """Given a failure or a reason with line ends and without bound, then they are cut and escaped; an edge
    whose name cannot be one is left out.
    """
    edges = [[name, "1", "b", "1", 1, "r\n" * 99] for name in ("a\nforged", "a" * 65, "", "a")]
    found = read_health(message(failure="a\nb" + "x" * 9_999, edges=edges))

    assert [edge.caller for edge in found.edges] == ["a 1"]
    assert found.failure.isprintable()
    assert found.edges[0].reason.isprintable()
    assert len(found.failure) < 1_000
