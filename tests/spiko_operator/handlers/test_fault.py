"""A Fault is injected once, also if operators stop at any write and the API server is unavailable at any
time.
"""

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
    """Return a control plane with an Architecture and a Fault."""
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


async def run_to_end(api: FakeApi, context: Context | None = None) -> Object:
    """Run the Fault to its end, with a new operator after each stop; return its status."""
    context = context or api.operator()
    for _ in range(60):
        try:
            again = await inject(context, KEY)
        except Cut:
            context = api.operator()
        except ClusterError:
            continue  # the queue retries
        else:
            if again is None:
                break
    status: Object = api.objects["Fault", "f"]["status"]
    return status


def condition(status: Object, kind: str) -> tuple[str, str]:
    """Return status and reason of a condition."""
    return next(((c["status"], c["reason"]) for c in status["conditions"] if c["type"] == kind), ("", ""))


@pytest.mark.parametrize("method", METHODS)
async def test_victims_are_recorded_before_the_first_kill(method: str) -> None:
    """Given count 3, when nothing fails, then three pods are killed, each recorded before and its state
    written after the kill, with complete evidence.
    """
    api = prepared(kill={"method": method, "count": 3})
    status = await run_to_end(api)

    names = [victim["pod"] for victim in status["victims"]]
    assert (3, names) == (len(set(names)), api.killed())
    assert api.log[0] == "status Fault"
    assert ["Killed"] * 3 == [victim["state"] for victim in status["victims"]]
    assert ("True", "Killed") == condition(status, "Injected")
    assert ("True", "EvidenceComplete") == condition(status, "Ended")
    assert {method == "Crash"} == {victim["replacedBy"] == victim["pod"] for victim in status["victims"]}
    assert [method == "Crash"] * 3 == ["process" in victim for victim in status["victims"]]
    assert 3 == len([event for event in api.events if event.startswith("Killed:")])


@pytest.mark.parametrize("after", [False, True], ids=["before the write", "after the write"])
@pytest.mark.parametrize("method", METHODS)
async def test_operator_stopped_at_any_write_kills_each_victim_once(method: str, after: bool) -> None:
    """Given an operator that stops at any write, when the next one continues, then the victims are those of
    an undisturbed run, each killed once.
    """
    undisturbed = prepared(kill={"method": method, "count": 3})
    await run_to_end(undisturbed)
    runs = [
        prepared(kill={"method": method, "count": 3}, cut_at=n, cut_after=after)
        for n in range(len(undisturbed.log) + 2)
    ]
    statuses = await asyncio.gather(*(run_to_end(api) for api in runs))

    for api, status in zip(runs, statuses, strict=True):
        assert sorted(undisturbed.killed()) == sorted(api.killed())
        assert condition(status, "Ended")[0] == "True"
        assert {"Killed", "Gone"} >= {victim["state"] for victim in status["victims"]}
    if after:
        assert any("Gone" in {victim["state"] for victim in status["victims"]} for status in statuses)
    assert any(condition(status, "Ended")[1] == "EvidenceLost" for status in statuses)


@pytest.mark.parametrize(
    "method", [pytest.param(m, marks=[] if m == "Evict" else pytest.mark.long) for m in METHODS]
)
async def test_unavailable_api_server_loses_no_kill_and_no_evidence(method: str) -> None:
    """Given requests that fail at any time, also after they were executed, then every victim is killed once
    and the evidence is complete.
    """
    runs = [prepared(kill={"method": method, "count": 2}, away_at=n, away=3) for n in range(16)]
    statuses = await asyncio.gather(*(run_to_end(api) for api in runs))

    for api, status in zip(runs, statuses, strict=True):
        assert sorted(victim["pod"] for victim in status["victims"]) == sorted(api.killed())
        assert ["Killed"] * 2 == [victim["state"] for victim in status["victims"]]
        assert all("replacedMilliseconds" in victim for victim in status["victims"])
        assert ("True", "EvidenceComplete") == condition(status, "Ended")


async def test_evictions_wait_for_replacements() -> None:
    """Given a budget that allows one disruption, then each eviction waits for the previous replacement, and
    no pod is deleted instead.
    """
    api = prepared(kill={"count": 3})
    status = await run_to_end(api)

    assert [entry for entry in api.log if entry != "status Fault"] == [
        f"evict {v['pod']}" for v in status["victims"]
    ]
    assert all("refusedBy" not in victim for victim in status["victims"])


