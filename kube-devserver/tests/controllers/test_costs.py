"""What controllers write and look up does not grow with the number of other objects."""

from __future__ import annotations

from collections import Counter

from devserver_support.control import NAMESPACE, Control, budget, control, deployment, pod
from kube_devserver.controllers.disruption import Disruption
from kube_devserver.controllers.placement import Load
from kube_devserver.controllers.workqueue import SPACING_S, Workqueue
from kube_devserver.objects.kinds import BUDGETS, DEPLOYMENTS, PODS, REPLICA_SETS, Body, Kind
from kube_devserver.storage.store import Event
from kube_devserver.storage.watch_cache import MODIFIED

REPLICAS = 10


def count_writes(made: Control) -> Counter[Kind]:
    """Return a counter of the updates that the store gets from now on, by kind."""
    found: Counter[Kind] = Counter()

    def count(event: Event) -> None:
        found[event.kind] += event.type == MODIFIED

    made.store.listeners.append(count)
    return found


def test_a_new_deployment_is_written_once_until_its_pods_run() -> None:
    """Given a node, when a Deployment is created, then its revision and its status are one write."""

    async def scenario(made: Control) -> None:
        made.start_node("n")
        await made.settle()
        written = count_writes(made)
        made.create(DEPLOYMENTS, deployment(replicas=REPLICAS))
        await made.settle()

        body = made.get(DEPLOYMENTS, "a")
        assert body is not None
        assert (body["status"]["replicas"], body["status"]["unavailableReplicas"]) == (REPLICAS, REPLICAS)
        assert body["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
        assert written[DEPLOYMENTS] == 1

    control(scenario)


def test_pods_that_become_ready_together_are_reported_together() -> None:
    """Given running pods, when they become ready within the spacing of syncs, then the statuses of their
    owners are written once for the first and once for the others.
    """

    async def scenario(made: Control) -> None:
        made.start_node("n")
        made.create(DEPLOYMENTS, deployment(replicas=REPLICAS))
        made.create(BUDGETS, budget(maxUnavailable=1))
        await made.settle()
        written = count_writes(made)
        for each in made.pods():
            made.set_ready(each["metadata"]["name"])
            await made.settle(SPACING_S / (2 * REPLICAS))
        await made.settle()

        body, allowed = made.get(DEPLOYMENTS, "a"), made.get(BUDGETS, "a")
        assert body is not None
        assert allowed is not None
        assert body["status"]["availableReplicas"] == REPLICAS
        assert allowed["status"]["disruptionsAllowed"] == 1
        assert max(written[kind] for kind in (DEPLOYMENTS, REPLICA_SETS, BUDGETS)) <= 2

    control(scenario)


def test_a_lone_change_is_reported_at_once() -> None:
    """Given a Deployment at rest, when a pod becomes ready, then its status follows without the spacing."""

    async def scenario(made: Control) -> None:
        made.start_node("n")
        made.create(DEPLOYMENTS, deployment(replicas=1))
        await made.settle()
        before = made.now()
        made.run_pods()
        while (made.get(DEPLOYMENTS, "a") or {})["status"].get("readyReplicas") != 1:
            await made.settle(0.0)

        assert (made.now() - before).total_seconds() < SPACING_S / 2

    control(scenario)


def test_only_the_budgets_of_its_pods_are_queued_for_a_scaled_owner() -> None:
    """Given many budgets, when a Deployment is created and scaled, then no other budget is read."""

    async def scenario(made: Control) -> None:
        disruption = Disruption(Workqueue(made.verbs, made.now))
        queued: list[tuple[str, ...]] = []
        made.store.listeners.append(
            lambda event: queued.extend(disruption.keys(event) if event.kind in disruption.watches else ())
        )
        for number in range(REPLICAS):
            made.create(BUDGETS, budget(f"a{number}", maxUnavailable=1))
        await made.settle()
        queued.clear()
        made.create(DEPLOYMENTS, deployment("a3", replicas=0))
        await made.settle()
        assert queued == []
        made.change(DEPLOYMENTS, "a3", spec=deployment("a3", replicas=1)["spec"])
        await made.settle()

        assert set(queued) == {(NAMESPACE, "a3")}

    control(scenario)


def test_only_the_sets_of_a_pod_without_a_controller_are_queued() -> None:
    """Given ReplicaSets of one pod, when a bare pod is created, then the set that selects it adopts it, and
    deletes one of its two.
    """

    async def scenario(made: Control) -> None:
        for name in ("a", "b"):
            made.create(REPLICA_SETS, deployment(name, replicas=1))
        await made.settle()
        made.create(PODS, pod("bare", "b"))
        await made.settle()

        assert sorted(map(owner, made.pods())) == ["a", "b"]

    control(scenario)


def owner(body: Body) -> str:
    """Name of an object's controller; empty if it has none."""
    return next((each["name"] for each in body["metadata"].get("ownerReferences", ())), "")


def test_counts_of_a_selector_follow_the_pods_of_a_node() -> None:
    """Given counts that were asked for, when pods come, change and go, then the counts are those of a node
    that is counted anew.
    """
    selectors: list[Body] = [
        {"matchLabels": {"app": "a"}},
        {"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]},
        {},
    ]
    load, pods = Load(), {}
    steps = [("p", "a"), ("q", "a"), ("r", "b"), ("p", "b"), ("q", ""), ("r", "a"), ("p", ""), ("r", "")]
    for name, app in steps:
        body = pod(name, app or "a")
        body["metadata"]["namespace"] = NAMESPACE
        if app:
            load.put(body)
            pods[name] = body
        else:
            load.remove(body)
            del pods[name]
        anew = Load()
        for each in pods.values():
            anew.put(each)
        for selector in selectors:
            assert load.count_matching(NAMESPACE, selector) == anew.count_matching(NAMESPACE, selector)
