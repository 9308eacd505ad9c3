"""A Fault is carried out once, wherever its operator dies and whenever the API server is away."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from spiko_operator.context import Context
from spiko_operator.errors import ClusterError
from spiko_operator.handlers.fault import inject
from tests.support.fake_control_plane import NAMESPACE, Cut, FakeApi

Object = dict[str, Any]
KEY = (NAMESPACE, "f")
METHODS = ["Delete", "Evict", "Crash"]


def prepared(mode: str = "Enforce", deadline_s: int = 30, kill: Object | None = None, **api: Any) -> FakeApi:
    """A Fault and its Architecture."""
    made = FakeApi(**api)
    made.put_architecture()
    spec = {
        "architecture": "shop",
        "mode": mode,
        "startingDeadlineSeconds": deadline_s,
        "kill": {"tier": "web", **(kill or {})},
    }
    made.put("Fault", "f", spec=spec)
    return made


async def carry_out(api: FakeApi, context: Context | None = None) -> Object:
    """To the end, with a new operator after each death; returns the status."""
    context = context or api.operator()
    for _ in range(60):
        try:
            again = await inject(context, KEY)
        except Cut:
            context = api.operator()
        except ClusterError:
            continue  # the queue comes again
        else:
            if again is None:
                break
    status: Object = api.objects["Fault", "f"]["status"]
    return status


def condition(status: Object, kind: str) -> tuple[str, str]:
    """Status and reason."""
    return next(((c["status"], c["reason"]) for c in status["conditions"] if c["type"] == kind), ("", ""))


@pytest.mark.parametrize("method", METHODS)
async def test_all_are_written_down_before_the_first_is_touched(method: str) -> None:
    """Given count 3, when nothing disturbs, then three different ones end, each written down before and its state after; evidence is complete."""
    api = prepared(kill={"method": method, "count": 3})
    status = await carry_out(api)

    names = [victim["pod"] for victim in status["victims"]]
    assert (3, names) == (len(set(names)), api.ended())
    assert api.log[0] == "status Fault"
    assert ["Killed"] * 3 == [victim["state"] for victim in status["victims"]]
    assert ("True", "Killed") == condition(status, "Injected")
    assert ("True", "EvidenceComplete") == condition(status, "Ended")
    assert {method == "Crash"} == {victim["replacedBy"] == victim["pod"] for victim in status["victims"]}
    assert [method == "Crash"] * 3 == ["process" in victim for victim in status["victims"]]
    assert 3 == len([event for event in api.events if event.startswith("Killed:")])


@pytest.mark.parametrize("after", [False, True], ids=["before the write", "after the write"])
@pytest.mark.parametrize("method", METHODS)
async def test_killed_at_any_write_each_victim_ends_once_and_all_of_them(method: str, after: bool) -> None:
    """Given an operator that dies at any write, when the next goes on, then the victims are those of an undisturbed run, each ended once."""
    undisturbed = prepared(kill={"method": method, "count": 3})
    await carry_out(undisturbed)
    runs = [
        prepared(kill={"method": method, "count": 3}, cut_at=n, cut_after=after)
        for n in range(len(undisturbed.log) + 2)
    ]
    statuses = await asyncio.gather(*(carry_out(api) for api in runs))

    for api, status in zip(runs, statuses, strict=True):
        assert sorted(undisturbed.ended()) == sorted(api.ended())
        assert condition(status, "Ended")[0] == "True"
        assert {"Killed", "Gone"} >= {victim["state"] for victim in status["victims"]}
    if after:
        assert any("Gone" in {victim["state"] for victim in status["victims"]} for status in statuses)
    assert any(condition(status, "Ended")[1] == "EvidenceLost" for status in statuses)


@pytest.mark.parametrize("method", METHODS)
async def test_an_api_server_that_is_away_costs_neither_a_kill_nor_evidence(method: str) -> None:
    """Given answers that fail at any moment, some of them to writes that were carried out, then all are killed once and the evidence is there."""
    runs = [prepared(kill={"method": method, "count": 2}, away_at=n, away=3) for n in range(16)]
    statuses = await asyncio.gather(*(carry_out(api) for api in runs))

    for api, status in zip(runs, statuses, strict=True):
        assert sorted(victim["pod"] for victim in status["victims"]) == sorted(api.ended())
        assert ["Killed"] * 2 == [victim["state"] for victim in status["victims"]]
        assert all("replacedMilliseconds" in victim for victim in status["victims"])
        assert ("True", "EvidenceComplete") == condition(status, "Ended")


async def test_evictions_go_one_after_another() -> None:
    """The budget allows one: each waits for the replacement of the one before, and none is deleted instead."""
    api = prepared(kill={"count": 3})
    status = await carry_out(api)

    assert [entry for entry in api.log if entry != "status Fault"] == [f"evict {v['pod']}" for v in status["victims"]]
    assert all("refusedBy" not in victim for victim in status["victims"])


async def test_partial_success_is_said() -> None:
    """Given a budget that allows one and a deadline that is too short for more, then one is killed, and the others are refused by it."""
    api = prepared(kill={"count": 3}, deadline_s=1)
    api.evictions_left = 1
    status = await carry_out(api)

    assert ["Killed", "Refused", "Refused"] == [victim["state"] for victim in status["victims"]]
    assert ("True", "KilledSome") == condition(status, "Injected")
    assert status["summary"].startswith("1 of 3 killed, 2 refused by a disruption budget, noticed after")
    assert [victim.get("refusedBy") for victim in status["victims"]] == [None, "shop-web", "shop-web"]


async def test_a_dry_run_touches_nobody() -> None:
    """The victims, who knows them, and one write."""
    api = prepared("DryRun", kill={"count": 3, "method": "Delete"})
    status = await carry_out(api)

    assert ["status Fault"] == api.log
    assert {("Planned", 2)} == {(victim["state"], victim["callers"]) for victim in status["victims"]}
    assert ("False", "DryRun") == condition(status, "Injected")
    assert ("True", "DryRun") == condition(status, "Ended")


async def test_a_crash_that_reaches_nobody_says_so() -> None:
    """A pod without a session, one that changes its process in between, one that is told and goes on."""
    api = prepared(kill={"method": "Crash", "count": 3})
    await inject(api.operator(), KEY)
    uids = [victim["uid"] for victim in api.objects["Fault", "f"]["status"]["victims"]]
    api.objects["Fault", "f"]["status"]["victims"][0].pop("process")
    api.processes[uids[1]] += 1
    api.frozen.add(uids[2])
    status = await carry_out(api, api.operator())

    assert [] == api.ended()
    assert ["Unreachable"] * 3 == [victim["state"] for victim in status["victims"]]
    assert [victim["message"] for victim in status["victims"]] == [
        "not connected to any eureka when the victims were recorded",
        "its process is not connected to any eureka",
        "acknowledged the crash request but was still running after 5 s",
    ]
    assert status["summary"] == "0 of 3 killed, 3 unreachable"


async def test_without_eurekas_a_crash_reaches_nobody() -> None:
    """Nobody is connected: a second is waited, then that is said."""
    api = prepared(kill={"method": "Crash"})
    api.connected = 0
    api.deaf = {pod["metadata"]["uid"] for pod in api.pods()}
    status = await carry_out(api)

    assert ("False", "Unreachable") == condition(status, "Injected")


async def test_nobody_is_touched_after_the_deadline() -> None:
    """Given an operator that comes back long after the victims were written down, then they are let be."""
    for method in METHODS:
        api = prepared(kill={"count": 2, "method": method})
        await inject(api.operator(), KEY)
        api.objects["Fault", "f"]["status"]["startedAt"] = "2020-01-01T00:00:00Z"
        status = await carry_out(api)

        assert [] == api.ended()
        assert ["Expired"] * 2 == [victim["state"] for victim in status["victims"]]


async def test_deleting_the_fault_ends_it() -> None:
    """Given evictions that wait for a budget, when the Fault is deleted, then nobody else is evicted and nothing is written."""
    api = prepared(kill={"count": 3})
    api.evictions_left = 1
    context = api.operator()
    assert await inject(context, KEY) == 0.0  # the victims are written down
    running = asyncio.create_task(inject(context, KEY))
    while len(api.ended()) < 1:
        await asyncio.sleep(0.01)
    context.cache.drop("Fault", api.objects.pop(("Fault", "f")))
    log = len(api.log)

    assert await asyncio.wait_for(running, 5) == 0.0
    assert await inject(context, KEY) is None
    assert len(api.log) <= log + 1
    assert len(api.ended()) == 1


async def test_a_tier_that_is_not_there_yet_is_waited_for() -> None:
    """The condition names the field; it is looked for again, and not written twice."""
    api = prepared(kill={"tier": "db"})
    context = api.operator()
    waits = [await inject(context, KEY) for _ in range(3)]

    assert [1.0] * 3 == waits
    assert ["status Fault"] == api.log
    assert ("False", "TierNotFound") == condition(api.objects["Fault", "f"]["status"], "Accepted")


async def test_a_tier_that_never_comes_is_not_waited_for_for_ever() -> None:
    """Whoever waits for the end of it learns after the deadline why nothing happened."""
    api = prepared(kill={"tier": "db"})
    await inject(api.operator(), KEY)
    api.objects["Fault", "f"]["status"]["startedAt"] = "2020-01-01T00:00:00Z"
    context = api.operator()

    assert await inject(context, KEY) is None
    assert ("True", "TierNotFound") == condition(api.objects["Fault", "f"]["status"], "Ended")
    assert await inject(context, KEY) is None
    assert ["status Fault"] * 2 == api.log


async def test_the_deadline_does_not_begin_before_the_architecture_is_ready() -> None:
    """Given an Architecture that is not Ready and a tier without pods, then the Fault waits; once Ready, the start is recorded."""
    api = prepared(kill={"tier": "db"}, deadline_s=1)
    api.put_architecture(ready=False)
    del api.objects["ConfigMap", "shop-state"]  # which says that it was Ready before
    waits = [await inject(api.operator(), KEY) for _ in range(2)]
    assert [1.0, 1.0] == waits
    assert "startedAt" not in api.objects["Fault", "f"]["status"]

    api.put_architecture(ready=True)
    assert await inject(api.operator(), KEY) is not None
    assert "startedAt" in api.objects["Fault", "f"]["status"]