async def test_partial_success_is_reported() -> None:
    """Given a budget that allows one disruption and a short deadline, then one victim is Killed and the
    others are Refused.
    """
    api = prepared(kill={"count": 3}, deadline_s=1)
    api.evictions_left = 1
    status = await run_to_end(api)

    assert ["Killed", "Refused", "Refused"] == [victim["state"] for victim in status["victims"]]
    assert ("True", "KilledSome") == condition(status, "Injected")
    assert status["summary"].startswith("1 of 3 killed, 2 refused by a disruption budget, noticed after")
    assert [victim.get("refusedBy") for victim in status["victims"]] == [None, "shop-web", "shop-web"]


async def test_dry_run_kills_no_pod() -> None:
    """Given mode DryRun, then the status has the victims and their callers after one write, and no pod is
    killed.
    """
    api = prepared("DryRun", kill={"count": 3, "method": "Delete"})
    status = await run_to_end(api)

    assert ["status Fault"] == api.log
    assert {("Planned", 2)} == {(victim["state"], victim["callers"]) for victim in status["victims"]}
    assert ("False", "DryRun") == condition(status, "Injected")
    assert ("True", "DryRun") == condition(status, "Ended")


@pytest.mark.long
async def test_undelivered_crash_is_reported() -> None:
    """Given a pod without a session, one whose process changes, and one that keeps running after its crash
    request, then each state has its reason.
    """
    api = prepared(kill={"method": "Crash", "count": 3})
    await inject(api.operator(), KEY)
    uids = [victim["uid"] for victim in api.objects["Fault", "f"]["status"]["victims"]]
    api.objects["Fault", "f"]["status"]["victims"][0].pop("process")
    api.processes[uids[1]] += 1
    api.frozen.add(uids[2])
    status = await run_to_end(api, api.operator())

    assert [] == api.killed()
    assert ["Unreachable"] * 3 == [victim["state"] for victim in status["victims"]]
    assert [victim["message"] for victim in status["victims"]] == [
        "not connected to any eureka when the victims were recorded",
        "its process is not connected to any eureka",
        "a eureka forwarded the crash, but the process was still running after 5 s",
    ]
    assert status["summary"] == "0 of 3 killed, 3 unreachable"


async def test_crash_without_eurekas_is_unreachable() -> None:
    """Given no connected eureka, when a Crash is requested, then the victim is Unreachable after a short
    wait.
    """
    api = prepared(kill={"method": "Crash"})
    api.connected = 0
    api.deaf = {pod["metadata"]["uid"] for pod in api.pods()}
    status = await run_to_end(api)

    assert ("False", "Unreachable") == condition(status, "Injected")


async def test_no_pod_is_killed_after_the_deadline() -> None:
    """Given recorded victims, when an operator continues after the deadline, then they are Expired."""
    for method in METHODS:
        api = prepared(kill={"count": 2, "method": method})
        await inject(api.operator(), KEY)
        api.objects["Fault", "f"]["status"]["startedAt"] = "2020-01-01T00:00:00Z"
        status = await run_to_end(api)

        assert [] == api.killed()
        assert ["Expired"] * 2 == [victim["state"] for victim in status["victims"]]


async def test_deleting_the_fault_ends_it() -> None:
    """Given evictions that wait for a budget, when the Fault is deleted, then no other pod is evicted and
    nothing is written.
    """
    api = prepared(kill={"count": 3})
    api.evictions_left = 1
    context = api.operator()
    assert await inject(context, KEY) == 0.0  # the victims are recorded
    running = asyncio.create_task(inject(context, KEY))
    while len(api.killed()) < 1:
        await asyncio.sleep(0.01)
    context.cache.drop("Fault", api.objects.pop(("Fault", "f")))
    log = len(api.log)

    assert await asyncio.wait_for(running, 5) == 0.0
    assert await inject(context, KEY) is None
    assert len(api.log) <= log + 1
    assert len(api.killed()) == 1


async def test_missing_tier_is_retried_and_reported_once() -> None:
    """Given a tier without pods, then the condition names the field, is written once, and the tier is looked
    up again.
    """
    api = prepared(kill={"tier": "db"})
    context = api.operator()
    waits = [await inject(context, KEY) for _ in range(3)]

    assert [1.0] * 3 == waits
    assert ["status Fault"] == api.log
    assert ("False", "TierNotFound") == condition(api.objects["Fault", "f"]["status"], "Accepted")


async def test_missing_tier_ends_the_fault_after_the_deadline() -> None:
    """Given a tier that never has pods, when the deadline has passed, then Ended has the reason."""
    api = prepared(kill={"tier": "db"})
    await inject(api.operator(), KEY)
    api.objects["Fault", "f"]["status"]["startedAt"] = "2020-01-01T00:00:00Z"
    context = api.operator()

    assert await inject(context, KEY) is None
    assert ("True", "TierNotFound") == condition(api.objects["Fault", "f"]["status"], "Ended")
    assert await inject(context, KEY) is None
    assert ["status Fault"] * 2 == api.log


