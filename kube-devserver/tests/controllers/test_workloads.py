"""Deployments, ReplicaSets, budgets and the scheduler, as Kubernetes documents them."""

from __future__ import annotations

from typing import Any

import pytest

from devserver_support.control import (
    Control,
    budget,
    conditions,
    control,
    deployment,
    pod,
    replica_set,
    template,
)
from kube_devserver.controllers.placement import Candidate, Load, choose
from kube_devserver.controllers.replica_sets import choose as choose_victims
from kube_devserver.controllers.rolling import Limits, Set, proportions, read_limits, step
from kube_devserver.objects.kinds import BUDGETS, DEPLOYMENTS, PODS, REPLICA_SETS, Body

# ------------------------------------------------------------------ rolling updates, pure

LIMITS: list[tuple[str, int, dict[str, Any], Limits]] = [
    (
        "25% of 10: surge up, unavailable down",
        10,
        {"maxSurge": "25%", "maxUnavailable": "25%"},
        Limits(10, 3, 2),
    ),
    ("of one pod nothing may be away", 1, {"maxSurge": "25%", "maxUnavailable": "25%"}, Limits(1, 1, 0)),
    ("both zero would never move", 3, {"maxSurge": 0, "maxUnavailable": 0}, Limits(3, 0, 1)),
    ("no more away than there are", 2, {"maxSurge": 1, "maxUnavailable": 5}, Limits(2, 1, 2)),
]


@pytest.mark.parametrize(
    ("replicas", "rolling", "wanted"), [row[1:] for row in LIMITS], ids=[row[0] for row in LIMITS]
)
def test_limits(replicas: int, rolling: dict[str, Any], wanted: Limits) -> None:
    """Given percentages, when limits are read, then they are rounded so that a rollout can progress."""
    assert read_limits(replicas, rolling) == wanted


def one(name: str, replicas: int, available: int, created: str = "1", most: int = 0) -> Set:
    """A set."""
    return Set(name, replicas, available, created, most)


STEPS: list[tuple[str, Set | None, list[Set], Limits, dict[str, int]]] = [
    ("the first set is made whole", None, [], Limits(3, 1, 0), {"": 3}),
    ("a new one is made as large as the surge", None, [one("old", 10, 10)], Limits(10, 3, 2), {"": 3}),
    (
        "old pods go as far as availability allows",
        one("new", 3, 0),
        [one("old", 10, 10)],
        Limits(10, 3, 2),
        {"old": 8},
    ),
    ("the new set takes the room", one("new", 3, 0), [one("old", 8, 8)], Limits(10, 3, 2), {"new": 5}),
    (
        "sick pods of an old set go first",
        one("new", 1, 1),
        [one("sick", 2, 0, "1"), one("well", 2, 2, "2")],
        Limits(4, 1, 1),
        {"sick": 0},
    ),
    (
        "nothing may be away: one in, one out",
        one("new", 1, 1),
        [one("old", 3, 3)],
        Limits(3, 1, 0),
        {"old": 2},
    ),
    ("new pods are awaited", one("new", 1, 0), [one("old", 3, 3)], Limits(3, 1, 0), {}),
    ("a set that is too large shrinks", one("new", 5, 5), [], Limits(3, 1, 0), {"new": 3}),
    ("done", one("new", 3, 3), [one("old", 0, 0)], Limits(3, 1, 0), {}),
]


@pytest.mark.parametrize(
    ("new", "old", "limits", "wanted"), [row[1:] for row in STEPS], ids=[row[0] for row in STEPS]
)
def test_a_step_of_a_rollout(new: Set | None, old: list[Set], limits: Limits, wanted: dict[str, int]) -> None:
    """Given a state of a rollout, when the next step is computed, then it stays within the limits."""
    assert step(new, old, limits) == wanted


