"""Nodes that fall silent, one by one or all at once; clocks that jump. What is expected is what Kubernetes' documentation of nodes says."""

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
    """Three nodes; on each a pod that bears its node's silence for five seconds."""
    for name in NODE_NAMES:
        made.start_node(name)
        made.create(PODS, pod(f"on-{name}", tolerations=[TOLERATION], nodeName=name))
        made.set_ready(f"on-{name}")
    await made.settle()


async def live(made: Control, seconds: int, *beating: str) -> None:
    """Time passes; the kubelet of some nodes renews their leases, and buries pods."""
    for _ in range(seconds // 10):
        made.beat(*beating)
        await made.settle(10.0)
        for each in made.pods():
            if each["metadata"].get("deletionTimestamp") and each["spec"]["nodeName"] in beating:
                made.delete(PODS, each["metadata"]["name"], gracePeriodSeconds=0)


def ready(made: Control) -> dict[str, str]:
    """What nodes say of themselves."""
    return {name: conditions(made.get(NODES, name))["Ready"] for name in NODE_NAMES}


def taints(made: Control, name: str) -> set[str]:
    """Effects of a node's taints."""
    node = made.get(NODES, name)
    assert node is not None
    return {taint["effect"] for taint in node.get("spec", {}).get("taints") or ()}


def staying(made: Control) -> list[str]:
    """Pods that nobody deletes."""
    return [each["metadata"]["name"] for each in made.pods() if not each["metadata"].get("deletionTimestamp")]


def test_a_silent_node_is_unknown_after_its_grace_and_loses_its_pods() -> None:
    """Not before 50 s; the others keep theirs."""

    async def scenario(made: Control) -> None:
        await start(made)
        await live(made, 40, "b", "c")
        assert ready(made) == {"a": "True", "b": "True", "c": "True"}
        await live(made, 30, "b", "c")

        assert ready(made) == {"a": "Unknown", "b": "True", "c": "True"}
        assert taints(made, "a") == {"NoSchedule", "NoExecute"}
        assert staying(made) == ["on-b", "on-c"]

    control(scenario)


def test_nobody_is_evicted_while_no_node_is_ready() -> None:
    """All fall silent: taints that evict go again, and pods stay, however long it takes."""

    async def scenario(made: Control) -> None:
        await start(made)
        await live(made, 600)

        assert set(ready(made).values()) == {"Unknown"}
        assert [taints(made, name) for name in NODE_NAMES] == [{"NoSchedule"}] * 3
        assert staying(made) == ["on-a", "on-b", "on-c"]

    control(scenario)


def test_eviction_begins_anew_when_a_node_comes_back() -> None:
    """The nodes that stay silent lose their pods then, after the pods' toleration_s."""

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
def test_a_jump_of_the_wall_clock_is_no_silence(hours: int) -> None:
    """A laptop that wakes, or a clock that is set: leases go on, nodes stay ready."""

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


def test_after_a_sleep_of_the_whole_machine_nodes_have_their_grace_again() -> None:
    """The first look comes before the first lease: it finds all silent for an hour, and gives them time."""

    async def scenario(made: Control) -> None:
        await start(made)
        await live(made, 30, *NODE_NAMES)
        made.sleep(3600.0)
        await made.settle(20.0)
        assert set(ready(made).values()) == {"True"}
        await live(made, 100, "b", "c")
        assert ready(made) == {"a": "Unknown", "b": "True", "c": "True"}

    control(scenario)


def test_pods_of_a_node_that_is_no_more_go_at_once() -> None:
    """Without grace: nobody is there to end them."""

    async def scenario(made: Control) -> None:
        await start(made)
        made.delete(NODES, "a")
        await made.settle()

        assert made.names(PODS) == ["on-b", "on-c"]

    control(scenario)


def test_toleration_s() -> None:
    """The shortest toleration counts, from when the taint was added; without one there is none."""

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
