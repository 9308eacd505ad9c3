"""The pods that a kill selects."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from spiko_operator.api.fault import MOST_VICTIMS
from spiko_operator.plan.faults.victims import Chosen, NoVictim, choose_victims, refusing_budgets
from tests.support.kills import NOW, kill_of, spec

Object = dict[str, Any]


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


def choose(seed: int = 1, pods: list[Object] = PODS, **kill: Any) -> Chosen | NoVictim:
    """Select victims as the operator does."""
    return choose_victims(kill_of(spec(seed, **kill)), "shop", pods, Random(seed).randrange)


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
