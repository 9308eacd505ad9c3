"""Rings on loopback: reads and writes from any node, other zones and regions, owners that are away, keys that move."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
from town import Town, ask, town, until

from spiko_nanoservice.contract import Configuration, Place, Revision, TierConfig, VersionConfig, Zones
from spiko_nanoservice.http_client import Pool
from spiko_nanoservice.http_server import Request
from spiko_nanoservice.pod import TierPod
from spiko_nanoservice.rings import slot_of
from spiko_nanoservice.roles.ring import RingNode

REGIONS = {"r": "ab", "s": "xy"}
_counter = itertools.count(1)


def cluster(size: int, regions: str = "r", dependencies: tuple[str, ...] = ("cass", "eureka"), zones: str = "") -> Configuration:  # fmt: skip
    """A ring of `size` in each zone of some regions."""
    places = tuple(Place(r, zone, size) for r in regions for zone in zones or REGIONS[r])
    tier = TierConfig("cass", "priamCassandra", dependencies, places, (VersionConfig("1.0.0", 100, places),))
    known = tuple(Zones(r, tuple(zones or REGIONS[r])) for r in regions)
    return Configuration("arch", Revision(0, next(_counter)), known, (tier,))


class Rings:
    """The nodes of a town's rings."""

    def __init__(self, made: Town) -> None:
        self.town = made
        self.log: list[tuple[str, str]] = []  # who was asked for what, in order
        self._numbers = itertools.count()

    async def start(self, configuration: Configuration) -> None:
        """Eurekas and full rings."""
        for region in configuration.regions:
            for zone in region.zones:
                await self.town.add_eureka(zone, configuration, SPIKO_REGION=region.region)
        for place in configuration.tiers[0].places:
            for _ in range(place.size):
                await self.add(place.region, place.zone)
        await self.settle(configuration.tiers[0].places[0].size)

    async def add(self, region: str, zone: str) -> TierPod:
        """One more node."""
        name = f"{zone}{next(self._numbers)}"
        pod = await self.town.add(name, "cass", "priamCassandra", SPIKO_ZONE=zone, SPIKO_REGION=region)
        handle = pod.server.handler

        def record(request: Request) -> None:
            self.log.append((name, f"{request.method.decode()} {request.path.decode().rpartition('/')[0]}"))
            handle(request)

        pod.server.handler = record
        return pod

    def configure(self, configuration: Configuration) -> None:
        """What the operator tells every eureka."""
        for eureka in self.town.eurekas.values():
            eureka.eureka.carry_out(eureka.eureka.registry.configure(configuration, time.monotonic()))

    def nodes(self, zone: str) -> dict[int, TierPod]:
        """A zone's ring, by slot."""
        pods = [p for p in self.town.pods.values() if p.settings.zone == zone]
        return {slot: p for p in pods if (slot := node(p).ring.own) is not None}

    async def settle(self, size: int, others: bool = True) -> None:
        """Wait until every ring is full and every node has heard from all that they are done."""

        def settled() -> bool:
            pods = list(self.town.pods.values())
            sites = {(p.settings.region, p.settings.zone) for p in pods}
            return all(
                set(range(size)) == set(self.nodes(zone))
                and all(node(p).ring.size == size and is_clean(p) for p in self.nodes(zone).values())
                for _, zone in sites
            ) and (not others or all(len(p.tier.routes.instances) == len(pods) - 1 for p in pods))

        await until(settled, 10.0)

    async def quiet(self) -> None:
        """Wait until nobody works on anything."""
        await until(lambda: not any(p.tier.busy for p in self.town.pods.values()))


@asynccontextmanager
async def ring_town() -> AsyncIterator[Rings]:
    """An empty town; at the end the tier is taken out of the configuration, so that nodes wait for no successor."""
    async with town() as t:
        rings = Rings(t)
        try:
            yield rings
        finally:
            rings.configure(Configuration("arch", Revision(0, next(_counter)), (Zones("r", ("a",)),), ()))


