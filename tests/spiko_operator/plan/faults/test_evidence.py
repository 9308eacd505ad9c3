"""Evidence: who noticed, what stands in, whom it hurt."""

from __future__ import annotations

from typing import Any

import pytest

from spiko_operator.api.fault import Victim
from spiko_operator.plan.faults.evidence import LONGEST_S, UNNOTICED_S, Evidence, find_replacements, has_ended

Object = dict[str, Any]


def evidence(name: str = "p", replica_set: str | None = "rs", acted_s: float | None = None, **more: Any) -> Evidence:
    """Of one victim; one that was acted on is killed."""
    fields = {
        "pod": name,
        "uid": f"u-{name}",
        "tier": "web",
        "version": "1.0.0",
        "place": "r/a",
        "replica_set": replica_set,
    }
    victim = Victim.model_validate(fields | {"state": "Planned" if acted_s is None else "Killed", "restarts": 0} | more)
    return Evidence(victim, acted_s=acted_s)


def holders(eureka: str, count: int, process: int | None = None) -> Object:
    """How many callers of a eureka's hold the victim."""
    return {"t": "holders", "eureka": eureka, "holders": count, "process": process}


def test_it_is_noticed_when_every_eurekas_callers_have_left_it() -> None:
    """Not at the same time: a process that crashed registers again before the last eureka has heard."""
    one = evidence()
    one.hear(holders("a", 2, 17), 0.0)
    one.hear(holders("b", 1), 0.0)
    one.hear(holders("c", 0), 0.0)
    one.act(10.0)
    one.hear(holders("a", 0), 10.020)
    assert not one.complete(10.021)
    one.hear(holders("a", 2), 10.025)
    one.hear(holders("b", 0), 10.030)

    assert (one.callers, one.noticed_ms, one.process) == (3, 30, 17)


def test_a_eureka_that_goes_holds_nothing_up_and_a_broken_connection_decides_nothing() -> None:
    """Lost: unknown until it speaks again. Gone: its callers are others' by now."""
    one = evidence()
    for name in "ab":
        one.hear(holders(name, 1), 0.0)
    one.act(0.0)
    one.hear({"t": "lost", "eureka": "b"}, 0.1)
    one.hear({"t": "lost", "eureka": "never heard"}, 0.1)
    one.hear(holders("a", 0), 0.2)
    assert one.noticed_ms is None
    one.hear({"t": "gone", "eureka": "b"}, 0.3)

    assert one.noticed_ms == 300


def test_hurt_counts_from_the_act_on() -> None:
    """What failed before was not this kill's; an act that was refused is none."""
    one = evidence()
    hurt = {"t": "hurt", "eureka": "a", "errors": {"reset": 2, "timeout": 1}}
    one.hear(hurt, 0.0)
    one.act(1.0)
    one.hear(hurt, 1.1)
    assert one.failed_requests == 3
    one.undo()
    one.hear(hurt, 1.2)

    assert (one.failed_requests, one.acted_s) == (0, None)


def test_nothing_is_awaited_that_cannot_come() -> None:
    """A pod that nobody calls is noticed by nobody; nothing stands in for a lone one; in the end nothing is awaited at all."""
    called, uncalled, lone = evidence(), evidence(), evidence(replica_set=None)
    called.hear(holders("a", 1), 0.0)
    uncalled.hear(holders("a", 0), 0.0)
    for one in (called, uncalled, lone):
        one.act(100.0)
    assert [False, False, True] == [one.complete(100.1) for one in (called, uncalled, lone)]
    called.replace("q", 100.5)
    uncalled.replace("q", 100.5)

    assert [False, True] == [one.complete(100.6) for one in (called, uncalled)]
    assert called.complete(100.6 + UNNOTICED_S)
    assert [False, True] == [one.found for one in (called, uncalled)]
    late = evidence()
    late.act(0.0)
    assert late.callers is None  # no eureka said anything
    assert [False, True] == [late.complete(s) for s in (LONGEST_S - 1, LONGEST_S + 1)]


def pod(name: str, replica_set: str = "rs", restarts: int = 0, ready: bool = True, state: str = "running") -> Object:
    """A pod as the API server has it."""
    owner = {"kind": "ReplicaSet", "name": replica_set}
    return {
        "metadata": {"name": name, "uid": f"u-{name}", "ownerReferences": [owner]},
        "status": {
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"restartCount": restarts, "state": {state: {}}}],
        },
    }


def test_each_victim_gets_a_replacement_of_its_own() -> None:
    """In the order of the acts, of the same ReplicaSet, ready, and not one that was there before."""
    second, first, other, refused = (
        evidence("b", acted_s=2.0),
        evidence("a", acted_s=1.0),
        evidence("c", "elsewhere", acted_s=3.0),
        evidence("d"),
    )
    every = [second, first, other, refused]
    pods = [pod("old"), pod("n1"), pod("n2", ready=False), pod("n3", "another")]
    find_replacements(every, "Delete", frozenset({"u-old"}), pods, 4.0)
    assert [None, "n1", None, None] == [one.replaced_by for one in every]
    find_replacements(every, "Delete", frozenset({"u-old"}), [*pods, pod("n4")], 5.0)

    assert ["n4", "n1", None, None] == [one.replaced_by for one in every]
    assert [3000, 3000] == [one.replaced_ms for one in every[:2]]


@pytest.mark.parametrize(
    ("after", "ended", "replaced"),
    [
        (pod("p"), False, False),
        (pod("p", state="terminated"), True, False),
        (pod("p", state="waiting"), True, False),
        (pod("p", restarts=1, ready=False), True, False),
        (pod("p", restarts=1), True, True),
    ],
    ids=["goes on", "ended", "waiting to be started", "started again", "Ready again"],
)
def test_after_a_crash_the_same_pod_stands_in(after: Object, ended: bool, replaced: bool) -> None:
    """Ready with a higher restart count than was written down."""
    one = evidence(acted_s=1.0)
    find_replacements([one], "Crash", frozenset({"u-p"}), [after], 2.0)

    assert ended == has_ended(one.victim, [after])
    assert replaced == (one.replaced_by == "p")
    assert has_ended(one.victim, [])
