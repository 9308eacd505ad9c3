"""The status of the Fault of a kill: conditions, summary, events."""

from __future__ import annotations

from typing import Any

import pytest

from spiko_operator.api.fault import Victim
from spiko_operator.plan.actions import Emit, SetStatus
from spiko_operator.plan.faults.fault_status import write_status
from spiko_operator.plan.faults.kill_status import conclude, planned, progress, summarize, update_of
from spiko_operator.plan.faults.victims import Chosen
from tests.support.kills import NOW, kill_of, spec

Object = dict[str, Any]


def victim(number: int, state: Any = "Killed", **more: Any) -> Victim:
    """Return a victim with evidence."""
    evidence = (
        {
            "noticed_milliseconds": 10 * number,
            "replaced_milliseconds": 200,
            "failed_requests": 1,
            "callers": 2,
        }
        if state == "Killed"
        else {}
    )
    fields = {
        "pod": f"p{number}",
        "uid": f"u{number}",
        "tier": "web",
        "version": "1.0.0",
        "place": "r/a",
        "state": state,
    }
    return Victim.model_validate(fields | evidence | more)


SUMMARIES = [
    (
        [victim(2)],
        "p2: killed, noticed after 20 ms, replaced after 200 ms, 1 failed request",
        "True",
        "Killed",
    ),
    (
        [victim(1), victim(2)],
        "2 of 2 killed, noticed within 20 ms, replaced within 200 ms, 2 failed requests",
        "True",
        "Killed",
    ),
    (
        [victim(1), victim(2), victim(3), victim(4, "Refused")],
        (
            "3 of 4 killed, 1 refused by a disruption budget, noticed within 30 ms, "
            "replaced within 200 ms, 3 failed requests"
        ),
        "True",
        "KilledSome",
    ),
    (
        [victim(1, noticed_milliseconds=None), victim(2, replaced_milliseconds=None)],
        "2 of 2 killed, noticed 1 of 2 so far, replaced 1 of 2 so far, 2 failed requests",
        "True",
        "Killed",
    ),
    (
        [victim(1, callers=0)],
        "p1: killed, no callers, replaced after 200 ms, 1 failed request",
        "True",
        "Killed",
    ),
    (
        [victim(1, "Unreachable"), victim(2, "Gone")],
        "0 of 2 killed, 1 already gone, 1 unreachable",
        "False",
        "Unreachable",
    ),
    (
        [victim(1, "Unreachable", message="why")],
        "p1: not connected to any eureka (why)",
        "False",
        "Unreachable",
    ),
    (
        [victim(1, "Refused", refused_by="b")],
        "p1: eviction refused by disruption budget b",
        "False",
        "Refused",
    ),
    ([victim(1, "Expired")], "p1: not killed within startingDeadlineSeconds", "False", "Expired"),
]


@pytest.mark.parametrize(
    ("victims", "summary", "status", "reason"), SUMMARIES, ids=[row[1][:30] for row in SUMMARIES]
)
def test_summary_of_a_kill(victims: list[Victim], summary: str, status: str, reason: str) -> None:
    """Given victims, then the summary and the condition Injected report the outcome, also a partial one."""
    injected, ended = conclude(victims, complete=True, lost=False)

    assert summary == summarize(victims) == ended.message
    assert (status, reason) == (injected.status, injected.reason)
    assert ended.reason == ("EvidenceComplete" if status == "True" else reason)


def test_ended_only_when_no_victim_is_planned() -> None:
    """Given planned victims, then Injected is true from the first kill on, a refusal alone changes nothing,
    and lost evidence is reported.
    """
    left = victim(9, "Planned")

    assert [] == progress([left, left]) == progress([victim(1, "Gone"), left])
    assert [("True", "KilledSome")] == [(o.status, o.reason) for o in progress([victim(1), left])]
    assert conclude([victim(1)], complete=False, lost=True)[-1].reason == "EvidenceLost"
    assert conclude([victim(1)], complete=False, lost=False)[-1].reason == "EvidencePartial"


def test_status_size_is_bounded() -> None:
    """Given 32 victims with long names and complete evidence, then the status is smaller than 32 kB and the
    summary stays one line.
    """
    long = [
        victim(i, pod=f"{'p' * 60}{i}", uid="u" * 36 + str(i), replica_set="r" * 60, replaced_by="p" * 60)
        for i in range(32)
    ]
    fault = {"metadata": {"generation": 1}, "spec": {"kill": {}}}
    web = spec(tier="web")
    update = update_of(kill_of(web), planned(web, kill_of(web), Chosen(tuple(long), 99), long), long)
    status, *events = write_status(fault, update, None, NOW)

    assert isinstance(status, SetStatus)
    assert len(str(status.status)) < 32_768
    assert len(status.status["summary"]) <= 256
    assert len(events) == 33


def test_each_victim_has_one_event() -> None:
    """Given a changed state, then there is one event: Killed with method, tier and place, or a warning with
    the reason.
    """
    victims = [victim(1), victim(2, "Refused", refused_by="shop-web"), victim(3, "Planned")]
    fault = {"metadata": {"generation": 1}, "spec": {"kill": {"method": "Evict"}}}

    def write(before: list[Victim]) -> list[Any]:
        update = update_of(kill_of(spec(tier="web")), progress(victims), victims, before)
        return write_status(fault, update, None, NOW)[1:]

    first, second = write([]), write([victim(1)])

    assert first == [
        Emit("Normal", "Killed", "Evict of pod p1 (web 1.0.0, r/a)", "Kill"),
        Emit("Warning", "Refused", "p2: eviction refused by disruption budget shop-web", "Kill"),
    ]
    assert second == first[1:]


def test_a_dry_run_ends_with_its_plan() -> None:
    """Given mode DryRun, then the conditions name victims, method and budgets that would refuse, and Injected
    is false.
    """
    victims = [victim(1, "Planned"), victim(2, "Planned", refused_by="shop-web")]
    fault = {"metadata": {"generation": 1}, "spec": {"kill": {}}}
    web = spec(mode="DryRun", tier="web")
    observed = planned(web, kill_of(web), Chosen(tuple(victims), 9), victims)
    status = write_status(fault, update_of(kill_of(web), observed, victims, dry_run=True), None, NOW)[0]

    assert [("Accepted", "True"), ("Injected", "False"), ("Ended", "True")] == [
        (o.type, o.status) for o in observed
    ]
    assert isinstance(status, SetStatus)
    reachable = [victim(1, "Planned", process=7), victims[1]]
    crash_spec = spec(mode="DryRun", tier="web", method="Crash")
    crash = planned(crash_spec, kill_of(crash_spec), Chosen(tuple(reachable), 9), reachable)
    assert crash[-1].message.endswith("; 1 unreachable: not connected to any eureka")
    assert (
        status.status["summary"]
        == "dry run: Evict of 2 of 9 ready pods: p1, p2; a disruption budget would refuse 1 at first"
    )
