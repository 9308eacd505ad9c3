"""Assembles a tier's pod: server, registrations, source and reports; starts it and stops it in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from random import Random
from typing import Any

from spiko_nanoservice import __name__ as package_name
from spiko_nanoservice import messages as m
from spiko_nanoservice.contract import EUREKA_PORT, PACKAGES, Instance, Package, PodConfig
from spiko_nanoservice.roles.registry import make_role
from spiko_nanoservice.routing.table import Routes
from spiko_nanoservice.settings import Settings
from spiko_nanoservice.telemetry.export import Exporter
from spiko_nanoservice.telemetry.metrics import RELEASE, tier_page
from spiko_nanoservice.telemetry.request_counters import RequestCounters
from spiko_nanoservice.telemetry.spans import Envelope
from spiko_nanoservice.telemetry.tracing import Tracer
from spiko_nanoservice.tier.identity import instance_name, resource_of
from spiko_nanoservice.tier.key_handover import KeyHandover
from spiko_nanoservice.tier.pod_registration import PodRegistration
from spiko_nanoservice.tier.registration import Eurekas, RegionRegistration
from spiko_nanoservice.tier.source import Source
from spiko_nanoservice.tier.tier import Tier
from spiko_nanoservice.wire.client_handshake import Dialer
from spiko_nanoservice.wire.http_server import Server
from spiko_nanoservice.wire.internal_errors import internal_errors
from spiko_nanoservice.wire.key_files import KeyFiles
from spiko_nanoservice.wire.resolve import Resolve, choose_resolver

# The longest waits of a pod that stops, seconds: until no caller routes to it, until a node's keys have
# reached
# their new owners, and until the requests in progress are finished, copies of writes included.
LEAVE_S, HANDOVER_S, DRAIN_S = 2.0, 3.0, 5.0
# A pod that no caller of its eureka routes to serves for so long still: callers at other eurekas learn later.
QUIET_S = 0.2
# A second that is longer by as much means that the process was stopped.
STOPPED_S = 0.5
log = logging.getLogger("spiko.pod")


class TierPod:
    """One pod of one tier.

    Args:
        settings: identity of the pod.
        random: the source of every draw; seeded by the pod's identity and start if None.
        resolve: looks up the addresses of a Service; chosen by the settings if None.

    Attributes:
        settings: identity of the pod.
        tier: handles requests.
        source: sends requests of its own; None unless the package is a source.
        server: the HTTP server.
        registration: what the pod brings along whenever it registers.
        handover: moves keys; None unless the pod is a node of a ring.
    """

    def __init__(
        self, settings: Settings, random: Random | None = None, resolve: Resolve | None = None
    ) -> None:
        package = Package(settings.package)
        self.settings = settings
        self._random = random or Random(f"{settings.pod_uid}/{time.time_ns()}")
        resolve = resolve or choose_resolver(settings.resolver)
        self._dialer = Dialer(resolve, KeyFiles(settings.keys), settings.source, EUREKA_PORT)
        self.exporter = Exporter(Envelope(resource_of(settings), package_name, RELEASE), settings.otlp_secret)
        tracer = Tracer(self.exporter, self._random, settings.address, settings.port)
        routes = Routes(settings.pod_uid)
        self.tier = Tier(settings, make_role(package), routes, RequestCounters(), tracer, self._random)
        self.handover: KeyHandover | None = None
        if self.tier.ring is not None:
            self.handover = KeyHandover(self.tier.ring, settings.pod_uid, self.tier.caller.hand_over)
            self.tier.handover = self.handover.take
        routes.on_change = self._update_routes
        self.source = Source(self.tier, self._random) if PACKAGES[package].source else None
        self.server = Server(self.tier.handle)
        self.registration = PodRegistration(settings, settings.port, int(time.time() * 1000))
        self.registration.on_slot = self._take_slot
        self.tier.metrics = self._render_metrics
        self._update_routes()
        self._reported_export: tuple[str, str | None] = ("", None)
        self._regions: dict[str, RegionRegistration] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def port(self) -> int:
        """The port in use."""
        return self.registration.port

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then leave in order."""
        settings = self.settings
        _, self.registration.port = await self.server.listen(settings.bind_address, settings.port)
        home = self._register(Eurekas(settings.eureka_region, settings.eurekas, at_home=True))
        work = {"export": self.exporter.run, "report": self._tick_every_second}
        if self.source is not None:
            work["source"] = self.source.run
        if self.handover is not None:
            work["handover"] = self.handover.run
        for name, run in work.items():
            self._start(name, internal_errors.keep_running(name, run))
        self._start("ready", self._become_ready(home))
        log.info("%s %s of %s listens on %s:%d", settings.package, settings.pod_name, settings.architecture,
                 settings.bind_address, self.registration.port)  # fmt: skip
        await stop.wait()
        await self._leave()

    # ---------------------------------------------------------------- registry

    def _register(self, eurekas: Eurekas) -> RegionRegistration:
        made = RegionRegistration(
            eurekas, self.registration, self.tier.routes, self._configure, self._dialer, self._random
        )
        self._regions[eurekas.region] = made
        self._start(f"region {eurekas.region}", internal_errors.keep_running("registration", made.run))
        return made

    async def _become_ready(self, home: RegionRegistration) -> None:
        await home.registered.wait()
        self.tier.ready = True

    def _configure(self, config: PodConfig) -> None:
        """Act on a configuration unless a newer one is active: the registry of every region sends it."""
        if config.revision < self.tier.config.revision:
            return
        self.tier.config = config
        self.tier.tracer.samples_per_million = config.samples_per_million
        self.exporter.point_at(config.otlp_endpoint)
        self.exporter.gzip = config.otlp_gzip
        if self.source is not None:
            self.source.set_rate(config.rate_per_second, config.started)
        self._update_routes()
        others = config.regions[1:]
        for region in self._regions.keys() - {self.settings.eureka_region, *others}:
            self._regions.pop(region).closed = True
            self._stop(f"region {region}")
            self.tier.routes.forget(region)
        for region in others:
            if region not in self._regions:
                self._register(Eurekas(region, self.settings.eurekas[-1:], at_home=False))

    def _take_slot(self, before: Instance | None) -> None:
        if before is not None and self.tier.ring is not None:
            self.tier.ring.peers.add_predecessor(before)
        self._update_routes()

    def _update_routes(self) -> None:
        """Follow a change of the routing table, the zones or the slot."""
        slot, s = self.registration.slot, self.settings
        name = s.pod_name if slot is None else instance_name(s.tier, slot, s.zone, self.tier.config.zones)
        self.tier.update_routes(name)
        if self.handover is not None:
            self.handover.update_ring()

    # ---------------------------------------------------------------- reports

    async def _tick_every_second(self) -> None:
        loop = asyncio.get_running_loop()
        report = True
        while True:
            due = loop.time() + 1.0
            await asyncio.sleep(1.0)
            # After a stop of the process its eureka may have ended the connection, and that is not read yet:
            # the report waits for the next second, once, since on a busy machine every second is long.
            report = not report or loop.time() - due < STOPPED_S
            self.tick(report)

    def tick(self, report: bool = True) -> None:
        """Do the work of every second: relate the clocks, close idle connections, report."""
        self.tier.tracer.set_clock()
        self.tier.tick()
        self.exporter.settle()
        self.tier.counters.exported_spans = self.exporter.exported
        if report:
            self._report()

    def _report(self) -> None:
        """Report to the eureka at home; while its region is lost, to one of another region."""
        home = self._regions[self.settings.eureka_region]
        connected = next((region for region in (home, *self._regions.values()) if region.connected), None)
        if connected is None:
            return
        report = self.tier.counters.take(self.exporter.take_dropped()) or {}
        # A failure is repeated, since the eureka may be another one than a second ago.
        export = (self.exporter.endpoint, self.exporter.health.error)
        if export[1] is not None and (report or export[1] or export != self._reported_export):
            report["exporting"] = self._reported_export = export
        if report:
            connected.send({"t": m.REPORT, **report})

    def _render_metrics(self) -> bytes:
        tier = self.tier
        # The request for this page is in progress as well, and does not count.
        busy = self.server.busy - 1 + (self.source.busy if self.source else 0)
        started_s = self.registration.started_ms / 1000
        return tier_page(self.settings, started_s, tier.config, tier.counters, busy, tier.ready)

    # ---------------------------------------------------------------- leaving

    async def _leave(self) -> None:
        self.registration.leaving = True
        self._stop("source")
        if self.source is not None:
            await self.source.finish(LEAVE_S)
        await self._deregister()
        self._stop("report")
        loop = asyncio.get_running_loop()
        end = loop.time() + DRAIN_S
        await self.server.drain(DRAIN_S)
        await self.tier.finish(end - loop.time())
        self._report()
        for region in self._regions.values():
            await region.drain()
        self._stop("export")
        await self.exporter.flush(1.0)
        for name in list(self._tasks):
            self._stop(name)

    async def _deregister(self) -> None:
        """Deregister everywhere, and serve until no caller routes here and every key has its new owner."""
        home = self._regions[self.settings.eureka_region]
        if self.handover is not None and home.connected:
            # The other nodes must know before the slot can be granted to another pod.
            await self.handover.announce_leave()
        deregistering = [region for region in self._regions.values() if region.send({"t": m.BYE})]
        if deregistering:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEAVE_S):
                    for region in deregistering:
                        await region.left.wait()
            await asyncio.sleep(QUIET_S)
            if self.handover is not None:
                await self.handover.finish(HANDOVER_S, lambda: home.connected)

    def _start(self, name: str, work: Any) -> None:
        self._tasks[name] = asyncio.get_running_loop().create_task(work, name=name)

    def _stop(self, name: str) -> None:
        if task := self._tasks.pop(name, None):
            task.cancel()
