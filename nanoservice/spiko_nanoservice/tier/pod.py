"""A tier's pod put together: server, links, source, reports, and the order of leaving."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from random import Random
from typing import Any

from spiko_nanoservice import __name__ as package_name
from spiko_nanoservice import messages as m
from spiko_nanoservice.contract import ANYWHERE, PACKAGES, Instance, Package, PodConfig
from spiko_nanoservice.roles.registry import make_role
from spiko_nanoservice.routing.table import Routes
from spiko_nanoservice.settings import Settings
from spiko_nanoservice.telemetry.export import Exporter
from spiko_nanoservice.telemetry.metrics import RELEASE, tier_page
from spiko_nanoservice.telemetry.request_counters import Tally
from spiko_nanoservice.telemetry.spans import Envelope
from spiko_nanoservice.telemetry.tracing import Tracer
from spiko_nanoservice.tier.key_handover import Mover
from spiko_nanoservice.tier.registration import Membership, RegionLink
from spiko_nanoservice.tier.source import Source
from spiko_nanoservice.tier.tier import Tier
from spiko_nanoservice.wire.http_server import Server
from spiko_nanoservice.wire.resolve import Resolve, choose_resolver

LEAVE_S = 2.0  # at most so long for all callers to hear that this pod leaves
QUIET_S = 0.2  # callers at other eurekas hear a moment later than those at ours
HANDOVER_S = 3.0  # at most so long for a node's keys to reach their new owners
DRAIN_S = 5.0  # at most so long for what is in progress, copies that follow an answer included
log = logging.getLogger("spiko.pod")


class TierPod:
    """One pod of one tier.

    Args:
        settings: who it is.
        random: source of every draw; seeded by the pod's identity and start if left out.

    """

    def __init__(self, settings: Settings, random: Random | None = None, resolve: Resolve | None = None) -> None:
        package = Package(settings.package)
        role = make_role(package)
        self.settings = settings
        self._random = random or Random(f"{settings.pod_uid}/{time.time_ns()}")
        self._resolve = resolve or choose_resolver(settings.resolver)
        self._exporter = Exporter(Envelope(resource_of(settings), package_name, RELEASE))
        tracer = Tracer(self._exporter, self._random, settings.address, settings.port)
        self.tier = Tier(settings, role, Routes(settings.pod_uid), Tally(), tracer, self._random)
        self._mover = (
            Mover(self.tier.ring, settings.pod_uid, self.tier.caller.hand_over) if self.tier.ring is not None else None
        )
        self.tier.take = self._mover.take if self._mover is not None else None
        self.tier.routes.on_change = self._learn
        self.source = Source(self.tier, self._random) if PACKAGES[package].source else None
        self.server = Server(self.tier.handle)
        self._membership = Membership(settings, settings.port, int(time.time() * 1000))
        self._membership.on_slot = self._take_slot
        self.tier.metrics = self._render_metrics
        self._learn()
        self._links: dict[str, RegionLink] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._unsent: dict[str, Any] | None = None

    @property
    def port(self) -> int:
        """The port in use."""
        return self._membership.port

    async def live(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then leave in order."""
        settings = self.settings
        _, self._membership.port = await self.server.listen(settings.bind_address, settings.port)
        home = self._open_link(settings.eureka_region, settings.eurekas, at_home=True)
        self._start("export", self._exporter.run())
        self._start("report", self._report_every_second())
        if self.source is not None:
            self._start("source", self.source.run())
        if self._mover is not None:
            self._start("handover", self._mover.run())
        self._start("ready", self._become_ready(home))
        log.info("%s %s of %s listens on %s:%d", settings.package, settings.pod_name, settings.architecture,
                 settings.bind_address, self._membership.port)  # fmt: skip
        await stop.wait()
        await self._leave()

    # ---------------------------------------------------------------- registry

    def _open_link(self, region: str, names: tuple[str, ...], at_home: bool) -> RegionLink:
        link = RegionLink(
            region, names, at_home, self._membership, self.tier.routes, self._configure, self._resolve, self._random
        )
        self._links[region] = link
        self._start(f"link {region}", link.run())
        return link

    async def _become_ready(self, home: RegionLink) -> None:
        await home.registered.wait()
        self.tier.ready = True

    def _configure(self, config: PodConfig) -> None:
        """Act on a configuration; every link brings it, the newest counts."""
        if config.revision < self.tier.config.revision:
            return
        self.tier.config = config
        self.tier.tracer.samples_per_million = config.samples_per_million
        self._exporter.point_at(config.otlp_endpoint)
        if self.source is not None:
            self.source.set_rate(config.rate_per_second, config.started)
        self._learn()
        others = config.regions[1:]
        for region in self._links.keys() - {self.settings.eureka_region, *others}:
            self._links.pop(region).closed = True
            self._stop(f"link {region}")
            self.tier.routes.forget(region)
        for region in others:
            if region not in self._links:
                self._open_link(region, self.settings.eurekas[-1:], at_home=False)

    def _take_slot(self, before: Instance | None) -> None:
        if before is not None and self.tier.ring is not None:
            self.tier.ring.succeed(before)
        self._learn()

    def _learn(self) -> None:
        """The table, the zones or the slot have changed."""
        slot = self._membership.slot
        s = self.settings
        self.tier.learn(s.pod_name if slot is None else instance_name(s.tier, slot, s.zone, self.tier.config.zones))
        if self._mover is not None:
            self._mover.learned()

    # ---------------------------------------------------------------- reports

    async def _report_every_second(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.end_second()

    def end_second(self) -> None:
        """What is done once a second: clock, idle connections, report."""
        self.tier.tracer.set_clock()
        self.tier.tidy()
        self._report()

    def _report(self) -> None:
        home = self._links[self.settings.eureka_region]
        if home.connected and (report := self.tier.tally.take(self._exporter.take_dropped())):
            home.send({"t": m.REPORT, **report})

    def _render_metrics(self) -> bytes:
        tier = self.tier
        busy = self.server.busy - 1 + (self.source.busy if self.source else 0)  # who asks is a request as well
        started_s = self._membership.started_ms / 1000
        return tier_page(self.settings, started_s, tier.config, tier.tally, busy, tier.ready)

    # ---------------------------------------------------------------- leaving

    async def _leave(self) -> None:
        self._membership.leaving = True
        self._stop("source")
        if self.source is not None:
            await self.source.finish(LEAVE_S)
        home = self._links[self.settings.eureka_region]
        if self._mover is not None and home.connected:
            await self._mover.warn()  # before anybody else can have our slot
        told = [link for link in self._links.values() if link.send({"t": m.BYE})]
        if told:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEAVE_S):
                    for link in told:
                        await link.left.wait()
            await asyncio.sleep(QUIET_S)
            if self._mover is not None:
                await self._mover.finish(HANDOVER_S, lambda: home.connected)
        self._stop("report")
        loop = asyncio.get_running_loop()
        end = loop.time() + DRAIN_S
        await self.server.drain(DRAIN_S)
        await self.tier.finish(end - loop.time())
        self._report()
        for link in self._links.values():
            await link.drain()
        self._stop("export")
        await self._exporter.flush(1.0)
        for name in list(self._tasks):
            self._stop(name)

    def _start(self, name: str, work: Any) -> None:
        self._tasks[name] = asyncio.get_running_loop().create_task(work, name=name)

    def _stop(self, name: str) -> None:
        if task := self._tasks.pop(name, None):
            task.cancel()