def test_a_rollout_never_exceeds_its_limits() -> None:
    """Given any start and slow pods, when a rollout runs, then total and available pods keep to the
    limits.
    """
    for surge, unavailable in ((1, 0), (0, 1), (3, 2)):
        limits, old, new = Limits(10, surge, unavailable), one("old", 10, 10), one("new", 0, 0)
        for _ in range(100):
            changes = step(new, [old], limits)
            new = one("new", changes.get("new", new.replicas), new.available, "2")
            old = one(
                "old", changes.get("old", old.replicas), min(old.available, changes.get("old", old.replicas))
            )
            assert old.replicas + new.replicas <= 10 + surge
            assert old.available + new.available >= 10 - unavailable
            new = one("new", new.replicas, min(new.replicas, new.available + 1), "2")
        assert (old.replicas, new.replicas) == (0, 10)


def test_scaling_during_a_rollout_is_proportional() -> None:
    """Given 8 and 5 replicas, when they are scaled from 10 to 15 with surge 3, then both sets grow as
    documented.
    """
    sets = [one("old", 8, 8, "1", 13), one("new", 5, 0, "2", 13)]

    assert proportions(sets, Limits(15, 3, 2)) == {"old": 11, "new": 7}


# ------------------------------------------------------------------ Deployments and ReplicaSets


async def run(made: Control, rounds: int = 20) -> None:
    """Let kubelets start pods and remove deleted ones."""
    for _ in range(rounds):
        await made.settle()
        made.run_pods()
    await made.settle()


def test_a_deployment_rolls_out_a_change_and_keeps_the_old_set() -> None:
    """Given a changed template, when it is rolled out, then the old set is kept with no replicas."""

    async def scenario(made: Control) -> None:
        made.start_node("n")
        body = made.create(DEPLOYMENTS, deployment())
        await run(made)
        assert conditions(made.get(DEPLOYMENTS, "a")) == {"Progressing": "True", "Available": "True"}
        changed = template("a", terminationGracePeriodSeconds=1)
        made.change(DEPLOYMENTS, "a", spec=body["spec"] | {"template": changed}, metadata={"name": "a"})
        await run(made)
        sets = [entry.body for entry in made.store.each(REPLICA_SETS)]
        revisions = {
            each["metadata"]["annotations"]["deployment.kubernetes.io/revision"]: each["spec"]["replicas"]
            for each in sets
        }

        assert revisions == {"1": 0, "2": 3}
        found = made.get(DEPLOYMENTS, "a")
        assert found is not None
        assert found["status"]["updatedReplicas"] == found["status"]["availableReplicas"] == 3

    control(scenario)


def test_recreate_waits_until_the_old_pods_are_deleted() -> None:
    """Given the strategy Recreate, when the template changes, then new pods wait for the old ones' end."""

    async def scenario(made: Control) -> None:
        made.start_node("n")
        body = made.create(DEPLOYMENTS, deployment(strategy={"type": "Recreate"}))
        await run(made)
        before = set(made.names(PODS))
        changed = template("a", terminationGracePeriodSeconds=1)
        made.change(DEPLOYMENTS, "a", spec=body["spec"] | {"template": changed}, metadata={"name": "a"})
        await made.settle(5.0)
        assert set(made.names(PODS)) == before
        await run(made)
        assert len(made.pods()) == 3
        assert not before & set(made.names(PODS))

    control(scenario)


def test_a_deployment_reports_that_it_does_not_progress() -> None:
    """Given pods that never become ready, when the deadline has passed, then Progressing is False."""

    async def scenario(made: Control) -> None:
        made.create(DEPLOYMENTS, deployment(progressDeadlineSeconds=60))
        await made.settle(50.0)
        assert conditions(made.get(DEPLOYMENTS, "a"))["Progressing"] == "True"
        await made.settle(20.0)
        assert conditions(made.get(DEPLOYMENTS, "a")) == {"Progressing": "False", "Available": "False"}

    control(scenario)


