"""Keys move between nodes on loopback during requests, and invalid handovers are rejected."""

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
from tests.support.loopback_cluster import LoopbackCluster, ask, until
from tests.support.ring_cluster import Rings, cluster, node, ring_cluster


async def test_a_leaving_node_hands_its_keys_to_the_next_holder_of_its_slot() -> None:
    """Given a node with 1,200 keys, when it is replaced, then the new pod has every key before the old one
    exits.
    """
    async with ring_cluster() as rings:
        t = rings.cluster
        await rings.start(cluster(1, zones="a"))
        (old,) = t.pods.values()
        for n in range(1200):
            node(old).put(b"key%d" % n, b"%d" % n, n + 1)
        new = await rings.add("r", "a")
        await until(lambda: new.tier.ready)

        await t.stop(old.settings.pod_name)

    assert {b"key%d" % n: (b"%d" % n, n + 1) for n in range(1200)} == dict(node(new).values)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 6))])
async def test_no_acknowledged_write_is_missed_while_rings_grow_and_shrink(seed: int) -> None:
    """Given clients at all nodes, when a ring takes sizes 1 to 4 and nodes are replaced, then every read
    finds the writes acknowledged before it began.
    """
    random = Random(seed)
    async with ring_cluster() as rings:
        t = rings.cluster
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
    """Change configuration and pods in a random order: the operator or the Deployment may be first."""
    present = list(rings.nodes("a").values())
    if random.random() < 0.5:
        rings.configure(cluster(size, dependencies=("cass",), zones="a"))
    for _ in range(size - len(present)):
        await rings.add("r", "a")
    stopping = [
        await begin_to_stop(rings, victim) for victim in random.sample(present, max(0, len(present) - size))
    ]
    # A slow operator: leaving nodes keep their slots meanwhile.
    await asyncio.sleep(random.choice((0.0, 0.9)))
    rings.configure(cluster(size, dependencies=("cass",), zones="a"))
    await asyncio.gather(*stopping)
    await rings.settle(size, others=False)


async def replace_one(rings: Rings, random: Random) -> None:
    """Replace a node as an eviction does: the new pod is ready before the old one stops."""
    victim = random.choice(list(rings.nodes("a").values()))
    new = await rings.add("r", "a")
    await until(lambda: new.tier.ready)
    await (await begin_to_stop(rings, victim))


async def begin_to_stop(rings: Rings, victim: TierPod) -> asyncio.Task[None]:
    """Stop a pod as SIGTERM does, and send it no new requests."""
    name = victim.settings.pod_name
    stopping = asyncio.create_task(rings.cluster.stop(name))
    await until(lambda: victim.registration.leaving)
    del rings.cluster.pods[name]
    return stopping


class Load:
    """Clients that write and read at random nodes, and record wrong replies."""

    def __init__(self, t: LoopbackCluster, random: Random) -> None:
        self._cluster, self._random = t, random
        self._pools: dict[tuple[str, int], Pool] = {}
        self._numbers = itertools.count()
        self.acknowledged: dict[str, bytes] = {}
        self.missed: list[str] = []
        self.failed: list[str] = []
        self._over = False

    async def acknowledges(self, wanted: int) -> None:
        """Wait until this number of writes is acknowledged in total."""
        await until(lambda: len(self.acknowledged) >= wanted)

    @asynccontextmanager
    async def working(self, workers: int) -> AsyncIterator[None]:
        """Run this number of clients."""
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
        """Return the status of one read."""
        return (await self._ask(b"GET", key, b""))[0]

    async def _ask(self, method: bytes, key: str, value: bytes) -> tuple[int, bytes, str]:
        pod = self._random.choice([p for p in self._cluster.pods.values() if p.tier.ready])
        address = pod.settings.address, pod.port
        pool = self._pools.setdefault(address, Pool(*address))
        reply = await pool.call(method, b"/k/" + key.encode(), bytes, value, 5.0)
        return reply.status, reply.body, reply.reason


@pytest.mark.long
async def test_rings_keep_their_places_without_eurekas() -> None:
    """Given rings whose eurekas die, then nodes keep their places; a new eureka with partial tables moves no
    slot, and then the ring can grow.
    """
    async with ring_cluster() as rings:
        t = rings.cluster
        await rings.start(cluster(2, dependencies=("cass",), zones="a"))
        places = {p.settings.pod_name: node(p).ring.place for p in t.pods.values()}
        load = Load(t, Random(1))
        async with load.working(3):
            await load.acknowledges(20)
            await t.stop("eureka-a")
            t.names["arch-eureka.default"].clear()
            await load.acknowledges(60)
            alone = {p.settings.pod_name: node(p).ring.place for p in t.pods.values()}
            again = await t.add_eureka(
                "a", replace(cluster(2, dependencies=("cass",), zones="a"), started=True)
            )
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
async def test_an_invalid_handover_is_rejected(body: bytes) -> None:
    """Given a body that is not a handover, then the reply is 400 and no key is kept."""
    async with ring_cluster() as rings:
        await rings.start(cluster(1, zones="a"))
        (pod,) = rings.cluster.pods.values()
        reply = await ask(pod, "POST", "/handover", body)
        values = dict(node(pod).values)

    assert (400, {}) == (reply.status, values)


def test_a_packed_handover_is_unpacked() -> None:
    """Given any bytes in keys and values, then unpacking gives what was packed; large entries get messages of
    their own.
    """
    entries = [
        (b"", b"", 0),
        (b"\n\xff", b"\x00" * 300_000, 2**53),
        (b"k", b"v" * 300_000, 1),
        (b"l", b"w", 2),
    ]
    word = PlaceMessage("pod", (7, 3), True, leaves=True)

    assert (word, entries) == unpack(pack(word, entries))
    assert [2, 1, 1] == [len(portion) for portion in portions([entries[0], entries[3], *entries[1:3]])]
    assert [entry for portion in portions(entries) for entry in portion] == entries
