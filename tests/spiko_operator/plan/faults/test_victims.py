"""Which pods a kill selects, and what the status of its Fault reports."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from spiko_operator.api.fault import MOST_VICTIMS, FaultSpec, Kill, Victim
from spiko_operator.plan.actions import Emit, SetStatus
from spiko_operator.plan.faults.fault_status import (
    Progress,
    StatusUpdate,
    progress_of,
    retry_s,
    seconds_left,
    seed_of,
    write_status,
)
from spiko_operator.plan.faults.kill_status import conclude, planned, progress, summarize, update_of
from spiko_operator.plan.faults.victims import Chosen, NoVictim, choose_victims, refusing_budgets

Object = dict[str, Any]
NOW = "2026-01-01T00:00:10Z"


def pod(
    name: str, tier: str = "web", version: str = "1.0.0", zone: str = "a", ready: bool = True, **more: Any
) -> Object:
    """A pod of an architecture; zone `-` is none."""
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
    """A Fault's."""
    return FaultSpec.model_validate({"architecture": "shop", "seed": seed, "mode": mode, "kill": kill})


def choose(seed: int = 1, pods: list[Object] = PODS, **kill: Any) -> Chosen | NoVictim:
    """As the operator does."""
    return choose_victims(kill_of(spec(seed, **kill)), "shop", pods, Random(seed).randrange)


def kill_of(fault: FaultSpec) -> Kill:
    """The kill of a Fault that has one."""
    assert fault.kill is not None
    return fault.kill


HOW_MANY = [
    ("one, if nothing is said", {"tier": "web"}, 1),
    ("a count", {"tier": "web", "count": 3}, 3),
    ("all of them", {"tier": "web", "count": 10}, 10),
    ("more than there are: all", {"tier": "web", "count": 11}, 10),
    ("half", {"tier": "web", "percent": 50}, 5),
    ("rounded down", {"tier": "web", "percent": 39}, 3),
    ("but at least one", {"tier": "web", "percent": 1}, 1),
    ("everybody in a zone", {"tier": "web", "zone": "b", "percent": 100}, 3),
    ("of a version", {"tier": "web", "version": "1.1.0", "percent": 100}, 1),
    ("of a region", {"tier": "web", "region": "r", "percent": 100}, 10),
    ("of a version in a zone", {"tier": "web", "version": "1.0.0", "zone": "a", "count": 9}, 3),
    ("a pod that is not ready, by name", {"pod": "web-sick"}, 1),
]


@pytest.mark.parametrize(("kill", "number"), [row[1:] for row in HOW_MANY], ids=[row[0] for row in HOW_MANY])
def test_so_many_are_taken(kill: Object, number: int) -> None:
    """Each once, none that is not ready or leaves already, all in scope; what was seen of them before is written down."""
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


NOBODY = [
    ({"tier": "x"}, "TierNotFound", "spec.kill.tier: 'x' has no pods; tiers with pods are: db, eureka, lb, web"),
    ({"tier": "db"}, "NoReadyPod", "none of the 1 pods of 'db' is ready"),
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
    ({"pod": "eureka-0", "method": "Crash"}, "EurekaCannotCrash", "Use method: Delete with gracePeriodSeconds: 0"),
]


@pytest.mark.parametrize(("kill", "reason", "text"), NOBODY, ids=[row[1] + str(i) for i, row in enumerate(NOBODY)])
def test_nobody_is_taken_and_the_field_is_named(kill: Object, reason: str, text: str) -> None:
    """A clear reason, the field, the value and what there is instead."""
    chosen = choose(**kill)

    assert isinstance(chosen, NoVictim)
    assert reason == chosen.reason
    assert text in chosen.message


def test_more_than_a_status_can_hold_are_refused() -> None:
    """33 of 66 are one too many; 32 of 65 are taken."""
    pods = [pod(f"web-{i:03}") for i in range(66)]
    refused, taken = choose(pods=pods, tier="web", percent=50), choose(pods=pods[:65], tier="web", percent=50)

    assert isinstance(refused, NoVictim)
    assert refused.reason == "TooManyVictims"
    assert f"50 selects 33 of 66 ready pods; a Fault is limited to {MOST_VICTIMS}" in refused.message
    assert isinstance(taken, Chosen)
    assert len(taken.victims) == MOST_VICTIMS


