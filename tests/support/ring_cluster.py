"""Rings in a town: nodes of one Cassandra tier in zones and regions, and a log of what they are asked."""

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
from tests.support.loopback_cluster import Town, town, until

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
            eureka.eureka.perform(eureka.eureka.registry.configure(configuration, time.monotonic()))

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
    return pod.handover is not None and pod.handover.clean.is_set()


def node(pod: TierPod) -> RingNode:
    """Its role."""
    assert pod.tier.ring is not None
    return pod.tier.ring


def key_of(slot: int, size: int) -> str:
    """A key that a slot owns."""
    return next(key for n in itertools.count() if slot_of((key := f"key{n}").encode(), size) == slot)
