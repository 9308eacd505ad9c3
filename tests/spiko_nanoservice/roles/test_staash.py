"""Staash on loopback: the kinds that it asks, misses and failures, and the copies of writes."""

from __future__ import annotations

import pytest

from spiko_nanoservice.contract import Configuration
from spiko_nanoservice.roles.ring import RingNode
from spiko_nanoservice.roles.store import Store
from spiko_nanoservice.tier.pod import TierPod
from tests.support.loopback_cluster import LoopbackCluster, ask, configuration, loopback_cluster, tier, until

FAILS = '{"errorsPerMillion": 1000000}'
SLOW = '{"serviceTime": {"constant": {"microseconds": 400000}}}'
PACKAGES = {"memory": "cache", "disk": "volume", "ring": "priamCassandra", "db": "store", "below": "staash"}


def web(*tiers: str) -> Configuration:
    """Return a configuration of a staash above some of these tiers, with one instance each."""
    known = [tier(name, PACKAGES[name], *(("db",) if name == "below" else ())) for name in {*tiers, "db"}]
    return configuration(tier("web", "staash", *tiers), *known)


async def start(t: LoopbackCluster, *tiers: str, **behaviours: str) -> TierPod:
    """Start a staash and the tiers that it is connected to."""
    await t.add_eureka("a", web(*tiers))
    for name in {*tiers, *(("db",) if "below" in tiers else ())}:
        await t.add(f"{name}-0", name, PACKAGES[name], SPIKO_BEHAVIOR=behaviours.get(name, ""))
    front = await t.add("web-0", "web", "staash")
    await until(lambda: front.tier.ready and len(front.tier.routes.instances) == len(tiers))
    if "below" in tiers:
        await until(lambda: t.pods["below-0"].tier.routes.has_route)
    return front


def data(pod: TierPod) -> dict[bytes, bytes]:
    """Return the data of a storage pod."""
    role = pod.tier._role
    assert isinstance(role, RingNode | Store)
    return {key: value for key, (value, _) in role.values.items()}


def served(pod: TierPod) -> int:
    """Return how many requests a pod has answered."""
    total, _ = pod.tier.counters.read()
    return total.ok + total.miss + sum(total.errors.values())


async def test_a_write_goes_to_every_kind_and_a_read_asks_until_one_has_the_key() -> None:
    """Given four kinds of storage, when a cache and a volume lost a key, then a read finds it on the ring and
    does not ask the store; a key that no kind has is a miss.
    """
    async with loopback_cluster() as t:
        front = await start(t, "memory", "disk", "ring", "db")
        put = await ask(front, "PUT", "/k/a%20b", b"1")
        copies = {name: data(t.pods[f"{name}-0"]).get(b"a b") for name in ("memory", "ring", "db")}
        namespaced = data(t.pods["disk-0"]).get(b"web00/a b")
        for name, key in (("memory", b"a b"), ("disk", b"web00/a b")):
            role = t.pods[f"{name}-0"].tier._role
            assert isinstance(role, Store)
            del role.values[key]
        before = [served(t.pods[f"{name}-0"]) for name in ("memory", "disk", "ring", "db")]
        got = await ask(front, "GET", "/k/a%20b")
        asked = [
            served(t.pods[f"{n}-0"]) - b
            for n, b in zip(("memory", "disk", "ring", "db"), before, strict=True)
        ]
        missed = await ask(front, "GET", "/k/unknown")

    assert (200, 200, b"1", 404) == (put.status, got.status, got.body, missed.status)
    assert {"memory": b"1", "ring": b"1", "db": b"1"} == copies
    assert b"1" == namespaced
    assert [1, 1, 1, 0] == asked


async def test_each_instance_has_its_own_namespace_on_a_volume() -> None:
    """Given two instances of a staash, when one writes a key with a slash, then that one reads it and the
    other misses.
    """
    async with loopback_cluster() as t:
        tiers = (tier("web", "staash", "disk", count=2), tier("disk", "volume"))
        await t.add_eureka("a", configuration(*tiers))
        disk = await t.add("disk-0", "disk", "volume")
        fronts = [await t.add(f"web-{n}", "web", "staash") for n in range(2)]
        await until(lambda: all(f.tier.routes.has_route and f.registration.slot is not None for f in fronts))

        await ask(fronts[0], "PUT", "/k/x/y%25", b"1")
        statuses = [(await ask(front, "GET", "/k/x/y%25")).status for front in fronts]
        names = sorted(data(disk))

    assert [200, 404] == statuses
    assert [b"web00/x/y%", b"why?"] == names


@pytest.mark.parametrize(
    ("failing", "get", "put"),
    [
        (("memory",), (200, ""), (200, "")),
        (("memory", "db"), (503, "injected"), (503, "injected")),
    ],
    ids=["one kind", "every kind"],
)
async def test_a_kind_that_fails_is_skipped(
    failing: tuple[str, ...], get: tuple[int, str], put: tuple[int, str]
) -> None:
    """Given failing kinds of storage, then the next one is asked; if all fail, then the reply has the last
    reason.
    """
    async with loopback_cluster() as t:
        front = await start(t, "memory", "db", **dict.fromkeys(failing, FAILS))
        replies = [await ask(front, "PUT", "/k/x", b"1"), await ask(front, "GET", "/k/x")]

    assert [put, get] == [(reply.status, reply.reason) for reply in replies]


async def test_a_kind_that_refuses_connections_is_skipped() -> None:
    """Given a table with an instance that does not listen any more, then the next kind is asked."""
    async with loopback_cluster() as t:
        front = await start(t, "memory", "db")
        await t.pods["memory-0"].server.drain(0.0)
        reply = await ask(front, "GET", "/k/why%3F")

    assert (200, b"because...") == (reply.status, reply.body)


async def test_the_deadline_covers_all_attempts() -> None:
    """Given a cache that takes longer than the deadline, then the reply is 504 and the store is not asked."""
    async with loopback_cluster() as t:
        front = await start(t, "memory", "db", memory=SLOW)
        reply = await ask(front, "GET", "/k/why%3F", headers="spiko-deadline-ms: 100\r\n")
        asked = served(t.pods["db-0"])

    assert (504, "timeout", 0) == (reply.status, reply.reason, asked)


async def test_without_an_instance_of_any_kind_the_reply_is_no_route() -> None:
    """Given a staash whose dependencies have no instance, then GET and PUT get 503 with no_route."""
    async with loopback_cluster() as t:
        await t.add_eureka("a", web("memory"))
        front = await t.add("web-0", "web", "staash")
        await until(lambda: front.tier.ready)
        replies = [await ask(front, "GET", "/k/x"), await ask(front, "PUT", "/k/x", b"1")]

    assert [(503, "no_route")] * 2 == [(reply.status, reply.reason) for reply in replies]


async def test_every_reply_of_the_last_kind_is_returned() -> None:
    """Given GETs of known and unknown keys, then each gets the last kind's reply, misses included, which
    Spigo lost.
    """
    async with loopback_cluster() as t:
        front = await start(t, "memory", "below")
        statuses = [(await ask(front, "GET", f"/k/{key}")).status for key in ("why%3F", "Why00", "Why11") * 5]
        total, edges = front.tier.counters.read()

    last = next(edge for callee, edge in edges.items() if callee[0] == "below")
    assert [200, 404, 404] * 5 == statuses
    assert (5, 10, 0) == (total.ok, total.miss, sum(total.errors.values()))
    assert last.miss == total.miss