def test_the_seed_draws_and_the_order_of_the_list_does_not_matter() -> None:
    """Same seed and pods, same victims in the same order; a larger count adds to a smaller one; seeds differ; over many, everybody is drawn."""

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
    """A disruption budget; None is one whose status is not known."""
    status = {} if allowed is None else {"disruptionsAllowed": allowed}
    return {"metadata": {"name": f"shop-{tier}", "labels": {"spiko.dev/tier": tier}}, "status": status}


@pytest.mark.parametrize(("allowed", "refused"), [(0, 3), (1, 2), (3, 0), (9, 0), (None, 0)])
def test_a_dry_run_knows_which_evictions_a_budget_would_refuse(allowed: int | None, refused: int) -> None:
    """As many as it allows go, the others wait for replacements."""
    chosen = choose(tier="web", count=3)
    assert isinstance(chosen, Chosen)
    found = refusing_budgets(chosen.victims, [budget("db", 0), budget("web", allowed)])

    assert found == {victim.uid: "shop-web" for victim in chosen.victims[3 - refused :]}


# -------------------------------------------------------------------- what is said


def victim(number: int, state: Any = "Killed", **more: Any) -> Victim:
    """A victim with evidence."""
    evidence = (
        {"noticed_milliseconds": 10 * number, "replaced_milliseconds": 200, "failed_requests": 1, "callers": 2}
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


SAID = [
    ([victim(2)], "p2: killed, noticed after 20 ms, replaced after 200 ms, 1 failed requests", "True", "Killed"),
    (
        [victim(1), victim(2)],
        "2 of 2 killed, noticed within 20 ms, replaced within 200 ms, 2 failed requests",
        "True",
        "Killed",
    ),
    (
        [victim(1), victim(2), victim(3), victim(4, "Refused")],
        "3 of 4 killed, 1 refused by a disruption budget, noticed within 30 ms, replaced within 200 ms, 3 failed requests",
        "True",
        "KilledSome",
    ),
    (
        [victim(1, noticed_milliseconds=None), victim(2, replaced_milliseconds=None)],
        "2 of 2 killed, noticed 1 of 2 so far, replaced 1 of 2 so far, 2 failed requests",
        "True",
        "Killed",
    ),
    ([victim(1, callers=0)], "p1: killed, no callers, replaced after 200 ms, 1 failed requests", "True", "Killed"),
    (
        [victim(1, "Unreachable"), victim(2, "Gone")],
        "0 of 2 killed, 1 already gone, 1 unreachable",
        "False",
        "Unreachable",
    ),
    ([victim(1, "Unreachable", message="why")], "p1: not connected to any eureka (why)", "False", "Unreachable"),
    ([victim(1, "Refused", refused_by="b")], "p1: eviction refused by disruption budget b", "False", "Refused"),
    ([victim(1, "Expired")], "p1: not killed within startingDeadlineSeconds", "False", "Expired"),
]


@pytest.mark.parametrize(("victims", "summary", "status", "reason"), SAID, ids=[row[1][:30] for row in SAID])
def test_one_line_says_what_came_of_it(victims: list[Victim], summary: str, status: str, reason: str) -> None:
    """The printer's column, and Injected; partial success is said."""
    injected, ended = conclude(victims, complete=True, lost=False)

    assert summary == summarize(victims) == ended.message
    assert (status, reason) == (injected.status, injected.reason)
    assert ended.reason == ("EvidenceComplete" if status == "True" else reason)


def test_while_some_are_planned_nothing_is_ended() -> None:
    """Injected is true from the first kill on; a refusal alone says nothing yet; lost evidence is said to be lost."""
    left = victim(9, "Planned")

    assert [] == progress([left, left]) == progress([victim(1, "Gone"), left])
    assert [("True", "KilledSome")] == [(o.status, o.reason) for o in progress([victim(1), left])]
    assert conclude([victim(1)], complete=False, lost=True)[-1].reason == "EvidenceLost"
    assert conclude([victim(1)], complete=False, lost=False)[-1].reason == "EvidencePartial"


def test_a_status_stays_small() -> None:
    """32 victims with long names and all their evidence are less than 32 kB, and the line for people stays one."""
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


def test_every_victim_has_its_event_once() -> None:
    """Killed with method, tier and place; a warning with the reason otherwise; what was written before is not said again."""
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
    """Whom, of how many, how, and which budgets stand in the way; Injected is false."""
    victims = [victim(1, "Planned"), victim(2, "Planned", refused_by="shop-web")]
    fault = {"metadata": {"generation": 1}, "spec": {"kill": {}}}
    web = spec(mode="DryRun", tier="web")
    observed = planned(web, kill_of(web), Chosen(tuple(victims), 9), victims)
    status = write_status(fault, update_of(kill_of(web), observed, victims, dry_run=True), None, NOW)[0]

    assert [("Accepted", "True"), ("Injected", "False"), ("Ended", "True")] == [(o.type, o.status) for o in observed]
    assert isinstance(status, SetStatus)
    told = [victim(1, "Planned", process=7), victims[1]]
    crash_spec = spec(mode="DryRun", tier="web", method="Crash")
    crash = planned(crash_spec, kill_of(crash_spec), Chosen(tuple(told), 9), told)
    assert crash[-1].message.endswith("; 1 unreachable: not connected to any eureka")
    assert (
        status.status["summary"]
        == "dry run: Evict of 2 of 9 ready pods: p1, p2; a disruption budget would refuse 1 at first"
    )


READY: Object = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
NOT_READY: Object = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}