def instance_name(tier: str, slot: int, zone: str, zones: tuple[str, ...]) -> str:
    """Spigo's name of an instance: its tier and its index, which counts on from zone to zone.

    >>> instance_name("mysql", 1, "b", ("a", "b", "c")), instance_name("disk", 0, "*", ("a", "b", "c"))
    ('mysql04', 'disk00')
    """
    index = slot * len(zones) + zones.index(zone) if zone in zones else slot
    return f"{tier}{index:02d}"


def resource_of(settings: Settings) -> dict[str, str | int]:
    """OpenTelemetry resource attributes of a pod; absent places are left out."""
    found: dict[str, str | int] = {
        "service.name": settings.tier,
        "service.namespace": settings.architecture,
        "service.version": settings.version,
        "service.instance.id": settings.pod_uid,
        "k8s.namespace.name": settings.namespace,
        "k8s.pod.name": settings.pod_name,
        "k8s.pod.uid": settings.pod_uid,
        "spiko.architecture": settings.architecture,
        "spiko.tier": settings.tier,
        "spiko.package": settings.package,
    }
    if settings.node_name:
        found["k8s.node.name"] = settings.node_name
    if settings.region != ANYWHERE:
        found["cloud.region"] = settings.region
    if settings.zone != ANYWHERE:
        found["cloud.availability_zone"] = settings.zone
    return found
