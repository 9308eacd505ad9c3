"""Rings on loopback: nodes of one Cassandra tier in zones and regions, and a log of their requests."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from spiko_nanoservice.contract import Configuration, Place, Revision, TierConfig, VersionConfig, Zones
from spiko_nanoservice.roles.ring import RingNode
from spiko_nanoservice.routing.hash_ring import slot_of
from spiko_nanoservice.tier.pod import TierPod
from spiko_nanoservice.wire.request import Request
from tests.support.loopback_cluster import LoopbackCluster, loopback_cluster, until

REGIONS = {"r": "ab", "s": "xy"}
_counter = itertools.count(1)


def cluster(
    size: int, regions: str = "r", dependencies: tuple[str, ...] = ("cass", "eureka"), zones: str = ""
) -> Configuration:
    """Return a configuration of a ring of `size` in each zone of some regions."""
    places = tuple(Place(r, zone, size) for r in regions for zone in zones or REGIONS[r])
    tier = TierConfig("cass", "priamCassandra", dependencies, places, (VersionConfig("1.0.0", 100, places),))
    known = tuple(Zones(r, tuple(zones or REGIONS[r])) for r in regions)
    return Configuration("arch", Revision(0, next(_counter)), known, (tier,))


class Rings:
    """The nodes of the rings of one cluster."""

    def __init__(self, made: LoopbackCluster) -> None:
        self.cluster = made
        self.log: list[tuple[str, str]] = []  # pod and request, in order
        self._numbers = itertools.count()

    async def start(self, configuration: Configuration) -> None:
        """Start eurekas and full rings."""
        for region in configuration.regions:
            for zone in region.zones:
                await self.cluster.add_eureka(zone, configuration, SPIKO_REGION=region.region)
        for place in configuration.tiers[0].places:
            for _ in range(place.size):
                await self.add(place.region, place.zone)
        await self.settle(configuration.tiers[0].places[0].size)

    async def add(self, region: str, zone: str) -> TierPod:
        """Start one more node."""
        name = f"{zone}{next(self._numbers)}"
        pod = await self.cluster.add(name, "cass", "priamCassandra", SPIKO_ZONE=zone, SPIKO_REGION=region)
        handle = pod.server.handler

        def record(request: Request) -> None:
            self.log.append((name, f"{request.method.decode()} {request.path.decode().rpartition('/')[0]}"))
            handle(request)

        pod.server.handler = record
        return pod

    def configure(self, configuration: Configuration) -> None:
        """Configure every eureka, as the operator does."""
        for eureka in self.cluster.eurekas.values():
            eureka.eureka.perform(eureka.eureka.registry.configure(configuration, time.monotonic()))

    def nodes(self, zone: str) -> dict[int, TierPod]:
        """Return the nodes of a zone's ring by slot."""
        pods = [p for p in self.cluster.pods.values() if p.settings.zone == zone]
        return {slot: p for p in pods if (slot := node(p).ring.own) is not None}

    async def settle(self, size: int, others: bool = True) -> None:
        """Wait until every ring is full and every node is done with every other."""

        def settled() -> bool:
            pods = list(self.cluster.pods.values())
            sites = {(p.settings.region, p.settings.zone) for p in pods}
            return all(
                set(range(size)) == set(self.nodes(zone))
                and all(node(p).ring.size == size and is_clean(p) for p in self.nodes(zone).values())
                for _, zone in sites
            ) and (not others or all(len(p.tier.routes.instances) == len(pods) - 1 for p in pods))

        await until(settled, 10.0)

    async def quiet(self) -> None:
        """Wait until no pod has a request in progress."""
        await until(lambda: not any(p.tier.busy for p in self.cluster.pods.values()))


@asynccontextmanager
async def ring_cluster() -> AsyncIterator[Rings]:
    """Yield an empty cluster; remove the tier at the end, so that nodes do not wait for a successor."""
    async with loopback_cluster() as t:
        rings = Rings(t)
        try:
            yield rings
        finally:
            rings.configure(Configuration("arch", Revision(0, next(_counter)), (Zones("r", ("a",)),), ()))


def is_clean(pod: TierPod) -> bool:
    """Return whether a node holds no keys of other nodes."""
    return pod.handover is not None and pod.handover.clean.is_set()


def node(pod: TierPod) -> RingNode:
    """Return the role of a node's pod."""
    assert pod.tier.ring is not None
    return pod.tier.ring


def key_of(slot: int, size: int) -> str:
    """Return a key that a slot owns."""
    return next(key for n in itertools.count() if slot_of((key := f"key{n}").encode(), size) == slot)
