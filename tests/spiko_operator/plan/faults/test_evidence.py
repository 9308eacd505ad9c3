"""The evidence of a kill: when callers noticed, which pod is the replacement, how many calls failed."""

from __future__ import annotations

from typing import Any

import pytest

from spiko_operator.api.fault import Victim
from spiko_operator.plan.faults.evidence import LONGEST_S, UNNOTICED_S, Evidence, find_replacements, has_ended

Object = dict[str, Any]


def evidence(
    name: str = "p", replica_set: str | None = "rs", acted_s: float | None = None, **more: Any
) -> Evidence:
    """Return the evidence of one victim, killed if it was acted on."""
    fields = {
        "pod": name,
        "uid": f"u-{name}",
        "tier": "web",
        "version": "1.0.0",
        "place": "r/a",
        "replica_set": replica_set,
    }
    victim = Victim.model_validate(
        fields | {"state": "Planned" if acted_s is None else "Killed", "restarts": 0} | more
    )
    return Evidence(victim, acted_s=acted_s)


def holders(eureka: str, count: int, process: int | None = None) -> Object:
    """Return the report of a eureka: how many callers route to the victim."""
    return {"t": "holders", "eureka": eureka, "holders": count, "process": process}


def test_noticed_when_the_callers_of_every_eureka_were_0_once() -> None:
    """Given three eurekas, when the count of each was 0 at some time, then the kill is noticed, although a
    crashed process registered again before the last one.
    """
    one = evidence()
    one.receive(holders("a", 2, 17), 0.0)
    one.receive(holders("b", 1), 0.0)
    one.receive(holders("c", 0), 0.0)
    one.act(10.0)
    one.receive(holders("a", 0), 10.020)
    assert not one.complete(10.021)
    one.receive(holders("a", 2), 10.025)
    one.receive(holders("b", 0), 10.030)

    assert (one.callers, one.noticed_ms, one.process) == (3, 30, 17)


def test_lost_eureka_delays_noticed_and_removed_eureka_does_not() -> None:
    """Given a lost connection, then the count of that eureka is unknown; given a removed eureka, then its
    callers no longer count.
    """
    one = evidence()
    for name in "ab":
        one.receive(holders(name, 1), 0.0)
    one.act(0.0)
    one.receive({"t": "lost", "eureka": "b"}, 0.1)
    one.receive({"t": "lost", "eureka": "unknown"}, 0.1)
    one.receive(holders("a", 0), 0.2)
    assert one.noticed_ms is None
    one.receive({"t": "gone", "eureka": "b"}, 0.3)

    assert one.noticed_ms == 300


def test_failed_requests_count_from_the_kill() -> None:
    """Given failed calls before the kill or after an undone kill, then they do not count."""
    one = evidence()
    failed = {"t": "hurt", "eureka": "a", "errors": {"reset": 2, "timeout": 1}}
    one.receive(failed, 0.0)
    one.act(1.0)
    one.receive(failed, 1.1)
    assert one.failed_requests == 3
    one.undo()
    one.receive(failed, 1.2)

    assert (one.failed_requests, one.acted_s) == (0, None)


def test_evidence_without_callers_or_replica_set_is_complete() -> None:
    """Given a pod without callers or a pod without a ReplicaSet, then no report of them is awaited; after a
    time limit, no evidence is.
    """
    called, uncalled, lone = evidence(), evidence(), evidence(replica_set=None)
    called.receive(holders("a", 1), 0.0)
    uncalled.receive(holders("a", 0), 0.0)
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
    assert late.callers is None  # no eureka has reported
    assert [False, True] == [late.complete(s) for s in (LONGEST_S - 1, LONGEST_S + 1)]


def pod(
    name: str, replica_set: str = "rs", restarts: int = 0, ready: bool = True, state: str = "running"
) -> Object:
    """Return a pod."""
    owner = {"kind": "ReplicaSet", "name": replica_set}
    return {
        "metadata": {"name": name, "uid": f"u-{name}", "ownerReferences": [owner]},
        "status": {
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"restartCount": restarts, "state": {state: {}}}],
        },
    }


def test_each_victim_has_its_own_replacement() -> None:
    """Given several victims, then each is replaced, in the order of the kills, by a ready pod of its
    ReplicaSet that did not exist before.
    """
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
    ids=["running", "ended", "waiting to be started", "started again", "Ready again"],
)
def test_crashed_pod_is_its_own_replacement(after: Object, ended: bool, replaced: bool) -> None:
    """Given a Crash, when the pod is Ready with a higher restart count than recorded, then it is its own
    replacement.
    """
    one = evidence(acted_s=1.0)
    find_replacements([one], "Crash", frozenset({"u-p"}), [after], 2.0)

    assert ended == has_ended(one.victim, [after])
    assert replaced == (one.replaced_by == "p")
    assert has_ended(one.victim, [])
