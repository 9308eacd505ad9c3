"""Assembles the pod of a eureka: HTTP server, connections to other eurekas, clock."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from spiko_nanoservice.eureka.admission import Gate
from spiko_nanoservice.eureka.metrics import EurekaCounts, eureka_page
from spiko_nanoservice.eureka.peers import Peers
from spiko_nanoservice.eureka.server import Eureka
from spiko_nanoservice.settings import Settings
from spiko_nanoservice.telemetry.prometheus import CONTENT_TYPE
from spiko_nanoservice.wire.client_handshake import Dialer
from spiko_nanoservice.wire.http_server import Server
from spiko_nanoservice.wire.internal_errors import internal_errors
from spiko_nanoservice.wire.key_files import KeyFiles
from spiko_nanoservice.wire.request import Request, render_heads
from spiko_nanoservice.wire.resolve import Resolve, choose_resolver

DRAIN_S = 0.5
_METRICS_HEADS = render_heads(CONTENT_TYPE.encode())
log = logging.getLogger("spiko.eureka")


class EurekaPod:
    """One eureka.

    Args:
        settings: identity of the pod; the last of its `eurekas` is the Service of all eurekas.
        resolve: looks up the addresses of a Service; chosen by the settings if None.
    """

    def __init__(self, settings: Settings, resolve: Resolve | None = None) -> None:
        self._settings = settings
        self._resolve = resolve or choose_resolver(settings.resolver)
        self._started_s = round(time.time(), 3)
        name = f"{settings.pod_name}/{time.time_ns()}"
        self._keys = KeyFiles(settings.keys)
        self.eureka = Eureka(name, settings.region, settings.zone, Gate(self._keys, settings.address))

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set. Pods then register at another eureka and keep their tables meanwhile."""
        settings = self._settings
        self.eureka.pages[b"/metrics"] = self._metrics
        server = Server(self.eureka.handle)
        await server.listen(settings.bind_address, settings.port)
        dialer = Dialer(self._resolve, self._keys, settings.source, settings.port)
        peers = Peers(self.eureka, settings.eurekas[-1], settings.address, dialer)
        tasks = [
            asyncio.create_task(internal_errors.keep_running(work.__qualname__, work))
            for work in (peers.run, self.eureka.tick, self.eureka.count_seconds)
        ]
        log.info(
            "eureka of region %s, zone %s listens on %s:%d",
            settings.region,
            settings.zone,
            settings.bind_address,
            settings.port,
        )
        try:
            await stop.wait()
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            await asyncio.gather(server.drain(DRAIN_S), self.eureka.close(DRAIN_S))

    def _metrics(self, request: Request) -> None:
        eureka = self.eureka
        counts = EurekaCounts(
            connections=eureka.connections(),
            dropped_spans=eureka.totals.dropped_spans,
            refused=eureka.gate.refused,
            internal_errors=internal_errors.total,
        )
        page = eureka_page(self._settings, self._started_s, eureka.registry, counts)
        request.reply(200, page, heads=_METRICS_HEADS)
