"""The chaos monkey's decisions: which pod it kills and when, from spec, status and pods."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from spiko_operator.api.architecture import Monkey
from spiko_operator.api.architecture_status import ChaosStatus
from spiko_operator.plan.faults.monkey import (
    MOST_RECENT,
    Next,
    ObservedTier,
    count,
    find_blocker,
    plan_monkey,
    with_evidence,
)
from spiko_operator.plan.faults.monkey_schedule import interval_s
from spiko_operator.plan.timestamps import later, span_s

Object = dict[str, Any]


BEGIN = "2026-01-01T00:00:00.000Z"


def pod(name: str, ready: bool = True, **more: Any) -> Object:
    """Return a web server pod."""
    labels = {
        "spiko.dev/tier": "web",
        "spiko.dev/version": "1.0.0",
        "spiko.dev/region": "r",
        "spiko.dev/zone": "a",
    }
    owners = [{"kind": "ReplicaSet", "name": "rs"}]
    return {
        "metadata": {"name": name, "uid": f"u-{name}", "labels": labels, "ownerReferences": owners, **more},
        "status": {"conditions": [{"type": "Ready", "status": str(ready)}]},
    }


class SimulatedTier:
    """A tier and the status of its Architecture; decisions are executed at once, and time passes as
    requested.
    """

    def __init__(self, monkey: Monkey, pods: int = 3) -> None:
        self.monkey, self.chaos = monkey, ChaosStatus()
        self.now = BEGIN
        self.pods = [pod(f"web-{i}") for i in range(pods)]
        self.desired, self.blocked = pods, ""
        self.events: list[str] = []
        self.killed: list[str] = []
        self.killed_at: list[str] = []
        self.writes = 0

    def decide(self) -> Next:
        """Decide once, with a list of pods if it is requested."""
        sight = ObservedTier("web", self.blocked, self.desired, None, self.now)
        next_ = plan_monkey(self.monkey, self.chaos, sight)
        return (
            plan_monkey(self.monkey, self.chaos, replace(sight, pods=self.pods)) if next_.list_pods else next_
        )

    def write(self, chaos: Object) -> None:
        """Merge fields into the status."""
        merged = self.chaos.model_dump(mode="json", by_alias=True) | chaos
        self.chaos = ChaosStatus.model_validate(
            {k: v for k, v in merged.items() if v is not None}, strict=False
        )
        self.writes += 1

    def step(self) -> Next:
        """Decide and execute."""
        next_ = self.decide()
        if next_.chaos is not None:
            self.write(next_.chaos)
        self.events += [event.reason for event in next_.events]
        if next_.kill is not None:
            self.kill(next_.kill.pod)
            written, event = count(self.monkey, self.chaos, next_.kill, self.now)
            self.write(written)
            self.events.append(event.reason)
        if next_.after_s:
            self.now = later_ms(self.now, next_.after_s)
        return next_

    def kill(self, name: str) -> None:
        """Delete a pod and create its replacement."""
        self.killed.append(name)
        self.killed_at.append(self.now)
        self.pods = [
            pod(p["metadata"]["name"], uid=f"v{len(self.killed)}") if p["metadata"]["name"] == name else p
            for p in self.pods
        ]

    def run_kills(self, kills: int) -> None:
        """Run until so many pods were killed."""
        for _ in range(20 * kills + 20):
            if len(self.killed) >= kills:
                return
            self.step()
        raise AssertionError(f"only {len(self.killed)} kills")


def later_ms(now: str, seconds: float) -> str:
    """Return a time that is later by a fraction of a second."""
    from datetime import datetime, timedelta

    kill = datetime.fromisoformat(now) + timedelta(milliseconds=math.ceil(seconds * 1000))
    return kill.isoformat(timespec="milliseconds").replace("+00:00", "Z")


ON = Monkey(mode="Enforce", mean_seconds=60, min_seconds=10, seed=3)


def test_same_seed_gives_same_victims_and_times() -> None:
    """Given the same seed and pods, then victims and times are the same; another seed differs, and no
    interval is shorter than the minimum.
    """
    first, second, other = (
        SimulatedTier(ON),
        SimulatedTier(ON),
        SimulatedTier(ON.model_copy(update={"seed": 4})),
    )
    for tier in (first, second, other):
        tier.run_kills(30)

    assert (first.killed, first.killed_at) == (second.killed, second.killed_at)
    assert first.killed != other.killed
    gaps = [span_s(a, b) for a, b in zip([BEGIN, *first.killed_at], first.killed_at, strict=False)]
    assert min(gaps) >= 10
    assert first.chaos.kills == 30
    assert [kill.pod for kill in first.chaos.recent or ()] == first.killed[: -MOST_RECENT - 1 : -1]


def test_kill_takes_two_writes_and_waiting_none() -> None:
    """Given an active monkey, then only recording and counting a kill change the status."""
    tier = SimulatedTier(ON)
    tier.step()
    assert (tier.writes, tier.chaos.since) == (1, BEGIN)
    tier.run_kills(5)

    assert tier.writes == 1 + 2 * 5
    assert tier.events == ["MonkeyOn"] + ["MonkeyKilled"] * 5


BLOCKED = [
    (
        "the architecture is not Ready",
        {"blocked": "the architecture is not Ready"},
        "the architecture is not Ready",
    ),
    ("one pod is left", {"pods": [pod("web-0")]}, "web has fewer than 2 ready pods"),
    ("no pod is left", {"pods": []}, "web has fewer than 2 ready pods"),
    (
        "the replacement is not ready",
        {"pods": [pod("web-0"), pod("web-1"), pod("web-2", ready=False)]},
        "not every pod of web is ready",
    ),
    ("the replacement is missing", {"pods": [pod("web-0"), pod("web-1")]}, "not every pod of web is ready"),
    (
        "a pod is being deleted",
        {"pods": [pod("web-0"), pod("web-1"), pod("web-2", deletionTimestamp=BEGIN)]},
        "not every pod of web is ready",
    ),
]


@pytest.mark.parametrize(("change", "why"), [row[1:] for row in BLOCKED], ids=[row[0] for row in BLOCKED])
def test_blocked_kill_is_reported_once_and_executed_later(change: Object, why: str) -> None:
    """Given a reason that blocks kills, then no pod is selected and the reason is written once; when it is
    gone, the kill that is due is executed.
    """
    tier = SimulatedTier(ON)
    good = tier.pods
    tier.run_kills(1)
    for name, value in change.items():
        setattr(tier, name, value)
    for _ in range(400):
        tier.step()
    assert (len(tier.killed), tier.chaos.waiting, tier.writes) == (1, why, 4)
    tier.pods, tier.blocked = good, ""
    tier.step()
    tier.step()

    assert len(tier.killed) == 2
    assert tier.chaos.waiting is None


def test_dry_run_names_the_victims_of_enforce() -> None:
    """Given mode DryRun, then events name the victims that Enforce would kill with the same seed, and no kill
    is counted.
    """
    dry, real = SimulatedTier(ON.model_copy(update={"mode": "DryRun"})), SimulatedTier(ON)
    messages: list[str] = []
    while len(messages) < 5:
        messages += [event.message for event in dry.step().events if event.reason == "MonkeyWouldKill"]
    real.run_kills(5)

    assert [text.split()[3] for text in messages] == real.killed
    assert (dry.killed, dry.chaos.kills, dry.chaos.victim) == ([], None, None)
    assert dry.writes == 1 + 5


def test_off_writes_nothing_and_switching_off_writes_once() -> None:
    """Given a monkey that was never on, then nothing is written; switching it off is one write and one event;
    on again, it starts with draw 0 and keeps the count.
    """
    never = SimulatedTier(Monkey())
    assert Next() == never.decide()

    tier = SimulatedTier(ON)
    tier.run_kills(3)
    before = list(tier.killed)
    tier.monkey = Monkey()
    tier.step()
    assert (Next(), tier.events[-1], tier.chaos.mode, tier.chaos.next_at) == (
        tier.decide(),
        "MonkeyOff",
        "Off",
        None,
    )
    tier.monkey = ON
    tier.run_kills(6)

    assert tier.killed == before * 2
    assert tier.chaos.kills == 6


def test_the_schedule_is_read_from_the_status() -> None:
    """Given a schedule in the status, then a new operator continues it; another mean changes only the time of
    the next kill.
    """
    tier = SimulatedTier(ON)
    tier.run_kills(2)
    due = tier.chaos.next_at
    assert tier.chaos.since is not None
    assert due == later(tier.chaos.since, interval_s(ON, 2))
    tier.monkey = ON.model_copy(update={"mean_seconds": 600})
    tier.step()

    assert tier.chaos.next_at == later(tier.chaos.since, interval_s(tier.monkey, 2)) != due
    assert (tier.chaos.draw, tier.chaos.kills) == (2, 2)


@pytest.mark.parametrize("died", ["before the act", "after the act"])
def test_recorded_victim_is_killed_or_counted_once(died: str) -> None:
    """Given a recorded victim, then it is killed if it exists and counted if it is
    gone, in both cases once.
    """
    undisturbed, tier = SimulatedTier(ON), SimulatedTier(ON)
    undisturbed.run_kills(4)
    tier.run_kills(2)
    while tier.chaos.victim is None:
        tier.step()
    if died == "after the act":
        tier.kill(tier.chaos.victim.pod)
    tier.run_kills(4 if died == "before the act" else 3)
    while tier.chaos.victim is not None:
        tier.step()
    tier.run_kills(4)

    assert (undisturbed.killed, undisturbed.chaos.kills) == (tier.killed, tier.chaos.kills)


@pytest.mark.parametrize("mode", ["Off", "DryRun"])
def test_recorded_victim_is_released_when_switched_off(mode: Any) -> None:
    """Given a recorded victim, when the monkey is switched off, then it is released; if it is gone, it is
    counted.
    """
    for gone in (False, True):
        tier = SimulatedTier(ON)
        while tier.chaos.victim is None:
            tier.step()
        if gone:
            tier.kill(tier.chaos.victim.pod)
        tier.monkey = Monkey(mode=mode)
        tier.step()

        assert tier.chaos.victim is None
        assert tier.chaos.kills == (1 if gone else None)
        assert len(tier.killed) == gone


def test_recorded_victim_waits_while_blocked() -> None:
    """Given a recorded victim, when something blocks kills, then it is not killed."""
    tier = SimulatedTier(ON)
    while tier.chaos.victim is None:
        tier.step()
    tier.blocked = "the architecture is not Ready"
    tier.step()
    assert (tier.killed, tier.chaos.waiting) == ([], tier.blocked)
    tier.blocked = ""
    tier.step()

    assert len(tier.killed) == 1


def test_evidence_is_added_to_its_kill() -> None:
    """Given evidence, then it is added to the kill with the UID; a kill that eight later ones have displaced
    gets none.
    """
    from spiko_operator.api.fault import Victim

    tier = SimulatedTier(ON)
    tier.run_kills(2)
    recent = tier.chaos.recent or []
    fields = {"pod": "p", "tier": "web", "version": "1.0.0", "place": "r/a", "state": "Killed"}
    seen = {"noticed_milliseconds": 5, "replaced_milliseconds": 300, "failed_requests": 1}
    found = with_evidence(tier.chaos, Victim.model_validate(fields | seen | {"uid": recent[1].uid}))
    lost = with_evidence(tier.chaos, Victim.model_validate(fields | seen | {"uid": "x"}))

    assert found is not None
    assert "noticedMilliseconds" not in found["recent"][0]
    assert found["recent"][1]["replacedMilliseconds"] == 300
    assert lost is None


def architecture(**conditions: tuple[str, int]) -> Object:
    """Return an Architecture of generation 2, with the status and generation of its conditions by type."""
    found = [{"type": t, "status": s, "observedGeneration": g} for t, (s, g) in conditions.items()]
    return {"metadata": {"generation": 2}, "status": {"conditions": found}}


WELL = architecture(Accepted=("True", 2), Ready=("True", 2))


@pytest.mark.parametrize(
    ("body", "started", "why"),
    [
        (WELL, True, ""),
        (WELL, False, "the architecture was never Ready"),
        (
            architecture(Accepted=("False", 2), Ready=("True", 2)),
            True,
            "the spec is not accepted",
        ),
        (
            architecture(Accepted=("True", 1), Ready=("True", 2)),
            True,
            "the spec is not accepted",
        ),
        (
            architecture(Accepted=("True", 2), Ready=("False", 2)),
            True,
            "the architecture is not Ready",
        ),
        (architecture(Accepted=("True", 2)), True, "the architecture is not Ready"),
        (architecture(), True, "the spec is not accepted"),
    ],
)
def test_kills_are_blocked_until_accepted_ready_and_started(body: Object, started: bool, why: str) -> None:
    """Given conditions of another generation, or a state that never started, then kills are blocked."""
    assert why == find_blocker(body, started)
