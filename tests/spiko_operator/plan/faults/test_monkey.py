"""The monkey: whom it ends and when, from spec, status and pods alone."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from spiko_operator.api.architecture import ChaosStatus, Monkey
from spiko_operator.plan.faults.monkey import (
    MOST_RECENT,
    Next,
    ObservedTier,
    count,
    find_blocker,
    interval_s,
    plan_monkey,
    uniform,
    with_evidence,
)
from spiko_operator.plan.state import ArchitectureState, config_map
from spiko_operator.plan.timestamps import later, span_s
from spiko_operator.plan.topology import choose

Object = dict[str, Any]
BEGIN = "2026-01-01T00:00:00.000Z"


def pod(name: str, ready: bool = True, **more: Any) -> Object:
    """A web server."""
    labels = {"spiko.dev/tier": "web", "spiko.dev/version": "1.0.0", "spiko.dev/region": "r", "spiko.dev/zone": "a"}
    owners = [{"kind": "ReplicaSet", "name": "rs"}]
    return {
        "metadata": {"name": name, "uid": f"u-{name}", "labels": labels, "ownerReferences": owners, **more},
        "status": {"conditions": [{"type": "Ready", "status": str(ready)}]},
    }


class Zoo:
    """A tier and the status of its Architecture; what is decided is carried out at once, with time passing as asked."""

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
        """One decision, with a look at the pods if it asks for one."""
        sight = ObservedTier("web", self.blocked, self.desired, None, self.now)
        next_ = plan_monkey(self.monkey, self.chaos, sight)
        return plan_monkey(self.monkey, self.chaos, replace(sight, pods=self.pods)) if next_.look else next_

    def write(self, chaos: Object) -> None:
        """Merge into the status."""
        merged = self.chaos.model_dump(mode="json", by_alias=True) | chaos
        self.chaos = ChaosStatus.model_validate({k: v for k, v in merged.items() if v is not None}, strict=False)
        self.writes += 1

    def step(self) -> Next:
        """Decide and do; a pod that is ended comes back under another UID."""
        next_ = self.decide()
        if next_.chaos is not None:
            self.write(next_.chaos)
        self.events += [event.reason for event in next_.events]
        if next_.kill is not None:
            self.end(next_.kill.pod)
            written, event = count(self.monkey, self.chaos, next_.kill, self.now)
            self.write(written)
            self.events.append(event.reason)
        if next_.after_s:
            self.now = later_ms(self.now, next_.after_s)
        return next_

    def end(self, name: str) -> None:
        """The pod goes, and another comes in its stead."""
        self.killed.append(name)
        self.killed_at.append(self.now)
        self.pods = [
            pod(p["metadata"]["name"], uid=f"v{len(self.killed)}") if p["metadata"]["name"] == name else p
            for p in self.pods
        ]

    def run(self, kills: int) -> None:
        """Until so many are ended."""
        for _ in range(20 * kills + 20):
            if len(self.killed) >= kills:
                return
            self.step()
        raise AssertionError(f"only {len(self.killed)} kills")


def later_ms(now: str, seconds: float) -> str:
    """A moment later, to the millisecond, not before."""
    from datetime import datetime, timedelta

    end = datetime.fromisoformat(now) + timedelta(milliseconds=math.ceil(seconds * 1000))
    return end.isoformat(timespec="milliseconds").replace("+00:00", "Z")


ON = Monkey(mode="Enforce", mean_seconds=60, min_seconds=10, seed=3)


def test_intervals_are_exponential_above_the_least_with_the_mean() -> None:
    """Of 4,000: none below the least, mean within 3 standard errors, and the shape is that of an exponential (Kolmogorov-Smirnov, 1 %)."""
    found = sorted(interval_s(ON, draw) for draw in range(4_000))
    rest = [(value - 10) / 50 for value in found]
    distance = max(abs((i + 0.5) / len(rest) - (1 - math.exp(-x))) for i, x in enumerate(rest))

    assert found[0] >= 10
    assert abs(sum(found) / len(found) - 60) < 3 * 50 / math.sqrt(len(found))
    assert distance < 1.63 / math.sqrt(len(rest))


@pytest.mark.parametrize(("mean", "least"), [(60, 6.0), (5, 1.0), (1, 1.0), (86_400, 8_640.0)])
def test_the_least_is_a_tenth_of_the_mean_unless_said(mean: int, least: float) -> None:
    """But a second at least; with mean and least the same, the beat is regular."""
    found = [interval_s(Monkey(mean_seconds=mean), draw) for draw in range(500)]

    assert least <= min(found) < least + mean / 10
    assert {7.0} == {interval_s(Monkey(mean_seconds=7, min_seconds=7), draw) for draw in range(9)}


def test_victims_are_drawn_evenly_and_apart_from_intervals() -> None:
    """Each of six is drawn about as often; the two uses of a draw do not go together."""
    counts = [0] * 6
    for draw in range(6_000):
        counts[int(uniform(1, draw, "victim") * 6)] += 1
    product = sum((uniform(1, d, "victim") - 0.5) * (uniform(1, d, "interval") - 0.5) for d in range(6_000)) / 6_000

    assert all(900 < n < 1_100 for n in counts)
    assert abs(product) < 3 * (1 / 12) / math.sqrt(6_000)


def test_same_seed_and_pods_same_victims_at_the_same_times() -> None:
    """Twice the same; another seed differs; no gap is shorter than the least."""
    first, second, other = Zoo(ON), Zoo(ON), Zoo(ON.model_copy(update={"seed": 4}))
    for zoo in (first, second, other):
        zoo.run(30)

    assert (first.killed, first.killed_at) == (second.killed, second.killed_at)
    assert first.killed != other.killed
    gaps = [span_s(a, b) for a, b in zip([BEGIN, *first.killed_at], first.killed_at, strict=False)]
    assert min(gaps) >= 10
    assert first.chaos.kills == 30
    assert [kill.pod for kill in first.chaos.recent or ()] == first.killed[: -MOST_RECENT - 1 : -1]


def test_a_kill_is_two_writes_and_waiting_is_none() -> None:
    """Written down, counted; the status moves at nothing else once the monkey is on."""
    zoo = Zoo(ON)
    zoo.step()
    assert (zoo.writes, zoo.chaos.since) == (1, BEGIN)
    zoo.run(5)

    assert zoo.writes == 1 + 2 * 5
    assert zoo.events == ["MonkeyOn"] + ["MonkeyKilled"] * 5


BLOCKED = [
    ("the architecture is not Ready", {"blocked": "the architecture is not Ready"}, "the architecture is not Ready"),
    ("one is left", {"pods": [pod("web-0")]}, "web has fewer than 2 ready pods"),
    ("nobody is left", {"pods": []}, "web has fewer than 2 ready pods"),
    (
        "the replacement is not ready",
        {"pods": [pod("web-0"), pod("web-1"), pod("web-2", ready=False)]},
        "not every pod of web is ready",
    ),
    ("the replacement is missing", {"pods": [pod("web-0"), pod("web-1")]}, "not every pod of web is ready"),
    (
        "one is on its way out",
        {"pods": [pod("web-0"), pod("web-1"), pod("web-2", deletionTimestamp=BEGIN)]},
        "not every pod of web is ready",
    ),
]


@pytest.mark.parametrize(("change", "why"), [row[1:] for row in BLOCKED], ids=[row[0] for row in BLOCKED])
def test_it_holds_back(change: Object, why: str) -> None:
    """Nobody is chosen, the reason is written once, and when it has gone the kill that is due happens."""
    zoo = Zoo(ON)
    good = zoo.pods
    zoo.run(1)
    for name, value in change.items():
        setattr(zoo, name, value)
    for _ in range(400):
        zoo.step()
    assert (len(zoo.killed), zoo.chaos.waiting, zoo.writes) == (1, why, 4)
    zoo.pods, zoo.blocked = good, ""
    zoo.step()
    zoo.step()

    assert len(zoo.killed) == 2
    assert zoo.chaos.waiting is None


def test_a_dry_run_says_whom_and_touches_nobody() -> None:
    """The very victims of the same seed in Enforce, as long as the pods are the same; kills are not counted."""
    dry, real = Zoo(ON.model_copy(update={"mode": "DryRun"})), Zoo(ON)
    said: list[str] = []
    while len(said) < 5:
        said += [event.message for event in dry.step().events if event.reason == "MonkeyWouldKill"]
    real.run(5)

    assert [text.split()[3] for text in said] == real.killed
    assert (dry.killed, dry.chaos.kills, dry.chaos.victim) == ([], None, None)
    assert dry.writes == 1 + 5


def test_off_is_silence_and_switching_off_ends_it() -> None:
    """Never on: not one write. Off: one write, one event, and nothing after; on again: from the first draw, and the count goes on."""
    never = Zoo(Monkey())
    assert Next() == never.decide()

    zoo = Zoo(ON)
    zoo.run(3)
    before = list(zoo.killed)
    zoo.monkey = Monkey()
    zoo.step()
    assert (Next(), zoo.events[-1], zoo.chaos.mode, zoo.chaos.next_at) == (zoo.decide(), "MonkeyOff", "Off", None)
    zoo.monkey = ON
    zoo.run(6)

    assert zoo.killed == before * 2
    assert zoo.chaos.kills == 6


def test_the_schedule_is_read_from_the_status() -> None:
    """What an operator that begins anew does is what the old one would have done; another mean moves what is due, and only that."""
    zoo = Zoo(ON)
    zoo.run(2)
    due = zoo.chaos.next_at
    assert zoo.chaos.since is not None
    assert due == later(zoo.chaos.since, interval_s(ON, 2))
    zoo.monkey = ON.model_copy(update={"mean_seconds": 600})
    zoo.step()

    assert zoo.chaos.next_at == later(zoo.chaos.since, interval_s(zoo.monkey, 2)) != due
    assert (zoo.chaos.draw, zoo.chaos.kills) == (2, 2)


@pytest.mark.parametrize("died", ["before the act", "after the act"])
def test_one_draw_is_one_kill_wherever_the_operator_dies(died: str) -> None:
    """Written down and there still: ended now. Written down and gone: counted now. Either way once, and the next draw is the next."""
    undisturbed, zoo = Zoo(ON), Zoo(ON)
    undisturbed.run(4)
    zoo.run(2)
    while zoo.chaos.victim is None:
        zoo.step()
    if died == "after the act":
        zoo.end(zoo.chaos.victim.pod)
    zoo.run(4 if died == "before the act" else 3)
    while zoo.chaos.victim is not None:
        zoo.step()
    zoo.run(4)

    assert (undisturbed.killed, undisturbed.chaos.kills) == (zoo.killed, zoo.chaos.kills)


@pytest.mark.parametrize("mode", ["Off", "DryRun"])
def test_a_victim_that_was_not_touched_is_let_be_when_it_is_switched_off(mode: Any) -> None:
    """But one that is gone is counted even then."""
    for gone in (False, True):
        zoo = Zoo(ON)
        while zoo.chaos.victim is None:
            zoo.step()
        if gone:
            zoo.end(zoo.chaos.victim.pod)
        zoo.monkey = Monkey(mode=mode)
        zoo.step()

        assert zoo.chaos.victim is None
        assert zoo.chaos.kills == (1 if gone else None)
        assert len(zoo.killed) == gone


def test_a_victim_that_is_written_down_waits_like_any_other() -> None:
    """Something else broke in between: it is not ended on top of that."""
    zoo = Zoo(ON)
    while zoo.chaos.victim is None:
        zoo.step()
    zoo.blocked = "the architecture is not Ready"
    zoo.step()
    assert (zoo.killed, zoo.chaos.waiting) == ([], zoo.blocked)
    zoo.blocked = ""
    zoo.step()

    assert len(zoo.killed) == 1


def test_evidence_goes_to_its_kill() -> None:
    """By UID; one that eight later kills have pushed out takes none."""
    from spiko_operator.api.fault import Victim

    zoo = Zoo(ON)
    zoo.run(2)
    recent = zoo.chaos.recent or []
    fields = {"pod": "p", "tier": "web", "version": "1.0.0", "place": "r/a", "state": "Killed"}
    seen = {"noticed_milliseconds": 5, "replaced_milliseconds": 300, "failed_requests": 1}
    found = with_evidence(zoo.chaos, Victim.model_validate(fields | seen | {"uid": recent[1].uid}))
    lost = with_evidence(zoo.chaos, Victim.model_validate(fields | seen | {"uid": "x"}))

    assert found is not None
    assert "noticedMilliseconds" not in found["recent"][0]
    assert found["recent"][1]["replacedMilliseconds"] == 300
    assert lost is None


def architecture(**conditions: tuple[str, int]) -> Object:
    """Of generation 2; conditions by type: status and generation."""
    found = [{"type": t, "status": s, "observedGeneration": g} for t, (s, g) in conditions.items()]
    return {"metadata": {"generation": 2}, "status": {"conditions": found}}


def memory(started: bool) -> Object:
    """The ConfigMap."""
    topology = choose(None, {}, 1)
    return config_map("a", "n", {}, ArchitectureState(topology, {}, {}, started=started))


WELL = architecture(Accepted=("True", 2), Ready=("True", 2))


@pytest.mark.parametrize(
    ("body", "state", "why"),
    [
        (WELL, memory(True), ""),
        (WELL, memory(False), "the architecture was never Ready"),
        (WELL, None, "the architecture was never Ready"),
        (WELL, {"data": {"nonsense": "x"}}, "the architecture was never Ready"),
        (architecture(Accepted=("False", 2), Ready=("True", 2)), memory(True), "the spec is not accepted"),
        (architecture(Accepted=("True", 1), Ready=("True", 2)), memory(True), "the spec is not accepted"),
        (architecture(Accepted=("True", 2), Ready=("False", 2)), memory(True), "the architecture is not Ready"),
        (architecture(Accepted=("True", 2)), memory(True), "the architecture is not Ready"),
        (architecture(), memory(True), "the spec is not accepted"),
    ],
)
def test_what_speaks_against_any_kill(body: Object, state: Object | None, why: str) -> None:
    """Accepted and Ready must be about this generation; the memory says whether it ever started."""
    assert why == find_blocker(body, state)