async def test_deadline_starts_when_the_architecture_is_ready() -> None:
    """Given an Architecture that is not Ready and a tier without pods, then the Fault waits; once Ready, the
    start is recorded.
    """
    api = prepared(kill={"tier": "db"}, deadline_s=1)
    api.put_architecture(ready=False)
    del api.objects["ConfigMap", "shop-state"]  # which says that it was Ready before
    waits = [await inject(api.operator(), KEY) for _ in range(2)]
    assert [1.0, 1.0] == waits
    assert "startedAt" not in api.objects["Fault", "f"]["status"]
    assert ("False", "ArchitectureNotReady") == condition(api.objects["Fault", "f"]["status"], "Accepted")

    api.put_architecture(ready=True)
    assert await inject(api.operator(), KEY) is not None
    assert "startedAt" in api.objects["Fault", "f"]["status"]


async def test_pod_with_labels_and_without_owners_is_not_selected() -> None:
    """Given a ready pod that has the labels of a web server and no owner, then no Fault selects it, neither
    by its tier nor by its name.
    """
    for kill, selected in (({"tier": "web", "count": 9}, 6), ({"pod": "stranger"}, 0)):
        api = prepared()
        api.objects["Fault", "f"]["spec"]["kill"] = kill
        api.add_stranger()
        await inject(api.operator(), KEY)

        status = api.objects["Fault", "f"]["status"]
        assert selected == len(status.get("victims", ()))
        assert "stranger" not in [victim["pod"] for victim in status.get("victims", ())]
        assert ("False", "PodNotFound") == condition(status, "Accepted") or selected


@pytest.mark.parametrize("started", [False, True], ids=["before its state", "after its state"])
async def test_fault_waits_for_the_first_ready_condition(started: bool) -> None:
    """Given a Fault that was applied with its Architecture, and pods that are Ready, then no pod is killed
    before the condition Ready is True: the state, which is written just before, is not enough.
    """
    api = prepared(kill={"method": "Delete"})
    api.put_architecture(ready=False)
    state = api.objects.pop(("ConfigMap", "shop-state"))
    await inject(api.operator(), KEY)
    if started:
        api.objects["ConfigMap", "shop-state"] = state
    for _ in range(3):
        assert await inject(api.operator(), KEY) is not None
    assert [] == api.killed()
    assert "victims" not in api.objects["Fault", "f"]["status"]

    api.put_architecture(ready=True)
    await run_to_end(api)
    assert 1 == len(api.killed())


async def test_fault_on_an_architecture_that_was_ready_before_does_not_wait() -> None:
    """Given an Architecture that was Ready once and is not now, then a new Fault kills a pod."""
    api = prepared(kill={"method": "Delete"})
    api.put_architecture(ready=False)
    await run_to_end(api)

    assert 1 == len(api.killed())


@pytest.mark.parametrize("mode", ["Enforce", "DryRun"])
async def test_delete_is_refused_without_the_right_to_delete_pods(mode: str) -> None:
    """Given an operator that may not delete pods, then a Fault with Delete ends at once, its status names
    field, value and remedy, and no pod is killed.
    """
    api = prepared(mode=mode, kill={"method": "Delete"})
    api.allow_delete = False
    status = await run_to_end(api)

    assert [] == api.killed()
    assert ("False", "DeleteNotAllowed") == condition(status, "Accepted")
    assert ("True", "DeleteNotAllowed") == condition(status, "Ended")
    assert 'spec.kill.method: "Delete": this operator may not delete pods' in status["summary"]
    assert "chaos.allowDelete=true" in status["summary"]
    assert "victims" not in status
    assert ["DeleteNotAllowed", "Ended"] == [event.partition(":")[0] for event in api.events]


@pytest.mark.parametrize("method", ["Evict", "Crash"])
async def test_other_methods_need_no_right_to_delete_pods(method: str) -> None:
    """Given an operator that may not delete pods, then the other methods work."""
    api = prepared(kill={"method": method})
    api.allow_delete = False
    status = await run_to_end(api)

    assert ("True", "Killed") == condition(status, "Injected")
    assert 1 == len(api.killed())


async def test_a_restarted_operator_without_the_right_ends_a_running_fault() -> None:
    """Given an operator that stops after it recorded three victims, when the next one may not delete pods,
    then it kills none of them, and the Fault ends.
    """
    api = prepared(kill={"method": "Delete", "count": 3}, cut_at=1)
    assert await inject(api.operator(), KEY) == 0.0
    with pytest.raises(Cut):
        await inject(api.operator(), KEY)
    api.allow_delete = False
    status = await run_to_end(api)

    assert [] == api.killed()
    assert ["Planned"] * 3 == [victim["state"] for victim in status["victims"]]
    assert ("True", "DeleteNotAllowed") == condition(status, "Ended")
