"""Two operators over one store: revisions of configurations, writes of the one that leads no more, Faults."""

from __future__ import annotations

import copy
from dataclasses import replace
from random import Random
from typing import Any, cast

import pytest

from spiko_nanoservice.contract import Configuration, Revision
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.execute import Executor
from spiko_operator.cluster.write_guard import WriteGuard
from spiko_operator.errors import NotLeader
from spiko_operator.plan.state import from_data
from tests.spiko_operator.handlers.test_shared_victims import run, victims, with_faults
from tests.support.fake_control_plane import FakeApi
from tests.support.settled_shop import shop
from tests.support.stored_cluster import KEYRING, NAMESPACE, GuardedApi, StoredCluster

Object = dict[str, Any]


def guard() -> WriteGuard:
    """Return a guard that permits writes until it is revoked."""
    made = WriteGuard(lambda: 0.0)
    made.extend(1.0)
    return made


def with_rate(rate: int) -> Object:
    """Return the Architecture with this rate, which is in its configuration."""
    body = copy.deepcopy(shop())
    body["spec"]["services"][2]["load"] = {"ratePerSecond": rate}
    return body


def recorded(cluster: StoredCluster) -> Revision:
    """Return the revision in the state."""
    data = cluster.get("ConfigMap", "shop-state")["data"]
    return from_data(data, KEYRING.state_key(NAMESPACE, "shop")).revision


def last(cluster: StoredCluster) -> Revision:
    """Return the revision of the last configuration that an operator sent."""
    return cluster.configurations[-1].revision


@pytest.mark.parametrize("seed", range(5))
async def test_revisions_of_a_new_leader_are_higher_than_those_of_the_old_one(seed: int) -> None:
    """Given two operators that lead in turns, each with a cache from when it last led, then each
    configuration has a revision of its own, the first change under a new leader gets one that is higher than
    all before, and the one that leads no more sends none that is not recorded.
    """
    random = Random(seed)
    guards = [guard(), guard()]
    first = StoredCluster(with_rate(1), guard=guards[0])
    operators = [first, StoredCluster(with_rate(1), api=first.api, guard=guards[1])]
    await first.settle()
    sent: dict[Revision, Configuration] = {}
    highest, rate = last(first), 1
    for turn in range(12):
        leading, standing_by = operators[turn % 2], operators[1 - turn % 2]
        guards[turn % 2].extend(1.0)
        for _ in range(random.randrange(1, 4)):
            rate += 1
            leading.put(with_rate(rate))
            if random.random() < 0.5:
                standing_by.deliver()
            await leading.settle()
            assert last(leading) > highest
            highest = last(leading)
            assert recorded(leading) == highest
        # Paused in the middle of a pass, with a change that it has seen and not recorded yet.
        rate += 1
        leading.put(with_rate(rate))
        leading.deliver()
        guards[turn % 2].revoke()
        with pytest.raises(NotLeader):
            await leading.run_pass()
        assert last(leading) == highest
        for configuration in (c for operator in operators for c in operator.configurations):
            assert sent.setdefault(configuration.revision, configuration) == configuration


async def test_state_of_a_new_leader_is_not_overwritten() -> None:
    """Given a leader that was stopped before it recorded a revision, when another one has recorded its own,
    then the write of the first one conflicts, also without a guard, and its configuration is not sent.
    """
    first = StoredCluster(with_rate(1))
    second = StoredCluster(with_rate(1), api=first.api)
    await first.settle()
    first.put(with_rate(2))
    first.deliver()
    first.put(with_rate(3))
    await second.settle()
    before = len(first.configurations)
    await first.run_pass()

    assert len(first.configurations) == before
    assert recorded(first) == last(second) > first.configurations[-1].revision


async def test_operator_that_leads_no_more_writes_nothing() -> None:
    """Given a cluster with much to restore, when the operator does not lead, then its pass ends at the first
    write, and no object, status or event is written.
    """
    permits = guard()
    cluster = StoredCluster(with_rate(1), guard=permits)
    await cluster.settle()
    cluster.put(with_rate(2))
    cluster.edit("Deployment", "shop-web-1-0-0-z0", {"spec": {"replicas": 9}})
    permits.revoke()
    cluster.api.events.clear()
    with pytest.raises(NotLeader):
        await cluster.reconcile()

    assert cluster.api.writes == cluster.api.events == []


@pytest.mark.parametrize("writes", range(8))
async def test_fault_is_continued_by_the_new_leader_and_no_pod_is_killed_twice(writes: int) -> None:
    """Given a Fault with three victims, when its operator loses leadership after some writes, then it writes
    nothing more, and another one finishes the Fault: three pods are killed, each once.
    """
    api = FakeApi()
    (name,) = with_faults(api, {"tier": "web", "count": 3})
    left = iter([0.0] * writes + [9.0] * 99)
    guard = WriteGuard(lambda: next(left))
    guard.extend(1.0)
    old, client = api.operator(), cast(Client, GuardedApi(api, guard))
    old = replace(old, client=client, executor=Executor(client, old.cache))
    with pytest.raises(NotLeader):
        await run(old, name)
    before = list(api.log)
    with pytest.raises(NotLeader):
        await run(old, name)
    assert api.log == before
    await run(api.operator(), name)

    killed = [victim["pod"] for victim in victims(api, name) if victim["state"] in ("Killed", "Gone")]
    assert sorted(api.killed()) == sorted(killed)
    assert len(set(killed)) == 3
