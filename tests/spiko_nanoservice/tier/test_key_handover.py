"""Keys move between nodes on loopback while requests run, and what is no handover is refused."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random

import pytest

from spiko_nanoservice.tier.handover_message import PlaceMessage, pack, portions, unpack
from spiko_nanoservice.tier.pod import TierPod
from spiko_nanoservice.wire.connection_pool import Pool
from tests.support.loopback_cluster import Town, ask, until
from tests.support.ring_cluster import Rings, cluster, node, ring_town


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


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 6))])
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
    await asyncio.sleep(random.choice((0.0, 0.9)))  # a slow operator: what leaves has to hold out meanwhile
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
    await until(lambda: victim.registration.leaving)
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


async def test_rings_go_on_without_eurekas_and_change_when_one_is_back() -> None:
    """All eurekas die: what nodes knew of their ring holds. A new one that starts with partial tables moves no slot; then the ring grows."""
    async with ring_town() as rings:
        t = rings.town
        await rings.start(cluster(2, dependencies=("cass",), zones="a"))
        places = {p.settings.pod_name: node(p).ring.place for p in t.pods.values()}
        load = Load(t, Random(1))
        async with load.working(3):
            await load.acknowledges(20)
            await t.stop("eureka-a")
            t.names["arch-eureka.default"].clear()
            await load.acknowledges(60)
            alone = {p.settings.pod_name: node(p).ring.place for p in t.pods.values()}
            again = await t.add_eureka("a", replace(cluster(2, dependencies=("cass",), zones="a"), started=True))
            await until(lambda: len(again.eureka.registry.entries.known) == 2)
            await load.acknowledges(100)
            back = {p.settings.pod_name: node(p).ring.place for p in t.pods.values()}
            rings.configure(replace(cluster(3, dependencies=("cass",), zones="a"), started=True))
            await rings.add("r", "a")
            await rings.settle(3)  # not before the new eureka may grant slots, 3 s after its start
            await load.acknowledges(140)
        found = {(await load.read(key)) for key in load.acknowledged}

    assert places == alone == back
    assert {(2, 0), (2, 1)} == set(places.values())
    assert ([], [], {200}) == (load.missed, load.failed, found)


HOSTILE = [
    ("no JSON", b"x"),
    ("JSON of another kind", b"[1]\n"),
    ("without a slot", b'{"from": "x", "size": 2}\n'),
    (
        "a slot of another type",
        b'{"from": "x", "size": 2, "slot": null, "done": true, "leaves": false, "gone": false}\n',
    ),
    ("cut off in an entry", pack(PlaceMessage("x", (1, 0), False), [(b"key", b"value", 7)])[:-1]),
    ("cut off in a head", pack(PlaceMessage("x", (1, 0), False)) + b"abc"),
]


@pytest.mark.parametrize("body", [row[1] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
async def test_a_handover_that_is_none_is_refused(body: bytes) -> None:
    """400, and nothing is kept."""
    async with ring_town() as rings:
        await rings.start(cluster(1, zones="a"))
        (pod,) = rings.town.pods.values()
        reply = await ask(pod, "POST", "/handover", body)
        values = dict(node(pod).values)

    assert (400, {}) == (reply.status, values)


def test_what_is_packed_is_unpacked() -> None:
    """Any bytes, in keys and values alike; large ones go in portions of their own."""
    entries = [(b"", b"", 0), (b"\n\xff", b"\x00" * 300_000, 2**53), (b"k", b"v" * 300_000, 1), (b"l", b"w", 2)]
    word = PlaceMessage("pod", (7, 3), True, leaves=True)

    assert (word, entries) == unpack(pack(word, entries))
    assert [2, 1, 1] == [len(portion) for portion in portions([entries[0], entries[3], *entries[1:3]])]
    assert [entry for portion in portions(entries) for entry in portion] == entries
