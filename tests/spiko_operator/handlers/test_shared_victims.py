"""Several Faults and a chaos monkey at once: no pod is the victim of two, and each reports its own kills."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from spiko_operator.context import Context
from spiko_operator.handlers.fault import inject
from spiko_operator.handlers.monkey import visit
from tests.support.fake_control_plane import NAMESPACE, SHOP, FakeApi

Object = dict[str, Any]
KEY = (NAMESPACE, SHOP)
METHODS = ["Delete", "Evict", "Crash"]


def with_faults(api: FakeApi, *kills: Object, deadline_s: int = 30) -> list[str]:
    """Put one Fault with the same seed for each kill; return their names."""
    if ("Architecture", SHOP) not in api.objects:
        api.put_architecture()
    for number, kill in enumerate(kills):
        spec = {
            "architecture": SHOP,
            "seed": 1,
            "startingDeadlineSeconds": deadline_s,
            "kill": {"method": "Delete"} | kill,
        }
        api.put("Fault", f"f{number}", spec=spec)
    return [f"f{number}" for number in range(len(kills))]


async def run(context: Context, name: str) -> None:
    """Run one Fault to its end."""
    for _ in range(60):
        if await inject(context, (NAMESPACE, name)) is None:
            return
        await asyncio.sleep(0)


def victims(api: FakeApi, name: str) -> list[Object]:
    """Return the victims of a Fault."""
    found: list[Object] = api.objects["Fault", name].get("status", {}).get("victims", [])
    return found


def condition(api: FakeApi, name: str, kind: str) -> str:
    """Return the reason of a condition of a Fault."""
    conditions = api.objects["Fault", name]["status"]["conditions"]
    return next((c["reason"] for c in conditions if c["type"] == kind), "")


@pytest.mark.parametrize("method", METHODS)
async def test_faults_of_one_apply_have_different_victims(method: str) -> None:
    """Given two Faults with the same seed at the same time, then no pod is the victim of both, and each has
    killed its own victims.
    """
    api = FakeApi()
    names = with_faults(api, *[{"tier": "web", "count": 3, "method": method}] * 2)
    context = api.operator()
    await asyncio.gather(*(run(context, name) for name in names))

    first, second = ([victim["pod"] for victim in victims(api, name)] for name in names)
    assert (3, 3, 6) == (len(first), len(second), len({*first, *second}))
    assert {"Killed"} == {victim["state"] for name in names for victim in victims(api, name)}
    assert sorted(api.killed()) == sorted(first + second)


async def test_fault_without_a_free_pod_waits_and_one_with_too_few_says_so() -> None:
    """Given four of six pods that another Fault is about to kill, then a second one gets the other two and
    says why, and a third one has none and waits.
    """
    api = FakeApi()
    api.evictions_left = 0
    names = with_faults(
        api,
        {"tier": "web", "count": 4, "method": "Evict"},
        {"tier": "web", "percent": 50, "method": "Evict"},
        {"tier": "web", "method": "Evict"},
    )
    context = api.operator()
    for name in names[:2]:
        assert await inject(context, (NAMESPACE, name)) == 0.0
    assert (await inject(context, (NAMESPACE, names[2])) or 0) > 0

    assert [4, 2, 0] == [len(victims(api, name)) for name in names]
    assert ["Valid", "FewerReady", "PodTaken"] == [condition(api, name, "Accepted") for name in names]


async def test_named_pod_that_is_a_victim_already_is_not_killed_twice() -> None:
    """Given a Fault that names the victim of another one, then it is refused, and the pod is killed once."""
    api = FakeApi()
    with_faults(api, {"tier": "web", "method": "Evict"})
    api.evictions_left = 0
    context = api.operator()
    assert await inject(context, (NAMESPACE, "f0")) == 0.0
    api.put("Fault", "f1", spec={"architecture": SHOP, "kill": {"pod": victims(api, "f0")[0]["pod"]}})
    context.cache.put("Fault", api.objects["Fault", "f1"])
    await inject(context, (NAMESPACE, "f1"))

    assert ("PodTaken", []) == (condition(api, "f1", "Accepted"), victims(api, "f1"))


async def test_victim_of_a_fault_that_has_ended_is_free() -> None:
    """Given a crashed pod, which is the same pod afterwards, then the next Fault may select it."""
    api = FakeApi()
    names = with_faults(api, *[{"tier": "web", "count": 6, "method": "Crash"}] * 2)
    context = api.operator()
    for name in names:
        await run(context, name)

    assert [6, 6] == [len(victims(api, name)) for name in names]


@pytest.mark.parametrize("method", ["Delete", "Evict"])
async def test_pod_that_another_client_ends_is_not_our_kill(method: str) -> None:
    """Given a recorded victim that another client deletes, before it is read or between that and the
    request, then it is Gone; a pod that only changed in between is Killed.
    """
    for moment, state in (("before", "Gone"), ("between", "Gone"), ("harmless", "Killed")):
        api = FakeApi()
        with_faults(api, {"tier": "web", "method": method})
        context = api.operator()
        assert await inject(context, (NAMESPACE, "f0")) == 0.0
        (victim,) = victims(api, "f0")
        if moment == "before":
            api.terminate(victim["pod"])
        elif moment == "between":
            api.after_read = [api.terminate]
        else:
            api.after_read = [api.touch]
        await run(context, "f0")

        assert (moment, state) == (moment, victims(api, "f0")[0]["state"])
        assert ([victim["pod"]] if state == "Killed" else []) == api.killed()


async def test_terminating_pod_is_not_crashed() -> None:
    """Given a recorded victim of a Crash that another client deletes, then it is Gone."""
    api = FakeApi()
    with_faults(api, {"tier": "web", "method": "Crash"})
    context = api.operator()
    await inject(context, (NAMESPACE, "f0"))
    api.terminate(victims(api, "f0")[0]["pod"])
    await run(context, "f0")

    assert ("Gone", []) == (victims(api, "f0")[0]["state"], api.killed())


def with_monkey(method: str = "Delete", pods: int = 6) -> FakeApi:
    """Return a control plane with a monkey whose first kill is overdue."""
    api = FakeApi(pods=pods)
    day = {"meanSeconds": 86_400, "minSeconds": 86_400}
    api.put_architecture({"mode": "Enforce", "method": method, **day, "seed": 5})
    due = {"draw": 0, "since": "2020-01-01T00:00:00Z", "nextAt": "2020-01-02T00:00:00Z"}
    api.objects["Architecture", SHOP]["status"]["chaos"] = {"mode": "Enforce", "seed": 5, **due}
    return api


def chaos(api: FakeApi) -> Object:
    """Return `status.chaos`."""
    found: Object = api.objects["Architecture", SHOP]["status"]["chaos"]
    return found


@pytest.mark.parametrize("first", ["monkey", "fault", "together"])
async def test_monkey_and_fault_have_different_victims(first: str) -> None:
    """Given a monkey and a Fault for all pods, in any order, then each has killed its own victims."""
    api = with_monkey()
    with_faults(api, {"tier": "web", "count": 4})
    context = api.operator()
    if first == "fault":
        await inject(context, (NAMESPACE, "f0"))
    works = [visit(context, KEY), run(context, "f0")]
    await asyncio.gather(*(works if first != "together" else reversed(works)))

    own, others = [kill["pod"] for kill in chaos(api)["recent"]], [v["pod"] for v in victims(api, "f0")]
    assert (1, 4, 5) == (len(own), len(others), len({*own, *others}))
    assert sorted(api.killed()) == sorted(own + others)


async def test_monkey_leaves_two_pods_beside_the_victims_of_faults() -> None:
    """Given a Fault that is about to kill all pods but one, then the monkey waits."""
    api = with_monkey()
    api.evictions_left = 0
    with_faults(api, {"tier": "web", "count": 5, "method": "Evict"})
    context = api.operator()
    await inject(context, (NAMESPACE, "f0"))

    assert await visit(context, KEY) == 1.0
    assert "web has fewer than 2 ready pods that no Fault kills" == chaos(api)["waiting"]


@pytest.mark.parametrize("method", ["Delete", "Evict"])
async def test_monkey_counts_no_kill_of_another_client(method: str) -> None:
    """Given a recorded victim that another client deletes before the monkey's request, then it is not
    counted, and another pod is drawn and counted.
    """
    api = with_monkey(method)
    api.after_read = [api.terminate]
    context = api.operator()
    await visit(context, KEY)
    gone = [pod["metadata"]["name"] for pod in api.pods() if "deletionTimestamp" in pod["metadata"]]
    assert (1, []) == (len(gone), api.killed())
    assert (0, None) == (chaos(api).get("kills", 0), chaos(api).get("victim"))

    api.finish_termination()
    for _ in range(5):
        await visit(context, KEY)
    assert 1 == chaos(api)["kills"]
    assert [kill["pod"] for kill in chaos(api)["recent"]] == api.killed() != gone


async def test_monkey_counts_no_victim_that_ended_while_a_budget_refused() -> None:
    """Given an eviction that a budget refuses, when another client deletes the victim meanwhile, then it is
    not counted.
    """
    api = with_monkey("Evict")
    api.evictions_left = 0
    context = api.operator()
    assert await visit(context, KEY) == 1.0
    api.terminate(chaos(api)["victim"]["pod"])
    api.evictions_left = 1
    await visit(context, KEY)

    assert (0, []) == (chaos(api).get("kills", 0), api.killed())