def is_clean(pod: TierPod) -> bool:
    """Whether it has told all others that it has nothing of theirs."""
    return pod._mover is not None and pod._mover.clean.is_set()


def node(pod: TierPod) -> RingNode:
    """Its role."""
    assert pod.tier.ring is not None
    return pod.tier.ring


def key_of(slot: int, size: int) -> str:
    """A key that a slot owns."""
    return next(key for n in itertools.count() if slot_of((key := f"key{n}").encode(), size) == slot)


async def test_any_node_reads_and_writes_for_its_ring() -> None:
    """A PUT at one node is kept by the owner, a GET at another finds it, with one hop each; an unknown key is a miss."""
    async with ring_town() as rings:
        await rings.start(cluster(3, dependencies=("cass",), zones="a"))
        nodes = rings.nodes("a")
        key = key_of(2, 3)

        put = await ask(nodes[0], "PUT", f"/k/{key}", b"1")
        got = [await ask(nodes[slot], "GET", f"/k/{key}") for slot in range(3)]
        missed = await ask(nodes[0], "GET", f"/k/{key}x")
        born = await ask(nodes[0], "GET", "/k/why%3F")
        holders = [slot for slot, pod in nodes.items() if key.encode() in node(pod).values]
        asked = [what for _, what in rings.log if what != "POST "]

    assert [200] + [200] * 3 == [put.status, *(g.status for g in got)]
    assert [b"1"] * 3 == [g.body for g in got]
    assert (404, 200, b"because...") == (missed.status, born.status, born.body)
    assert [2] == holders
    assert ["PUT /k", "PUT /owned"] + ["GET /k", "GET /owned"] * 2 + ["GET /k"] == asked[:7]


async def test_a_node_that_sees_nobody_owns_everything() -> None:
    """A tier that does not depend on itself has no ring: each node keeps what it gets."""
    async with ring_town() as rings:
        t = rings.town
        configuration = cluster(2, dependencies=(), zones="a")
        await t.add_eureka("a", configuration)
        first, second = await rings.add("r", "a"), await rings.add("r", "a")
        await until(lambda: first.tier.ready and second.tier.ready)

        put = await ask(first, "PUT", "/k/x", b"1")
        got, missed = await ask(first, "GET", "/k/x"), await ask(second, "GET", "/k/x")

    assert (200, 200, 404) == (put.status, got.status, missed.status)


@pytest.mark.parametrize("slot", [0, 1], ids=["at the owner", "at another node"])
async def test_a_write_reaches_every_ring_and_enters_a_region_once(slot: int) -> None:
    """Two regions of two zones: one /replicate/ to the other ring here, one /enter/ there, one /replicate/ from there; every ring has it."""
    async with ring_town() as rings:
        t = rings.town
        await rings.start(cluster(2, "rs"))
        key = key_of(0, 2)
        await rings.quiet()
        rings.log.clear()

        put = await ask(rings.nodes("a")[slot], "PUT", f"/k/{key}", b"1")
        owners = [rings.nodes(zone)[0] for zone in "abxy"]
        await until(lambda: all(key.encode() in node(owner).values for owner in owners))
        await rings.quiet()
        asked = [(name[0], what) for name, what in rings.log if what != "POST "]

    kinds = [what for _, what in asked]
    assert 200 == put.status
    assert (1, 2, 1) == tuple(kinds.count(what) for what in ("PUT /k", "POST /replicate", "POST /enter"))
    assert slot == kinds.count("PUT /owned")
    assert {"PUT /k", "POST /replicate", "POST /enter"} >= set(kinds) - {"PUT /owned", "POST /owned"}
    (entered,) = [zone for zone, what in asked if what == "POST /enter"]
    assert {"x": {"b", "y"}, "y": {"b", "x"}}[entered] == {zone for zone, what in asked if what == "POST /replicate"}
    assert len([p for p in t.pods.values() if key.encode() in node(p).values]) == 4


