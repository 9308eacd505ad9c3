"""A eureka's pod put together: server, peers, clock."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from aiohttp import web

from spiko_nanoservice.eureka.metrics import eureka_page
from spiko_nanoservice.eureka.peers import Peers
from spiko_nanoservice.eureka.server import Eureka
from spiko_nanoservice.exposition import CONTENT_TYPE
from spiko_nanoservice.resolve import Resolve, choose_resolver
from spiko_nanoservice.settings import Settings

log = logging.getLogger("spiko.eureka")


class EurekaPod:
    """One eureka.

    Args:
        settings: who it is; the last of its `eurekas` names them all.
        resolve: how names become addresses; from the settings if left out.

    """

    def __init__(self, settings: Settings, resolve: Resolve | None = None) -> None:
        self._settings = settings
        self._resolve = resolve or choose_resolver(settings.resolver)
        self._started_s = round(time.time(), 3)
        name = f"{settings.pod_name}/{time.time_ns()}"
        self.eureka = Eureka(name, settings.region, settings.zone)

    async def live(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set. Sessions end with the process: pods register elsewhere and keep their tables meanwhile."""
        settings = self._settings
        application = self.eureka.application()
        application.router.add_get("/metrics", self._metrics)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        await web.TCPSite(runner, settings.bind_address, settings.port).start()
        peers = Peers(self.eureka, settings.eurekas[-1], settings.address, self._resolve, settings.port)
        tasks = [asyncio.create_task(work) for work in (peers.run(), self.eureka.tick(), self.eureka.count_seconds())]
        log.info(
            "eureka of %s %s listens on %s:%d", settings.region, settings.zone, settings.bind_address, settings.port
        )
        try:
            await stop.wait()
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            await runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        eureka = self.eureka
        page = eureka_page(
            self._settings, self._started_s, eureka.registry, eureka.connections(), eureka.totals.dropped_spans
        )
        return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE})
