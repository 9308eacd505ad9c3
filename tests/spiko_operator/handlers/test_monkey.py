"""The chaos monkey kills once per draw, also if operators stop at any write, and writes only its part of the
status.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from spiko_operator.context import Context
from spiko_operator.errors import ClusterError
from spiko_operator.handlers.monkey import visit
from spiko_operator.plan.faults.fault_status import derive_seed
from tests.support.fake_control_plane import NAMESPACE, SHOP, Cut, FakeApi

Object = dict[str, Any]
KEY = (NAMESPACE, SHOP)
LONG_AGO = "2020-01-01T00:00:00Z"


def switched_on(mode: str = "Enforce", seed: int = 5, method: str = "Delete", **api: Any) -> FakeApi:
    """Return a control plane with a monkey whose first kill is overdue and whose
    second is not due for a day.
    """
    made = FakeApi(**api)
    day = {"meanSeconds": 86_400, "minSeconds": 86_400}
    made.put_architecture({"mode": mode, "method": method, **day, "seed": seed})
    chaos = {"mode": mode, "seed": seed, "draw": 0, "since": LONG_AGO, "nextAt": "2020-01-02T00:00:00Z"}
    made.objects["Architecture", SHOP]["status"]["chaos"] = chaos
    return made


async def run_until_idle(api: FakeApi, context: Context | None = None) -> Object:
    """Run until nothing is due, with a new operator after each stop; return `status.chaos`."""
    context = context or api.operator()
    for _ in range(40):
        try:
            again = await visit(context, KEY)
        except Cut:
            context = api.operator()
        except ClusterError:
            continue
        else:
            if again is None or again > 60:
                break
    chaos: Object = api.objects["Architecture", SHOP]["status"].get("chaos", {})
    return chaos


async def test_kill_is_recorded_executed_counted_and_measured() -> None:
    """Given a kill that is due, then the victim is recorded, killed, counted and measured, in this order, and
    the next kill is not due for a day.
    """
    api = switched_on()
    chaos = await run_until_idle(api)

    assert [
        "status Architecture",
        f"delete {api.killed()[0]}",
        "status Architecture",
        "status Architecture",
    ] == api.log
    assert (1, 1, None) == (chaos["kills"], chaos["draw"], chaos.get("victim"))
    (kill,) = chaos["recent"]
    assert (kill["pod"], kill["tier"], kill["failedRequests"]) == (api.killed()[0], "web", 1)
    assert kill["noticedMilliseconds"] <= kill["replacedMilliseconds"]
    assert [f"MonkeyKilled: kill 1: Delete without grace of pod {kill['pod']} (web, no zone)"] == api.events


@pytest.mark.parametrize("method", ["Evict", "Delete"])
@pytest.mark.parametrize("after", [False, True], ids=["before the write", "after the write"])
async def test_operator_stopped_at_any_write_kills_and_counts_once(after: bool, method: str) -> None:
    """Given an operator that stops at any write, when the next one continues, then one pod is killed and
    counted once.
    """
    undisturbed = switched_on(method=method)
    await run_until_idle(undisturbed)
    runs = [switched_on(method=method, cut_at=n, cut_after=after) for n in range(5)]
    chaos = await asyncio.gather(*(run_until_idle(api) for api in runs))

    assert [undisturbed.killed()] * 5 == [api.killed() for api in runs]
    assert [(1, 1, None)] * 5 == [(c["kills"], c["draw"], c.get("victim")) for c in chaos]
    assert [undisturbed.killed()] * 5 == [[kill["pod"] for kill in c["recent"]] for c in chaos]


async def test_unavailable_api_server_kills_and_counts_once() -> None:
    """Given requests that fail at any time, also after they were executed, then one pod is killed and counted
    once.
    """
    runs = [switched_on(away_at=n, away=3) for n in range(10)]
    chaos = await asyncio.gather(*(run_until_idle(api) for api in runs))

    assert {1} == {len(api.killed()) for api in runs} == {c["kills"] for c in chaos}


async def test_no_kill_while_not_ready_and_in_a_dry_run() -> None:
    """Given an Architecture that is not Ready, then no pod is killed and the status has the reason; in a dry
    run, an event names the pod.
    """
    waiting = switched_on()
    waiting.put_architecture(
        {"mode": "Enforce", "meanSeconds": 86_400, "minSeconds": 86_400, "seed": 5}, ready=False
    )
    context = waiting.operator()
    assert [1.0, 1.0] == [await visit(context, KEY) for _ in range(2)]
    assert (["status Architecture"], "the architecture is not Ready") == (
        waiting.log,
        waiting.objects["Architecture", SHOP]["status"]["chaos"]["waiting"],
    )

    dry, real = switched_on("DryRun"), switched_on()
    chaos = await run_until_idle(dry)
    await run_until_idle(real)
    assert (["status Architecture"], 1, None) == (dry.log, chaos["draw"], chaos.get("kills"))
    assert f"MonkeyWouldKill: draw 0: pod {real.killed()[0]} (web, no zone)" in dry.events


async def test_off_writes_nothing_and_releases_a_recorded_victim() -> None:
    """Given a recorded victim, when the operator stops before the kill and the monkey is switched off, then
    the pod is not killed.
    """
    never = FakeApi()
    never.put_architecture()
    assert ({}, []) == (await run_until_idle(never), never.log)

    api = switched_on(cut_at=1)
    with pytest.raises(Cut):
        await visit(api.operator(), KEY)
    assert api.objects["Architecture", SHOP]["status"]["chaos"]["victim"]
    api.put_architecture({"mode": "Off"})
    chaos = await run_until_idle(api)

    assert [] == api.killed()
    assert ("Off", None, None) == (chaos["mode"], chaos.get("victim"), chaos.get("kills"))


async def test_dropped_status_is_retried_every_ten_seconds() -> None:
    """Given a CRD without `status.chaos`, which drops the status, then no pod is killed, and the write is
    retried every 10 s.
    """
    api = switched_on()
    del api.objects["Architecture", SHOP]["status"]["chaos"]
    api.forgets = "chaos"
    context = api.operator()

    assert [10.0] * 3 == [await visit(context, KEY) for _ in range(3)]
    assert (["status Architecture"] * 3, []) == (api.log, api.killed())


async def test_every_pod_is_drawn_over_many_seeds() -> None:
    """Given sixty seeds with one kill each, then every pod is killed at least once."""
    runs = [switched_on(seed=seed) for seed in range(60)]
    await asyncio.gather(*(run_until_idle(api) for api in runs))

    assert len(Counter(api.killed()[0] for api in runs)) == 6


async def test_without_a_method_the_pod_is_evicted() -> None:
    """Given a monkey without a method, then its kill is an eviction, and the event says so."""
    api = switched_on()
    del api.objects["Architecture", SHOP]["spec"]["chaos"]["monkey"]["method"]
    await run_until_idle(api)

    assert [f"evict {api.killed()[0]}"] == [entry for entry in api.log if entry != "status Architecture"]
    assert [f"MonkeyKilled: kill 1: Evict of pod {api.killed()[0]} (web, no zone)"] == api.events


async def test_refused_eviction_keeps_the_victim_recorded() -> None:
    """Given a budget without allowance, then no pod is killed, the status says why, and the victim stays
    recorded.
    """
    api = switched_on(method="Evict")
    api.evictions_left = 0
    context = api.operator()
    waits = [await visit(context, KEY) for _ in range(2)]
    chaos = api.objects["Architecture", SHOP]["status"]["chaos"]

    assert [1.0, 1.0] == waits
    assert ([], 0) == (api.killed(), chaos.get("kills", 0))
    assert chaos["waiting"].startswith("the eviction was refused: Cannot evict pod")
    assert "victim" in chaos
    writes = len(api.log)
    api.evictions_left = 1
    assert (await run_until_idle(api))["kills"] == 1
    assert len(api.killed()) == 1
    assert len(api.log) > writes


async def test_the_seed_derives_from_the_uid_if_it_is_left_out() -> None:
    """Given a monkey without a seed, when it is switched on, then the status has a
    seed derived from the UID.
    """
    api = FakeApi()
    api.put_architecture({"mode": "Enforce", "meanSeconds": 86_400})
    await visit(api.operator(), KEY)
    architecture = api.objects["Architecture", SHOP]

    assert architecture["status"]["chaos"]["seed"] == derive_seed(architecture["metadata"]["uid"])


async def test_pod_with_labels_and_without_owners_is_not_drawn() -> None:
    """Given two ready pods, one of which has no owner, then the monkey waits: it kills no last pod."""
    api = switched_on(pods=1)
    api.add_stranger()
    chaos = await run_until_idle(api)

    assert ([], "web has fewer than 2 ready pods") == (api.killed(), chaos["waiting"])


async def test_deployment_with_labels_and_without_owners_does_not_stop_the_monkey() -> None:
    """Given a Deployment that has the labels of the tier and no owner, then its replicas do not count as
    missing pods.
    """
    api = switched_on()
    api.put("Deployment", "stranger", spec={"replicas": 50}, labels={"spiko.dev/tier": "web"})
    chaos = await run_until_idle(api)

    assert (1, 1) == (chaos["kills"], len(api.killed()))


async def test_delete_is_refused_once_without_the_right_to_delete_pods() -> None:
    """Given an operator that may not delete pods, then a monkey with Delete kills none: status and one event
    name field, value and remedy, also after a restart.
    """
    api = switched_on()
    api.allow_delete = False
    chaos = await run_until_idle(api)
    assert await visit(api.operator(), KEY) is None

    assert ([], ["status Architecture"]) == (api.killed(), api.log)
    assert chaos["waiting"].startswith('spec.chaos.monkey.method: "Delete": this operator may not delete')
    assert "chaos.allowDelete=true" in chaos["waiting"]
    assert [f"DeleteNotAllowed: {chaos['waiting']}"] == api.events
    assert {"waiting"} == set(chaos)


async def test_a_refused_monkey_starts_with_another_method_or_the_right() -> None:
    """Given a refused monkey, when its method becomes Evict or the operator gets the right, then its schedule
    starts; when it is switched off, then the reason disappears.
    """
    for edit, allowed, mode in (
        ({"mode": "Enforce", "method": "Evict"}, False, "Enforce"),
        ({"mode": "Enforce", "method": "Delete"}, True, "Enforce"),
        ({"mode": "Off", "method": "Delete"}, False, None),
    ):
        api = switched_on()
        api.allow_delete = False
        await run_until_idle(api)
        api.allow_delete = allowed
        api.put_architecture(edit | {"meanSeconds": 86_400, "minSeconds": 86_400})
        chaos = await run_until_idle(api)

        assert (mode, None) == (chaos.get("mode"), chaos.get("waiting"))
        assert [] == api.killed()


async def test_a_recorded_victim_is_released_without_the_right_to_delete_pods() -> None:
    """Given an operator that stops between record and kill, when the next one may not delete pods, then the
    victim lives and is released.
    """
    api = switched_on(cut_at=1)
    with pytest.raises(Cut):
        await visit(api.operator(), KEY)
    api.allow_delete = False
    chaos = await run_until_idle(api)

    assert [] == api.killed()
    assert {"waiting"} == set(chaos)