def test_a_set_replaces_pods_and_adopts_orphans() -> None:
    """Given a deleted pod and an orphan that matches, when the set is processed, then the orphan counts."""

    async def scenario(made: Control) -> None:
        made.create(PODS, pod("orphan"))
        made.create(REPLICA_SETS, replica_set())
        await made.settle()
        assert "orphan" in made.names(PODS)
        assert len(made.pods()) == 3
        made.delete(PODS, "orphan")
        await made.settle()
        assert "orphan" not in made.names(PODS)
        assert len(made.pods()) == 3

    control(scenario)


def test_a_large_set_is_created_and_scaled_in_slices() -> None:
    """Given many replicas, when they are created, then all pods come and the status counts them."""

    async def scenario(made: Control) -> None:
        body = made.create(REPLICA_SETS, replica_set(replicas=90))
        for replicas in (90, 25, 0):
            made.change(REPLICA_SETS, "a", spec=body["spec"] | {"replicas": replicas}, metadata={"name": "a"})
            await made.settle()
            found = made.get(REPLICA_SETS, "a")
            assert found is not None
            assert len(made.pods()) == found["status"]["replicas"] == replicas

    control(scenario)


def victim(
    name: str, node: str = "n", phase: str = "Running", ready: str = "True", cost: str = "0", since: str = "1"
) -> Body:
    """A pod that is a candidate for deletion."""
    time = f"2026-01-01T00:00:0{since}Z"
    status = {"phase": phase, "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": time}]}
    annotations = {"controller.kubernetes.io/pod-deletion-cost": cost}
    metadata = {"name": name, "annotations": annotations, "creationTimestamp": time}
    return {"metadata": metadata, "spec": {"nodeName": node}, "status": status}


def test_the_order_of_deletion_when_a_set_shrinks() -> None:
    """Given various pods, when a set shrinks, then pods without a node, pending and unready ones are deleted
    first.
    """
    pods = [
        victim("old"), victim("young", since="5"), victim("crowded", "m"), victim("cheap", cost="-1"),
        victim("unready", ready="False"),
        victim("pending", phase="Pending"), victim("homeless", ""),
    ]  # fmt: skip
    order = [each["metadata"]["name"] for each in choose_victims(pods, 7, {"m": 2, "n": 1})]

    assert order == ["homeless", "pending", "unready", "cheap", "crowded", "young", "old"]


# ------------------------------------------------------------------ budgets

BUDGET_ROWS: list[tuple[str, dict[str, Any], int, int]] = [
    ("one may be away", {"maxUnavailable": 1}, 3, 1),
    ("a quarter of four, rounded up", {"maxUnavailable": "25%"}, 3, 1),
    ("half must stay, rounded up", {"minAvailable": "50%"}, 2, 2),
    ("all must stay", {"minAvailable": 4}, 4, 0),
    ("more than there are", {"minAvailable": 9}, 9, 0),
]


@pytest.mark.parametrize(
    ("spec", "desired", "allowed"), [row[1:] for row in BUDGET_ROWS], ids=[row[0] for row in BUDGET_ROWS]
)
def test_a_budget_counts_the_desired_pods_of_their_owner(
    spec: dict[str, Any], desired: int, allowed: int
) -> None:
    """Given four ready pods, when one becomes unready, then the budget allows one disruption less."""

    async def scenario(made: Control) -> None:
        made.start_node("n")
        made.create(BUDGETS, budget(**spec))
        made.create(DEPLOYMENTS, deployment(replicas=4))
        await run(made, 3)
        found = made.get(BUDGETS, "a")
        assert found is not None
        assert (found["status"]["desiredHealthy"], found["status"]["disruptionsAllowed"]) == (
            desired,
            allowed,
        )
        made.set_ready(made.names(PODS)[0], ready=False)
        await made.settle()
        found = made.get(BUDGETS, "a")
        assert found is not None
        assert found["status"]["disruptionsAllowed"] == max(0, allowed - 1)

    control(scenario)


# ------------------------------------------------------------------ placement, pure


def candidate(name: str, *pods: Body, zone: str = "z", **parts: Any) -> Candidate:
    """A node with pods on it."""
    load = Load()
    for number, each in enumerate(pods):
        load.put(each | {"metadata": each["metadata"] | {"name": f"{name}-{number}"}})
    status = {"allocatable": {"cpu": "1", "pods": "10"}}
    return Candidate({"metadata": {"name": name, "labels": {"zone": zone}}, "status": status} | parts, load)


