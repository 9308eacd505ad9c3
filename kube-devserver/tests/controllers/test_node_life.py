"""Silent nodes and jumping clocks, as Kubernetes documents the life cycle of nodes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from devserver_support.control import Control, conditions, control, pod
from kube_devserver.controllers.node_life import toleration_s
from kube_devserver.objects.kinds import NODES, PODS

UNREACHABLE = "node.kubernetes.io/unreachable"
TOLERATION = {"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
NODE_NAMES = ("a", "b", "c")


async def start(made: Control) -> None:
    """Three nodes, each with a pod that tolerates its node's silence for five seconds."""
    for name in NODE_NAMES:
        made.start_node(name)
        made.create(PODS, pod(f"on-{name}", tolerations=[TOLERATION], nodeName=name))
        made.set_ready(f"on-{name}")
    await made.settle()


async def live(made: Control, seconds: int, *beating: str) -> None:
    """Let time pass while the kubelets of some nodes renew leases and remove deleted pods."""
    for _ in range(seconds // 10):
        made.beat(*beating)
        await made.settle(10.0)
        for each in made.pods():
            if each["metadata"].get("deletionTimestamp") and each["spec"]["nodeName"] in beating:
                made.delete(PODS, each["metadata"]["name"], gracePeriodSeconds=0)


def ready(made: Control) -> dict[str, str]:
    """The status of the nodes' condition Ready."""
    return {name: conditions(made.get(NODES, name))["Ready"] for name in NODE_NAMES}


def taints(made: Control, name: str) -> set[str]:
    """Effects of a node's taints."""
    node = made.get(NODES, name)
    assert node is not None
    return {taint["effect"] for taint in node.get("spec", {}).get("taints") or ()}


def staying(made: Control) -> list[str]:
    """Pods that are not being deleted."""
    return [each["metadata"]["name"] for each in made.pods() if not each["metadata"].get("deletionTimestamp")]


def test_a_silent_node_becomes_unknown_and_loses_its_pods() -> None:
    """Given one silent node, when 50 s have passed, then it is Unknown and only its pods are deleted."""

    async def scenario(made: Control) -> None:
        await start(made)
        await live(made, 40, "b", "c")
        assert ready(made) == {"a": "True", "b": "True", "c": "True"}
        await live(made, 30, "b", "c")

        assert ready(made) == {"a": "Unknown", "b": "True", "c": "True"}
        assert taints(made, "a") == {"NoSchedule", "NoExecute"}
        assert staying(made) == ["on-b", "on-c"]

    control(scenario)


def test_no_pod_is_evicted_while_no_node_is_ready() -> None:
    """Given all nodes silent, when much time passes, then no taint evicts and all pods stay."""

    async def scenario(made: Control) -> None:
        await start(made)
        await live(made, 600)

        assert set(ready(made).values()) == {"Unknown"}
        assert [taints(made, name) for name in NODE_NAMES] == [{"NoSchedule"}] * 3
        assert staying(made) == ["on-a", "on-b", "on-c"]

    control(scenario)


def test_eviction_resumes_when_a_node_returns() -> None:
    """Given all nodes silent, when one returns, then the others' pods are deleted after their toleration."""

    async def scenario(made: Control) -> None:
        await start(made)
        await live(made, 100)
        made.start_node_again("a")
        await made.settle()
        assert taints(made, "a") == set()
        assert taints(made, "b") == {"NoSchedule", "NoExecute"}
        assert len(staying(made)) == 3
        await live(made, 20, "a")
        assert staying(made) == ["on-a"]

    control(scenario)


@pytest.mark.parametrize("hours", [1, -1])
def test_a_jump_of_the_wall_clock_does_not_count_as_silence(hours: int) -> None:
    """Given a wall clock that jumps, when leases are renewed, then nodes stay ready."""

    async def scenario(made: Control) -> None:
        await start(made)
        await live(made, 40, *NODE_NAMES)
        made.jump = timedelta(hours=hours)
        await made.settle(20.0)
        assert set(ready(made).values()) == {"True"}
        await live(made, 100, *NODE_NAMES)
        assert set(ready(made).values()) == {"True"}
        assert len(staying(made)) == 3

    control(scenario)


def test_after_a_sleep_of_the_machine_nodes_get_their_full_grace() -> None:
    """Given a machine that slept an hour, when the first check comes before any lease, then no node is
    silent.
    """

    async def scenario(made: Control) -> None:
        await start(made)
        await live(made, 30, *NODE_NAMES)
        made.sleep(3600.0)
        await made.settle(20.0)
        assert set(ready(made).values()) == {"True"}
        await live(made, 100, "b", "c")
        assert ready(made) == {"a": "Unknown", "b": "True", "c": "True"}

    control(scenario)


def test_pods_of_a_deleted_node_are_deleted_at_once() -> None:
    """Given a node without a kubelet, when the node is deleted, then its pods are deleted without grace."""

    async def scenario(made: Control) -> None:
        await start(made)
        made.delete(NODES, "a")
        await made.settle()

        assert made.names(PODS) == ["on-b", "on-c"]

    control(scenario)


def test_toleration_s() -> None:
    """Given several tolerations, when they are compared, then the shortest one counts from the taint's
    time.
    """

    async def scenario(made: Control) -> None:
        taint = {"key": UNREACHABLE, "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"}
        node = {"spec": {"taints": [taint, {"key": "x", "effect": "NoSchedule"}]}}
        now = made.now().replace(minute=0, second=3, microsecond=0)

        assert toleration_s(pod(), node, now) == 0.0
        assert toleration_s(pod(tolerations=[TOLERATION]), node, now) == 2.0
        assert toleration_s(pod(tolerations=[TOLERATION | {"tolerationSeconds": -1}]), node, now) == -3.0
        assert toleration_s(pod(tolerations=[{"operator": "Exists"}]), node, now) is None
        assert toleration_s(pod(), {}, now) is None

    control(scenario)