async def test_when_the_owner_is_away_another_ring_answers_and_without_one_it_is_said() -> None:
    """A node that died: its keys are read and written in the other zone; with that one gone as well 503, reason no_owner."""
    async with ring_town() as rings:
        t = rings.town
        await rings.start(cluster(2))
        key = key_of(1, 2)
        asked = rings.nodes("a")[0]
        await ask(asked, "PUT", f"/k/{key}", b"1")
        await until(lambda: all(key.encode() in node(rings.nodes(zone)[1]).values for zone in "ab"))

        await kill(t, rings.nodes("a")[1])
        read = await ask(asked, "GET", f"/k/{key}")
        written = await ask(asked, "PUT", f"/k/{key}", b"2")
        there = node(rings.nodes("b")[1]).values[key.encode()]
        await kill(t, rings.nodes("b")[1])
        lost = await ask(asked, "GET", f"/k/{key}"), await ask(asked, "PUT", f"/k/{key}", b"3")

    assert (200, b"1", 200, b"2") == (read.status, read.body, written.status, there[0])
    assert [(503, "no_owner")] * 2 == [(reply.status, reply.reason) for reply in lost]


async def kill(t: Town, pod: TierPod) -> None:
    """Without a word: the process is gone, its connections end."""
    name = pod.settings.pod_name
    task, _ = t._running.pop(name)
    for running in pod._tasks.values():
        running.cancel()
    task.cancel()
    await asyncio.gather(task, *pod._tasks.values(), return_exceptions=True)
    await pod.server.drain(0.0)
    del t.pods[name]
    zone = pod.settings.zone
    await until(lambda: all(name not in p.tier.routes.instances for p in t.pods.values()))
    assert pod not in rings_of(t, zone)


def rings_of(t: Town, zone: str) -> list[TierPod]:
    """The pods of a zone."""
    return [p for p in t.pods.values() if p.settings.zone == zone]


async def test_a_killed_owners_data_are_gone_in_its_ring_only() -> None:
    """Its successor starts empty, at once; the other ring has the key still, and no repair brings it back."""
    async with ring_town() as rings:
        t = rings.town
        await rings.start(cluster(2))
        key = key_of(1, 2)
        await ask(rings.nodes("a")[0], "PUT", f"/k/{key}", b"1")
        await until(lambda: all(key.encode() in node(rings.nodes(zone)[1]).values for zone in "ab"))

        await kill(t, rings.nodes("a")[1])
        await rings.add("r", "a")
        await until(lambda: 1 in rings.nodes("a"))
        replies = [await ask(rings.nodes(zone)[0], "GET", f"/k/{key}") for zone in "ab"]

    assert [404, 200] == [reply.status for reply in replies]


async def test_a_node_that_leaves_hands_its_keys_to_who_gets_its_slot() -> None:
    """An eviction loses nothing: the new pod has every key before the old one has gone."""
    async with ring_town() as rings:
        t = rings.town
        await rings.start(cluster(1, zones="a"))
        (old,) = t.pods.values()
        for n in range(1200):
            node(old).put(b"key%d" % n, b"%d" % n, n + 1)
        new = await rings.add("r", "a")
        await until(lambda: new.tier.ready)

        await t.stop(old.settings.pod_name)

    assert {b"key%d" % n: (b"%d" % n, n + 1) for n in range(1200)} == dict(node(new).values)


@pytest.mark.parametrize("seed", range(6))
async def test_no_acknowledged_write_is_missed_while_rings_grow_and_shrink(seed: int) -> None:
    """Writers and readers at all nodes, sizes 1 to 4 in random order, nodes replaced: every read finds what was acknowledged before it began."""
    random = Random(seed)
    async with ring_town() as rings:
        t = rings.town
        await rings.start(cluster(2, dependencies=("cass",), zones="a"))
        load = Load(t, Random(seed + 100))
        async with load.working(6):
            size = 2
            for step in range(4):
                await load.acknowledges(25 * (step + 1))
                size = random.choice([n for n in (1, 2, 3, 4) if n != size])
                await resize(rings, size, random)
                if random.random() < 0.5:
                    await replace_one(rings, random)
                    await rings.settle(size, others=False)
        statuses = {(await load.read(key)) for key in load.acknowledged}

    assert [] == load.missed
    assert [] == load.failed
    assert {200} == statuses
    assert len(load.acknowledged) >= 100


