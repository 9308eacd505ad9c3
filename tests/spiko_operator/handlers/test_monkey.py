"""The monkey acts once per draw, wherever its operator dies; what it writes is its own part of the status."""

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
    """A monkey whose first kill is long due, and whose second is not for a day."""
    made = FakeApi(**api)
    day = {"meanSeconds": 86_400, "minSeconds": 86_400}
    made.put_architecture({"mode": mode, "method": method, **day, "seed": seed})
    chaos = {"mode": mode, "seed": seed, "draw": 0, "since": LONG_AGO, "nextAt": "2020-01-02T00:00:00Z"}
    made.objects["Architecture", SHOP]["status"]["chaos"] = chaos
    return made


async def live(api: FakeApi, context: Context | None = None) -> Object:
    """Until nothing is due, with a new operator after each death; returns what the status says of chaos."""
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


async def test_a_kill_is_written_down_done_counted_and_measured() -> None:
    """Three writes, in this order, two events' worth of evidence, and the next is a day away."""
    api = switched_on()
    chaos = await live(api)

    assert ["status Architecture", f"delete {api.ended()[0]}", "status Architecture", "status Architecture"] == api.log
    assert (1, 1, None) == (chaos["kills"], chaos["draw"], chaos.get("victim"))
    (kill,) = chaos["recent"]
    assert (kill["pod"], kill["tier"], kill["failedRequests"]) == (api.ended()[0], "web", 1)
    assert kill["noticedMilliseconds"] <= kill["replacedMilliseconds"]
    assert [f"MonkeyKilled: kill 1: Delete without grace of pod {kill['pod']} (web, no zone)"] == api.events


@pytest.mark.parametrize("method", ["Evict", "Delete"])
@pytest.mark.parametrize("after", [False, True], ids=["before the write", "after the write"])
async def test_killed_at_any_write_one_draw_is_one_kill_and_is_counted(after: bool, method: str) -> None:
    """Given an operator that stops at any write, when the next one continues, then one pod is killed and counted once."""
    undisturbed = switched_on(method=method)
    await live(undisturbed)
    runs = [switched_on(method=method, cut_at=n, cut_after=after) for n in range(5)]
    chaos = await asyncio.gather(*(live(api) for api in runs))

    assert [undisturbed.ended()] * 5 == [api.ended() for api in runs]
    assert [(1, 1, None)] * 5 == [(c["kills"], c["draw"], c.get("victim")) for c in chaos]
    assert [undisturbed.ended()] * 5 == [[kill["pod"] for kill in c["recent"]] for c in chaos]


async def test_an_api_server_that_is_away_changes_nothing() -> None:
    """Failures at any moment, some of writes that were carried out: one kill, counted once."""
    runs = [switched_on(away_at=n, away=3) for n in range(10)]
    chaos = await asyncio.gather(*(live(api) for api in runs))

    assert {1} == {len(api.ended()) for api in runs} == {c["kills"] for c in chaos}


async def test_it_leaves_be_what_is_not_well() -> None:
    """Not Ready: nobody, and the reason; in a dry run nobody either, but its name."""
    waiting = switched_on()
    waiting.put_architecture({"mode": "Enforce", "meanSeconds": 86_400, "minSeconds": 86_400, "seed": 5}, ready=False)
    context = waiting.operator()
    assert [1.0, 1.0] == [await visit(context, KEY) for _ in range(2)]
    assert (["status Architecture"], "the architecture is not Ready") == (
        waiting.log,
        waiting.objects["Architecture", SHOP]["status"]["chaos"]["waiting"],
    )

    dry, real = switched_on("DryRun"), switched_on()
    chaos = await live(dry)
    await live(real)
    assert (["status Architecture"], 1, None) == (dry.log, chaos["draw"], chaos.get("kills"))
    assert f"MonkeyWouldKill: draw 0: pod {real.ended()[0]} (web, no zone)" in dry.events


async def test_off_writes_nothing_and_switching_off_ends_what_is_pending() -> None:
    """Given a victim that is written down, when the operator dies before the act and the monkey is switched off, then the pod lives."""
    never = FakeApi()
    never.put_architecture()
    assert ({}, []) == (await live(never), never.log)

    api = switched_on(cut_at=1)
    with pytest.raises(Cut):
        await visit(api.operator(), KEY)
    assert api.objects["Architecture", SHOP]["status"]["chaos"]["victim"]
    api.put_architecture({"mode": "Off"})
    chaos = await live(api)

    assert [] == api.ended()
    assert ("Off", None, None) == (chaos["mode"], chaos.get("victim"), chaos.get("kills"))


async def test_a_status_that_does_not_stay_is_not_written_again_and_again() -> None:
    """Given a CRD that does not know `status.chaos` yet, and so drops it, then nobody is ended, and it is tried every ten seconds."""
    api = switched_on()
    del api.objects["Architecture", SHOP]["status"]["chaos"]
    api.forgets = "chaos"
    context = api.operator()

    assert [10.0] * 3 == [await visit(context, KEY) for _ in range(3)]
    assert (["status Architecture"] * 3, []) == (api.log, api.ended())


async def test_over_many_seeds_everybody_is_drawn() -> None:
    """One kill each of sixty seeds: every pod's turn comes."""
    runs = [switched_on(seed=seed) for seed in range(60)]
    await asyncio.gather(*(live(api) for api in runs))

    assert len(Counter(api.ended()[0] for api in runs)) == 6


async def test_without_a_method_the_pod_is_evicted() -> None:
    """Given a monkey that leaves the method out, then its kill is an eviction, and the event says so."""
    api = switched_on()
    del api.objects["Architecture", SHOP]["spec"]["chaos"]["monkey"]["method"]
    await live(api)

    assert [f"evict {api.ended()[0]}"] == [entry for entry in api.log if entry != "status Architecture"]
    assert [f"MonkeyKilled: kill 1: Evict of pod {api.ended()[0]} (web, no zone)"] == api.events


async def test_an_eviction_that_a_budget_refuses_waits() -> None:
    """Given a budget without allowance, then no pod is killed, the status says why, and the victim stays recorded."""
    api = switched_on(method="Evict")
    api.evictions_left = 0
    context = api.operator()
    waits = [await visit(context, KEY) for _ in range(2)]
    chaos = api.objects["Architecture", SHOP]["status"]["chaos"]

    assert [1.0, 1.0] == waits
    assert ([], 0) == (api.ended(), chaos.get("kills", 0))
    assert chaos["waiting"].startswith("the eviction was refused: Cannot evict pod")
    assert "victim" in chaos
    writes = len(api.log)
    api.evictions_left = 1
    assert (await live(api))["kills"] == 1
    assert len(api.ended()) == 1
    assert len(api.log) > writes


async def test_the_seed_derives_from_the_uid_if_it_is_left_out() -> None:
    """Given a monkey without a seed, when it is switched on, then the status has a seed that follows from the UID."""
    api = FakeApi()
    api.put_architecture({"mode": "Enforce", "meanSeconds": 86_400})
    await visit(api.operator(), KEY)
    architecture = api.objects["Architecture", SHOP]

    assert architecture["status"]["chaos"]["seed"] == derive_seed(architecture["metadata"]["uid"])
