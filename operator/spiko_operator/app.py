"""The operator behind kopf: election, cache, and the work of a leader."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Mapping
from typing import Any

from spiko_operator.backoff import Backoff
from spiko_operator.cluster.cache import Cache
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.operator_key import load_operator_key
from spiko_operator.errors import ClusterError, NotLeader
from spiko_operator.figures import EventTimes
from spiko_operator.full_lists import add_type
from spiko_operator.http_server import HttpServer, Pages
from spiko_operator.leader import Elector, new_identity
from spiko_operator.metrics import Figures, no_metrics, start_metrics
from spiko_operator.plan.keys import Keyring
from spiko_operator.plan.objects import Object
from spiko_operator.progress import Progress
from spiko_operator.running import Running, cancel, stop_process
from spiko_operator.settings import Settings

FIRST_KEY_RETRY_S, LONGEST_KEY_RETRY_S = 0.5, 15.0
log = logging.getLogger("spiko.operator")


class App:
    """The operator as kopf calls it: `start`, then `deliver` for every event, then `stop`.

    kopf registers its handlers when `main.py` is imported, before there are settings and an event loop.
    Until this process leads, it only keeps the cache; `Running` has the parts that work.
    """

    def __init__(self) -> None:
        self._cache = Cache()
        self._client: Client | None = None
        self._lease_client: Client | None = None
        self._elector: Elector | None = None  # None without an election
        self._running: Running | None = None
        self._leading: list[asyncio.Task[None]] = []
        self._renewing: list[asyncio.Task[None]] = []
        self._server: HttpServer | None = None
        self._metrics, self._events = no_metrics(), EventTimes()

    async def start(self, settings: Settings) -> None:
        """Connect to the API server, and start to wait for leadership in the background.

        Raises:
            ClusterError: there are no usable credentials.
            SettingsError: the address of the HTTP server is not available.
        """
        await self._serve(settings)
        guard = None
        if settings.leader_election:
            # The Lease has connections of its own: others may all be busy.
            self._lease_client = await Client.connect(settings.kubeconfig)
            self._elector = Elector(self._lease_client, settings.own_namespace, new_identity())
            guard = self._elector.guard
        self._client = await Client.connect(settings.kubeconfig, guard=guard)
        self._client.connection.observe = self._metrics.count_request
        loop = asyncio.get_running_loop()
        self._leading = [loop.create_task(self._lead(settings, self._client))]
        if self._elector is not None:
            self._renewing = [loop.create_task(self._hold_lease(self._elector))]
        for task in (*self._leading, *self._renewing):
            task.add_done_callback(_stop_process_on_error)

    async def stop(self) -> None:
        """Stop all work, then release the Lease; the next operator repeats a pass that is interrupted."""
        await cancel(self._leading)
        if self._running is not None:
            await self._running.stop()
        await cancel(self._renewing)
        if self._elector is not None:
            await self._elector.release()
        for client in (self._client, self._lease_client):
            if client is not None:
                await client.close()
        if self._server is not None:
            await self._server.close()

    def deliver(self, kind: str, event: Mapping[str, Any]) -> None:
        """Update the cache by one event of kopf; a leader also queues the keys that it concerns."""
        self._events.record(kind)
        # The cache removes managed fields, and shares the rest with kopf, which does not change it.
        body: Object = dict(event["object"])
        body["metadata"] = dict(body["metadata"])
        add_type(kind, body)
        if event["type"] == "DELETED":
            self._cache.drop(kind, body)
            if self._running is None:
                self._cache.forget_deletions()  # a standby makes no lists, which would do it
        else:
            self._cache.put(kind, body)
        if self._running is not None:
            self._running.queue(kind, body)

    def progress(self) -> Progress:
        """Return the progress of the operator, for its probes."""
        if self._running is not None:
            return self._running.progress(self._events)
        is_standby = self._elector is not None and self._elector.is_standby
        return Progress(event_age_s=self._events.age_s(), role="standby" if is_standby else None)

    def _figures(self) -> Figures:
        return self._running.figures(self._events) if self._running is not None else Figures()

    async def _serve(self, settings: Settings) -> None:
        """Start the HTTP server, before anything else, so that probes are answered from the first moment."""
        if settings.http_listen is None or self._server is not None:  # kopf repeats a start that failed
            return
        self._metrics, render = start_metrics()
        self._metrics.observe(self._figures)
        server = HttpServer(Pages(self.progress, settings.resync_s, render))
        await server.listen(*settings.http_listen)
        self._server = server

    async def _lead(self, settings: Settings, client: Client) -> None:
        """Wait for leadership, then list all objects and start to reconcile."""
        if self._elector is not None:
            await self._elector.elected.wait()
        key = await _load_key(client, settings.own_namespace)
        guard = self._elector.guard if self._elector is not None else None
        keyring = Keyring(key, settings.key_epoch)
        self._running = Running(settings, client, self._cache, keyring, guard, self._metrics)
        await self._running.start()

    async def _hold_lease(self, elector: Elector) -> None:
        """Hold the Lease; stop the process when it is lost."""
        await elector.run()
        os.kill(os.getpid(), signal.SIGTERM)


async def _load_key(client: Client, namespace: str) -> bytes:
    """Return the operator's key, which everything else needs; retry until the API server has or takes it."""
    backoff = Backoff(FIRST_KEY_RETRY_S, LONGEST_KEY_RETRY_S)
    while True:
        try:
            return await load_operator_key(client, namespace)
        except ClusterError as error:
            log.warning("the operator's key cannot be read, retrying: %s", error)
            await asyncio.sleep(backoff.next_s())


def _stop_process_on_error(task: asyncio.Task[None]) -> None:
    """Stop the process if a task fails; one that the guard has stopped ends because leadership is lost."""
    if not task.cancelled() and not isinstance(task.exception(), NotLeader | None):
        stop_process(task)