async def resize(rings: Rings, size: int, random: Random) -> None:
    """Configuration and pods, in the order in which an operator and a Deployment may do it: the one or the other first."""
    present = list(rings.nodes("a").values())
    if random.random() < 0.5:
        rings.configure(cluster(size, dependencies=("cass",), zones="a"))
    for _ in range(size - len(present)):
        await rings.add("r", "a")
    stopping = [await begin_to_stop(rings, victim) for victim in random.sample(present, max(0, len(present) - size))]
    rings.configure(cluster(size, dependencies=("cass",), zones="a"))
    await asyncio.gather(*stopping)
    await rings.settle(size, others=False)


async def replace_one(rings: Rings, random: Random) -> None:
    """An eviction: the new pod is there before the old one has gone."""
    victim = random.choice(list(rings.nodes("a").values()))
    new = await rings.add("r", "a")
    await until(lambda: new.tier.ready)
    await (await begin_to_stop(rings, victim))


async def begin_to_stop(rings: Rings, victim: TierPod) -> asyncio.Task[None]:
    """SIGTERM; new requests go elsewhere from then on."""
    name = victim.settings.pod_name
    stopping = asyncio.create_task(rings.town.stop(name))
    await until(lambda: victim._membership.leaving)
    del rings.town.pods[name]
    return stopping


class Load:
    """Writes and reads at random nodes, and what was wrong with the answers."""

    def __init__(self, t: Town, random: Random) -> None:
        self._town, self._random = t, random
        self._pools: dict[tuple[str, int], Pool] = {}
        self._numbers = itertools.count()
        self.acknowledged: dict[str, bytes] = {}
        self.missed: list[str] = []
        self.failed: list[str] = []
        self._over = False

    async def acknowledges(self, wanted: int) -> None:
        """Wait until so many writes have been, in all."""
        await until(lambda: len(self.acknowledged) >= wanted)

    @asynccontextmanager
    async def working(self, workers: int) -> AsyncIterator[None]:
        """So many at once."""
        tasks = [asyncio.create_task(self._work()) for _ in range(workers)]
        try:
            yield
        finally:
            self._over = True
            await asyncio.gather(*tasks)

    async def _work(self) -> None:
        while not self._over:
            if self._random.random() < 0.4:
                key = f"key{next(self._numbers)}"
                reply = await self._ask(b"PUT", key, key.encode())
                if reply[0] == 200:
                    self.acknowledged[key] = key.encode()
                else:
                    self.failed.append(f"PUT {key}: {reply}")
            elif self.acknowledged:
                key = self._random.choice(list(self.acknowledged))
                status, body, reason = await self._ask(b"GET", key, b"")
                if status == 404 or (status == 200 and body != self.acknowledged[key]):
                    self.missed.append(f"GET {key}: {status} {body!r}")
                elif status != 200:
                    self.failed.append(f"GET {key}: {status} {reason}")
            await asyncio.sleep(0.002)

    async def read(self, key: str) -> int:
        """The status of one read."""
        return (await self._ask(b"GET", key, b""))[0]

    async def _ask(self, method: bytes, key: str, value: bytes) -> tuple[int, bytes, str]:
        pod = self._random.choice([p for p in self._town.pods.values() if p.tier.ready])
        address = pod.settings.address, pod.port
        pool = self._pools.setdefault(address, Pool(*address))
        reply = await pool.call(method, b"/k/" + key.encode(), bytes, value, 5.0)
        return reply.status, reply.body, reply.reason