def test_the_deadline_counts_from_the_first_moment_at_which_the_architecture_is_ready() -> None:
    """Given 30 s, then a recorded start counts, a restart does not extend it, and it has not begun while not Ready."""
    recorded = {"status": {"startedAt": "2026-01-01T00:00:03Z"}}
    web = spec(tier="web")

    assert (
        seconds_left(recorded, Progress.STARTED, web, NOW) == seconds_left(recorded, Progress.STARTING, web, NOW) == 23
    )
    assert seconds_left({}, Progress.STARTING, web, NOW) == seconds_left({}, Progress.STARTED, web, NOW) == 30


def test_an_architecture_that_was_ready_before_counts_as_started() -> None:
    """Given one that is not Ready now, then its state says whether it ever was: a Fault does not wait for ever."""
    assert progress_of(NOT_READY, {"state.json": '{"started": true}'}) is Progress.STARTED
    assert progress_of(NOT_READY, {"state.json": '{"started": false}'}) is Progress.STARTING
    assert progress_of(READY, {}) is Progress.STARTED
    assert progress_of(None, {}) is Progress.MISSING


def test_without_an_architecture_the_deadline_counts_from_when_that_was_recorded() -> None:
    """Given a Fault that names no existing Architecture, then it ends after the deadline."""
    condition = {"type": "Accepted", "status": "False", "lastTransitionTime": "2026-01-01T00:00:03Z"}

    assert seconds_left({"status": {"conditions": [condition]}}, Progress.MISSING, spec(tier="web"), NOW) == 23


def test_the_start_of_the_deadline_is_written_once() -> None:
    """Given a recorded start, when the status is written again, then it stays."""
    fault = {"metadata": {"generation": 1}, "spec": {"kill": {}}}
    status = write_status(fault, StatusUpdate(), NOW, NOW)[0]

    assert isinstance(status, SetStatus)
    assert status.status["startedAt"] == NOW


def test_lookups_become_less_frequent() -> None:
    """A quarter of the time since the condition was written, from 1 s to 30 s."""

    def since(time: str) -> Object:
        return {"status": {"conditions": [{"type": "Accepted", "status": "True", "lastTransitionTime": time}]}}

    assert [1.0, 2.5, 30.0] == [
        retry_s(since(t), NOW) for t in ("2026-01-01T00:00:09Z", "2026-01-01T00:00:00Z", "2025-01-01T00:00:00Z")
    ]


def test_the_seed_derives_from_the_uid_if_it_is_left_out() -> None:
    """Given no seed, then the same Fault has the same seed in every pass, and another Fault another one."""
    without = FaultSpec.model_validate({"architecture": "shop", "kill": {"tier": "web"}})
    one, other = ({"metadata": {"uid": uid}} for uid in ("5b1c", "5b1d"))

    assert seed_of(one, without) == seed_of(one, without) != seed_of(other, without)
    assert seed_of(one, spec(seed=0, tier="web")) == 0
