"""Operators that compete for the Lease in the store of the development API server, in simulated time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar, cast

import pytest

from spiko_operator.cluster.client import Client
from spiko_operator.errors import ClusterError
from spiko_operator.leader import Elector
from spiko_operator.plan.leadership import DURATION_S
from spiko_operator.plan.names import LEASE
from tests.support.late_loop import SkippingLoop
from tests.support.stored_cluster import NAMESPACE, StoredApi

Object = dict[str, Any]
HORIZON_S = 900.0
T = TypeVar("T")


def simulate(scenario: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in simulated time."""
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        return runner.run(scenario)


def now_s() -> float:
    """Return the simulated time."""
    return asyncio.get_running_loop().time()


@dataclass
class Network:
    """The way of one process to the store: how long a message travels, and which ones are lost.

    A paused process sends nothing and gets no response until `paused_until_s`.
    """

    api: StoredApi
    random: Random = field(default_factory=lambda: Random(1))
    longest_s: float = 0.01
    lost: float = 0.0  # share of the messages
    cut: bool = False
    paused_until_s: float = 0.0

    async def get(self, kind: str, namespace: str, name: str) -> Object:
        """Send a read."""
        return await self._exchange(lambda: self.api.get(kind, namespace, name))

    async def create(self, kind: str, body: Object, manager: str) -> Object:
        """Send a write."""
        return await self._exchange(lambda: self.api.create(kind, body, manager))

    async def replace(self, kind: str, body: Object, manager: str) -> Object:
        """Send a write."""
        return await self._exchange(lambda: self.api.replace(kind, body, manager))

    async def _exchange(self, ask: Callable[[], Awaitable[Object]]) -> Object:
        await self._travel()
        try:
            return await ask()
        finally:
            await self._travel()

    async def _travel(self) -> None:
        await self._resume()
        await asyncio.sleep(self.random.random() * self.longest_s)
        if self.cut or self.random.random() < self.lost:
            raise ClusterError("the connection was closed")
        await self._resume()

    async def _resume(self) -> None:
        while now_s() < self.paused_until_s:
            await asyncio.sleep(self.paused_until_s - now_s())