def asking(cpu: str, **spec: Any) -> Body:
    """A pod that requests CPU."""
    found = pod(**spec)
    found["spec"]["containers"][0]["resources"] = {"requests": {"cpu": cpu}}
    return found


HARD: dict[str, Any] = {"topologySpreadConstraints": [
    {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
     "labelSelector": {"matchLabels": {"app": "a"}}}
]}  # fmt: skip
PREFERENCE = {
    "weight": 1,
    "preference": {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["y"]}]},
}
TAINTED: dict[str, Any] = {"spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]}}
PLACES: list[tuple[str, Body, list[Candidate], str | None]] = [
    ("the emptier node", pod(), [candidate("n", pod()), candidate("m")], "m"),
    ("no node", pod(), [], None),
    ("a taint", pod(), [candidate("n", **TAINTED)], None),
    ("a taint that is tolerated", pod(tolerations=[{"operator": "Exists"}]), [candidate("n", **TAINTED)],
     "n"),
    ("closed", pod(), [candidate("n", spec={"unschedulable": True})], None),
    ("a selector", pod(nodeSelector={"zone": "y"}), [candidate("n"), candidate("m", pod(), zone="y")], "m"),
    ("not enough CPU", asking("600m"), [candidate("n", asking("500m")),
            candidate("m", asking("100m"), asking("100m"))], "m"),
    ("a spread that must be kept", pod(**HARD), [candidate("n", pod()),
            candidate("m", pod("q", "b"), pod("q", "b"), zone="y")], "m"),
    ("a spread that cannot be kept", pod(**HARD), [candidate("n", pod()),
            candidate("m", zone="y", **TAINTED)], None),
    ("a preference before emptiness",
     pod(affinity={"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [PREFERENCE]}}),
     [candidate("n"), candidate("m", pod("q", "b"), zone="y")], "m"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "candidates", "wanted"), [row[1:] for row in PLACES], ids=[row[0] for row in PLACES]
)
def test_the_node_of_a_pod(body: Body, candidates: list[Candidate], wanted: str | None) -> None:
    """Given a pod and nodes, when it is scheduled, then filters exclude nodes and scores choose one of the
    rest.
    """
    name, why = choose(body, candidates)

    assert name == wanted
    assert bool(why) == (wanted is None)


def test_the_reasons_why_a_pod_fits_no_node() -> None:
    """Given a pod that fits no node, when it is scheduled, then the message counts each reason."""
    candidates = [candidate("a", **TAINTED), candidate("b", asking("1")), candidate("c", asking("1"))]

    assert (
        choose(asking("1"), candidates)[1]
        == "0/3 nodes are available: 1 node(s) had untolerated taint {k: }, 2 Insufficient cpu."
    )


def test_a_load_forgets_deleted_pods() -> None:
    """Given a node's load, when pods change or are deleted, then its sums and groups follow."""
    load, body = Load(), asking("250m")
    load.put(body)
    load.put(body | {"metadata": body["metadata"] | {"deletionTimestamp": "2026-01-01T00:00:00Z"}})
    assert len(load) == 1
    assert load.count_matching("", {}) == 0  # a pod that is being deleted does not count
    load.remove(body)
    load.remove(body)
    assert (len(load), sum(load.requests.values())) == (0, 0)


def test_a_waiting_pod_is_placed_when_a_node_arrives() -> None:
    """Given a pod that fits no node, when a node arrives, then it is placed; until then it reports why it
    waits.
    """

    async def scenario(made: Control) -> None:
        made.create(PODS, pod())
        await made.settle()
        assert conditions(made.get(PODS, "p")) == {"PodScheduled": "False"}
        made.start_node("n")
        await made.settle()
        found = made.get(PODS, "p")
        assert found is not None
        assert found["spec"]["nodeName"] == "n"

    control(scenario)
