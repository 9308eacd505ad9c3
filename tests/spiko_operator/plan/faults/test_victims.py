"""The pods that a kill selects, and the status of its Fault."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from spiko_operator.api.fault import MOST_VICTIMS, FaultSpec, Kill, Victim
from spiko_operator.plan.actions import Emit, SetStatus
from spiko_operator.plan.faults.fault_status import StatusUpdate, retry_s, seconds_left, seed_of, write_status
from spiko_operator.plan.faults.kill_status import conclude, planned, progress, summarize, update_of
from spiko_operator.plan.faults.victims import Chosen, NoVictim, choose_victims, refusing_budgets

Object = dict[str, Any]
NOW = "2026-01-01T00:00:10Z"


def pod(
    name: str, tier: str = "web", version: str = "1.0.0", zone: str = "a", ready: bool = True, **more: Any
) -> Object:
    """Return a pod of an architecture; zone `-` is no zone."""
    place = {} if zone == "-" else {"spiko.dev/region": "r", "spiko.dev/zone": zone}
    return {
        "metadata": {
            "name": name,
            "uid": f"u-{name}",
            "labels": {"spiko.dev/tier": tier, "spiko.dev/version": version, **place},
            "ownerReferences": [{"kind": "ReplicaSet", "name": f"rs-{zone}"}],
            **more,
        },
        "status": {
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"restartCount": 2}],
        },
    }


PODS = [
    *(pod(f"web-{i}", zone="abc"[i % 3]) for i in range(9)),
    pod("web-new", version="1.1.0"),
    pod("web-sick", ready=False),
    pod("web-leaving", deletionTimestamp=NOW),
    pod("lb-0", tier="lb", zone="-"),
    pod("db-sick", tier="db", ready=False),
    pod("eureka-0", tier="eureka"),
]


def spec(seed: int = 1, mode: str = "Enforce", **kill: Any) -> FaultSpec:
    """Return the spec of a Fault."""
    return FaultSpec.model_validate({"architecture": "shop", "seed": seed, "mode": mode, "kill": kill})


def choose(seed: int = 1, pods: list[Object] = PODS, **kill: Any) -> Chosen | NoVictim:
    """Select victims as the operator does."""
    return choose_victims(kill_of(spec(seed, **kill)), "shop", pods, Random(seed).randrange)


def kill_of(fault: FaultSpec) -> Kill:
    """Return the kill of a Fault."""
    assert fault.kill is not None
    return fault.kill


HOW_MANY = [
    ("one without count and percent", {"tier": "web"}, 1),
    ("a count", {"tier": "web", "count": 3}, 3),
    ("all of them", {"tier": "web", "count": 10}, 10),
    ("more than exist", {"tier": "web", "count": 11}, 10),
    ("half", {"tier": "web", "percent": 50}, 5),
    ("rounded down", {"tier": "web", "percent": 39}, 3),
    ("at least one", {"tier": "web", "percent": 1}, 1),
    ("all of a zone", {"tier": "web", "zone": "b", "percent": 100}, 3),
    ("of a version", {"tier": "web", "version": "1.1.0", "percent": 100}, 1),
    ("of a region", {"tier": "web", "region": "r", "percent": 100}, 10),
    ("of a version in a zone", {"tier": "web", "version": "1.0.0", "zone": "a", "count": 9}, 3),
    ("a pod that is not ready, by name", {"pod": "web-sick"}, 1),
]


@pytest.mark.parametrize(("kill", "number"), [row[1:] for row in HOW_MANY], ids=[row[0] for row in HOW_MANY])
def test_number_of_victims(kill: Object, number: int) -> None:
    """Given count or percent and a scope, then so many ready pods in scope are selected once each, with their
    state before the kill.
    """
    chosen = choose(**kill)

    assert isinstance(chosen, Chosen)
    assert number == len({victim.uid for victim in chosen.victims}) == len(chosen.victims)
    for victim in chosen.victims:
        assert kill.get("pod", victim.pod) == victim.pod != "web-leaving"
        assert kill.get("version", victim.version) == victim.version
        assert victim.place.endswith(kill.get("zone", ""))
        assert (victim.state, victim.restarts) == ("Planned", 2)
        assert victim.pod != "web-sick" or "pod" in kill
    assert bool(chosen.note) == (kill.get("count", 0) > number)
    if chosen.note:
        assert chosen.note.startswith(f"spec.kill.count: {kill['count']}, but only {number} pods are ready")


NO_VICTIM = [
    (
        {"tier": "x"},
        "TierNotFound",
        "spec.kill.tier: 'x' has no pods; tiers with pods are: db, eureka, lb, web",
    ),
    ({"tier": "db"}, "NoReadyPod", "no pod of 'db' is ready (1 pod)"),
    (
        {"tier": "web", "version": "2.0.0"},
        "VersionNotFound",
        "spec.kill.version: '2.0.0' matches no pod of 'web'; existing values: 1.0.0, 1.1.0",
    ),
    (
        {"tier": "web", "region": "s"},
        "RegionNotFound",
        "spec.kill.region: 's' matches no pod of 'web'; existing values: r",
    ),
    ({"tier": "web", "zone": "z"}, "ZoneNotFound", "'z' matches no pod of 'web'; existing values: a, b, c"),
    (
        {"tier": "web", "version": "1.1.0", "zone": "b"},
        "ZoneNotFound",
        "'b' matches no pod of 'web'; existing values: a",
    ),
    ({"tier": "lb", "zone": "a"}, "ZoneNotFound", "'a' matches no pod of 'lb'; existing values: none"),
    ({"pod": "web-x"}, "PodNotFound", "spec.kill.pod: pod 'web-x' does not belong to architecture 'shop'"),
    (
        {"pod": "eureka-0", "method": "Crash"},
        "EurekaCannotCrash",
        "Use method: Delete with gracePeriodSeconds: 0",
    ),
]


@pytest.mark.parametrize(
    ("kill", "reason", "text"), NO_VICTIM, ids=[row[1] + str(i) for i, row in enumerate(NO_VICTIM)]
)
def test_no_victim_reports_the_offending_field(kill: Object, reason: str, text: str) -> None:
    """Given a field that matches no pod, then there is a reason, and the message has the field, the value and
    the existing values.
    """
    chosen = choose(**kill)

    assert isinstance(chosen, NoVictim)
    assert reason == chosen.reason
    assert text in chosen.message


def test_more_than_32_victims_are_refused() -> None:
    """Given 33 of 66 pods, then the kill is refused; given 32 of 65 pods, it is not."""
    pods = [pod(f"web-{i:03}") for i in range(66)]
    refused, taken = choose(pods=pods, tier="web", percent=50), choose(pods=pods[:65], tier="web", percent=50)

    assert isinstance(refused, NoVictim)
    assert refused.reason == "TooManyVictims"
    assert f"50 selects 33 of 66 ready pods; a Fault is limited to {MOST_VICTIMS}" in refused.message
    assert isinstance(taken, Chosen)
    assert len(taken.victims) == MOST_VICTIMS


def test_seed_determines_victims_in_any_order_of_pods() -> None:
    """Given the same seed and pods, then the victims are the same in the same order; a larger count adds
    victims, and over many seeds every pod is drawn.
    """

    def drawn(seed: int, count: int, pods: list[Object]) -> list[str]:
        chosen = choose(seed, pods, tier="web", count=count)
        assert isinstance(chosen, Chosen)
        return [victim.pod for victim in chosen.victims]

    assert drawn(7, 4, PODS) == drawn(7, 4, PODS[::-1])
    assert drawn(7, 2, PODS) == drawn(7, 4, PODS)[:2]
    assert len({tuple(drawn(seed, 3, PODS)) for seed in range(20)}) > 15
    first = {drawn(seed, 1, PODS)[0] for seed in range(200)}
    assert first == {f"web-{i}" for i in range(9)} | {"web-new"}


def budget(tier: str, allowed: int | None) -> Object:
    """Return a disruption budget; None for one without a status."""
    status = {} if allowed is None else {"disruptionsAllowed": allowed}
    return {"metadata": {"name": f"shop-{tier}", "labels": {"spiko.dev/tier": tier}}, "status": status}


@pytest.mark.parametrize(("allowed", "refused"), [(0, 3), (1, 2), (3, 0), (9, 0), (None, 0)])
def test_dry_run_reports_evictions_that_a_budget_would_refuse(allowed: int | None, refused: int) -> None:
    """Given a budget, then as many victims as it allows are not refused, and the others are."""
    chosen = choose(tier="web", count=3)
    assert isinstance(chosen, Chosen)
    found = refusing_budgets(chosen.victims, [budget("db", 0), budget("web", allowed)])

    assert found == {victim.uid: "shop-web" for victim in chosen.victims[3 - refused :]}


# -------------------------------------------------------------------- status


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


READY: Object = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
NOT_READY: Object = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}


def test_deadline_counts_from_the_first_ready() -> None:
    """Given 30 s, then a recorded start counts, a restart does not extend it, and it has not begun while not
    Ready.
    """
    recorded = {"status": {"startedAt": "2026-01-01T00:00:03Z"}}
    web = spec(tier="web")

    assert seconds_left(recorded, READY, web, NOW) == seconds_left(recorded, NOT_READY, web, NOW) == 23
    assert seconds_left({}, NOT_READY, web, NOW) == seconds_left({}, READY, web, NOW) == 30


def test_deadline_without_an_architecture_counts_from_the_condition() -> None:
    """Given a Fault that names no existing Architecture, then it ends after the deadline."""
    condition = {"type": "Accepted", "status": "False", "lastTransitionTime": "2026-01-01T00:00:03Z"}

    assert seconds_left({"status": {"conditions": [condition]}}, None, spec(tier="web"), NOW) == 23


def test_the_start_of_the_deadline_is_written_once() -> None:
    """Given a recorded start, when the status is written again, then it stays."""
    fault = {"metadata": {"generation": 1}, "spec": {"kill": {}}}
    status = write_status(fault, StatusUpdate(), NOW, NOW)[0]

    assert isinstance(status, SetStatus)
    assert status.status["startedAt"] == NOW


def test_lookups_become_less_frequent() -> None:
    """Given a Fault without targets, then the next lookup follows after a quarter of its age, from 1 s to 30
    s.
    """

    def since(time: str) -> Object:
        return {
            "status": {"conditions": [{"type": "Accepted", "status": "True", "lastTransitionTime": time}]}
        }

    assert [1.0, 2.5, 30.0] == [
        retry_s(since(t), NOW)
        for t in ("2026-01-01T00:00:09Z", "2026-01-01T00:00:00Z", "2025-01-01T00:00:00Z")
    ]


def test_the_seed_derives_from_the_uid_if_it_is_left_out() -> None:
    """Given no seed, then the same Fault has the same seed in every pass, and another Fault another one."""
    without = FaultSpec.model_validate({"architecture": "shop", "kill": {"tier": "web"}})
    one, other = ({"metadata": {"uid": uid}} for uid in ("5b1c", "5b1d"))

    assert seed_of(one, without) == seed_of(one, without) != seed_of(other, without)
    assert seed_of(one, spec(seed=0, tier="web")) == 0