@dataclass
class Process:
    """One operator process; its clock has an offset and a rate of its own."""

    network: Network
    name: str
    offset_s: float = 0.0
    rate: float = 1.0
    ended: bool = False

    def __post_init__(self) -> None:
        self.elector = Elector(cast(Client, self.network), NAMESPACE, self.name, self._clock)
        self.task = asyncio.get_running_loop().create_task(self._run())

    def _clock(self) -> float:
        return self.offset_s + self.rate * now_s()

    async def _run(self) -> None:
        await self.elector.run()
        self.ended = True

    async def kill(self) -> None:
        """End the process without a chance to release the Lease."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def stop(self) -> None:
        """End the process as SIGTERM does."""
        await self.kill()
        await self.elector.release()


async def until_led(process: Process) -> float:
    """Wait until a process leads; return how long that took."""
    began_s = now_s()
    async with asyncio.timeout(60):
        await process.elector.elected.wait()
    return now_s() - began_s


def lease(api: StoredApi) -> Object:
    """Return the spec of the Lease."""
    (body,) = api.bodies("Lease")
    spec: Object = body["spec"]
    return spec


def test_second_operator_waits_and_takes_over_at_once_after_a_stop() -> None:
    """Given two operators, when the leader stops, then the Lease has no holder, and the other one leads
    within the retry period, as the first transition.
    """

    async def scenario() -> None:
        api = StoredApi()
        first, second = Process(Network(api), "a"), Process(Network(api), "b", offset_s=-3600.0)
        await until_led(first)
        before = lease(api)
        await asyncio.sleep(60)
        assert (first.elector.is_leader, second.elector.is_leader) == (True, False)
        assert lease(api)["acquireTime"] == before["acquireTime"] < lease(api)["renewTime"]
        await first.stop()
        released = lease(api)
        took_s = await until_led(second)

        assert released["holderIdentity"] == ""
        assert (released["leaseDurationSeconds"], released["leaseTransitions"]) == (1, 0)
        assert took_s < 2.1
        assert (lease(api)["holderIdentity"], lease(api)["leaseTransitions"]) == ("b", 1)
        await second.stop()

    simulate(scenario())


def test_killed_leader_is_replaced_when_its_lease_has_ended() -> None:
    """Given a leader that is killed, then the standby leads 15 s after it saw the last renewal."""

    async def scenario() -> None:
        api = StoredApi()
        first, second = Process(Network(api), "a"), Process(Network(api), "b")
        await until_led(first)
        await asyncio.sleep(30)
        await first.kill()
        took_s = await until_led(second)

        assert DURATION_S - 2.1 < took_s < DURATION_S + 2.1
        await second.stop()

    simulate(scenario())


def test_leader_that_cannot_renew_stops_before_another_one_leads(caplog: pytest.LogCaptureFixture) -> None:
    """Given a leader that the API server does not answer, then its guard refuses writes after 10 s, it ends
    with one line, and the standby leads later.
    """

    async def scenario() -> None:
        api = StoredApi()
        first, second = Process(Network(api), "a"), Process(Network(api), "b")
        await until_led(first)
        await asyncio.sleep(30)
        first.network.cut = True
        await asyncio.sleep(7.9)
        assert first.elector.is_leader
        await asyncio.sleep(2.2)
        assert not first.elector.is_leader
        await asyncio.sleep(1)
        assert (first.ended, second.elector.is_leader) == (True, False)
        await until_led(second)
        await second.stop()

    with caplog.at_level(logging.WARNING):
        simulate(scenario())
    why = "the Lease was not renewed within 10 s: the connection was closed"
    assert [record.getMessage() for record in caplog.records] == [
        f"leadership is lost, stopping the process: {why}"
    ]


def test_lease_taken_by_another_holder_ends_leadership(caplog: pytest.LogCaptureFixture) -> None:
    """Given a leader, when another holder is written into the Lease, then the leader stops and names it."""

    async def scenario() -> None:
        api = StoredApi()
        first = Process(Network(api), "a")
        await until_led(first)
        body = await api.get("Lease", NAMESPACE, LEASE)
        body["spec"]["holderIdentity"] = "z"
        await api.replace("Lease", body, "kubectl")
        await asyncio.sleep(4.5)

        assert first.ended
        assert lease(api)["holderIdentity"] == "z"

    with caplog.at_level(logging.ERROR):
        simulate(scenario())
    assert "stopping the process: z holds the Lease" in caplog.text


def test_deleted_lease_is_created_again_by_its_holder() -> None:
    """Given two operators, when a user deletes the Lease, then the leader goes on, and the standby does not
    acquire what it saw held less than 15 s ago.
    """

    async def scenario() -> None:
        api = StoredApi()
        first, second = Process(Network(api), "a"), Process(Network(api), "b")
        await until_led(first)
        for _ in range(10):
            await asyncio.sleep(3.3)
            await api.delete("Lease", NAMESPACE, LEASE, "")
        await asyncio.sleep(5)

        assert (first.elector.is_leader, second.elector.is_leader) == (True, False)
        assert lease(api)["holderIdentity"] == "a"
        await first.stop()
        await second.stop()

    simulate(scenario())


def test_label_on_the_lease_does_not_end_leadership() -> None:
    """Given a leader, when a user labels the Lease, then the next renewals keep the label and leadership."""

    async def scenario() -> None:
        api = StoredApi()
        first = Process(Network(api), "a")
        await until_led(first)
        body = await api.get("Lease", NAMESPACE, LEASE)
        body["metadata"]["labels"]["team"] = "x"
        await api.replace("Lease", body, "kubectl")
        await asyncio.sleep(30)

        assert first.elector.is_leader
        assert api.bodies("Lease")[0]["metadata"]["labels"]["team"] == "x"
        await first.stop()

    simulate(scenario())


def test_leader_whose_process_was_paused_ends_although_its_lease_is_free() -> None:
    """Given a single operator that is paused for 30 s, when it continues, then it does not lead again: a
    write may have been refused meanwhile, and its key is not processed again.
    """

    async def scenario() -> None:
        api = StoredApi()
        first = Process(Network(api), "a")
        await until_led(first)
        await asyncio.sleep(1.0)
        first.network.paused_until_s = now_s() + 30
        await asyncio.sleep(35)

        assert first.ended
        assert not first.elector.is_leader
        assert lease(api)["holderIdentity"] == "a"

    simulate(scenario())


@pytest.mark.parametrize("seed", range(8))
def test_no_two_guards_permit_writes_at_the_same_time(seed: int) -> None:
    """Given three operators with clocks of different offset and rate, lost messages, pauses of 1 to 40 s at
    random moments, kills and restarts, then never do two permit writes in 15 minutes, and mostly one does.
    """
    random = Random(seed)

    async def scenario() -> tuple[int, int, int]:
        api = StoredApi()
        processes = [_start(api, random, number) for number in range(3)]
        two = one = changes = 0
        leader = ""
        while now_s() < HORIZON_S:
            await asyncio.sleep(0.05 + random.random() * 0.1)
            leading = [process for process in processes if process.elector.is_leader]
            two += len(leading) > 1
            one += len(leading) == 1
            if len(leading) == 1 and leading[0].name != leader:
                leader, changes = leading[0].name, changes + 1
            for place, process in enumerate(processes):
                if process.ended or random.random() < 0.001:
                    await (process.stop() if random.random() < 0.5 else process.kill())
                    processes[place] = _start(api, random, int(now_s() * 1000) * 3 + place)
                elif random.random() < 0.003:
                    process.network.paused_until_s = now_s() + random.uniform(1, 40)
        for process in processes:
            await process.kill()
        return two, one, changes

    two, one, changes = simulate(scenario())
    assert two == 0
    assert one > HORIZON_S / 0.1 / 3
    assert changes > 5


def _start(api: StoredApi, random: Random, number: int) -> Process:
    network = Network(api, Random(number), longest_s=random.choice((0.01, 0.3, 3.0)), lost=0.02)
    offset_s, rate = random.uniform(-1e6, 1e6), random.uniform(0.95, 1.05)
    return Process(network, f"operator-{number}", offset_s, rate)
