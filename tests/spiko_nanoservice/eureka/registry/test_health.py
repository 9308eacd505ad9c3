"""The summary that a eureka sends to the operator."""

from __future__ import annotations

from typing import Any

from spiko_nanoservice.contract import decode
from spiko_nanoservice.contract.control_messages import MOST_EDGES, Health
from spiko_nanoservice.eureka.registry.health import WINDOW, HealthSummary
from spiko_nanoservice.messages import Message


def report(callee: str = "db", ok: int = 0, **errors: int) -> dict[str, Any]:
    """Return the report of one edge for one second."""
    return {"edges": [{"to": [callee, "1.0.0", "r", "a"], "ok": ok, "miss": 0, "errors": errors}]}


def seconds(summary: HealthSummary, count: int, *reports: tuple[str, bool, dict[str, Any]]) -> list[Message]:
    """Close seconds with the same reports and return the messages."""
    found = []
    for _ in range(count):
        for session, (tier, source, given) in enumerate(reports):
            summary.add(session, tier, "1.0.0", source, given)
        if message := summary.close_second():
            found.append(message)
    return found


def test_only_the_requests_of_sources_count() -> None:
    """Given a source and a tier below it, then requests and errors are the source's, the edges both's."""
    summary = HealthSummary()
    (message,) = seconds(
        summary, 1, ("www", True, report("lb", 90, reset=10)), ("lb", False, report("db", 50, refused=7))
    )

    assert (message["requests"], message["errors"]) == (100, 10)
    assert message["edges"] == [
        ["www", "1.0.0", "lb", "1.0.0", 10, "reset"],
        ["lb", "1.0.0", "db", "1.0.0", 7, "refused"],
    ]


def test_the_window_has_ten_seconds_and_steady_traffic_makes_no_message() -> None:
    """Given steady traffic, then the summary grows for ten seconds and is silent afterwards, also with small
    variations; a silence empties it, with one last message.
    """
    summary = HealthSummary()
    grown = seconds(summary, 10, ("www", True, report(ok=1_000)))
    silent = [m for ok in (1_003, 997, 1_000) * 5 for m in seconds(summary, 1, ("www", True, report(ok=ok)))]
    emptied = seconds(summary, 2 * WINDOW)

    assert [m["requests"] for m in grown] == list(range(1_000, 11_000, 1_000))
    assert silent == []
    assert [m["requests"] for m in emptied] == list(range(9_000, -1_000, -1_000))


def test_pods_that_fail_to_export_are_counted_while_they_are_registered() -> None:
    """Given pods that export and pods that fail, then the summary has both counts and the most frequent
    failure; a pod that has left, or reported about another endpoint than the active one, is not counted.
    """
    summary = HealthSummary()
    for session, failure in enumerate(["", "refused", "refused", "timeout"]):
        summary.add(session, "db", "1.0.0", False, {"exporting": ["http://c", failure]})
    first = summary.close_second("http://c")
    summary.add(1, "db", "1.0.0", False, report(ok=5))
    assert summary.close_second("http://c") is None
    summary.forget(1)
    summary.add(2, "db", "1.0.0", False, {"exporting": ["http://other", "refused"]})
    second = summary.close_second("http://c")
    third = summary.close_second("http://other")

    found = [(m["exporting"], m["failing"], m["failure"]) for m in (first, second, third) if m]
    assert found == [(4, 3, "refused"), (2, 1, "timeout"), (1, 1, "refused")]


def test_the_summary_is_small_whatever_pods_report() -> None:
    """Given 10,000 failing edges with long names and reasons, then the message has the eight worst."""
    summary = HealthSummary()
    for n in range(10_000):
        summary.add(1, "x" * 1_000, "1.0.0", True, report(f"{n}" + "y" * 1_000, **{"z" * 1_000: n + 1}))
    summary.add(1, "www", "1.0.0", True, {"exporting": ["u" * 999, "e" * 10_000]})
    message = summary.close_second()

    assert message is not None
    assert len(decode(Health, message).edges) == MOST_EDGES
    assert len(repr(message)) < 4_000
    assert message["requests"] == message["errors"] == 50_000_000
