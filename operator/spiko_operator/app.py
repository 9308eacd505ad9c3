"""The operator behind kopf: cache, queues, links to eurekas, and periodic full lists."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from random import Random
from typing import Any

from spiko_operator.backoff import Backoff
from spiko_operator.cluster.cache import Cache, architecture_of
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.execute import Executor
from spiko_operator.cluster.operator_key import load_operator_key
from spiko_operator.cluster.owners import Owners
from spiko_operator.cluster.resources import RESOURCES
from spiko_operator.cluster.sockets import Sockets
from spiko_operator.context import Context
from spiko_operator.errors import ClusterError
from spiko_operator.eureka_links import Links
from spiko_operator.eureka_urls import Reacher
from spiko_operator.figures import EventTimes, read_figures
from spiko_operator.handlers.architecture import read_node_zones, reconcile
from spiko_operator.handlers.fault import inject
from spiko_operator.handlers.monkey import visit
from spiko_operator.handlers.registrations import RegistrationCheck
from spiko_operator.http_server import HttpServer, Pages
from spiko_operator.key_publisher import KeyPublisher
from spiko_operator.metrics import Figures, Metrics, no_metrics, start_metrics
from spiko_operator.plan import names
from spiko_operator.plan.conditions import ACCEPTED
from spiko_operator.plan.keys import Keyring
from spiko_operator.plan.objects import Key, Object, condition, key_of
from spiko_operator.plan.reevaluation import REEVALUATE_S, UNWATCHED
from spiko_operator.progress import Progress
from spiko_operator.queueing import KeyedQueue
from spiko_operator.settings import Settings
from spiko_operator.telemetry import start_tracing

WORKERS = 8
# Faults and monkeys mostly wait, for a disruption budget or for evidence. One that waits for an hour must not
# occupy the worker of another.
WAITING_WORKERS = 64
FIRST_LIST_RETRY_S, LONGEST_KEY_RETRY_S = 0.5, 15.0
# Kind -> label selector. Full lists are in this order: owners before the objects that they own.
WATCHED: Mapping[str, str] = {
    "Architecture": "",
    "Fault": "",
    "ConfigMap": names.ARCHITECTURE,
    "Deployment": names.ARCHITECTURE,
    "Service": names.ARCHITECTURE,
    "PodDisruptionBudget": names.ARCHITECTURE,
    "Pod": f"{names.TIER}={names.EUREKA}",
}
# Only with SPIKO_NETWORK_POLICIES: without it, the operator needs no permission for these.
WATCHED_POLICIES: Mapping[str, str] = {"NetworkPolicy": names.ARCHITECTURE}
Work = Callable[[Context, Key], Awaitable[float | None]]
log = logging.getLogger("spiko.operator")


class App:
    """The operator as kopf calls it: `start`, then `deliver` for every event, then `stop`.

    kopf registers its handlers when `main.py` is imported, before there are settings and an event loop.
    `Running` has the parts that need them.
    """

    def __init__(self) -> None:
        self._running: Running | None = None
        self._server: HttpServer | None = None
        self._metrics, self._events = no_metrics(), EventTimes()

    async def start(self, settings: Settings) -> None:
        """Connect to the API server, list all objects, and start to reconcile.

        Raises:
            ClusterError: there are no usable credentials.
            SettingsError: the address of the HTTP server is not available.
        """
        await self._serve(settings)
        client = await Client.connect(settings.kubeconfig)
        client.connection.observe = self._metrics.count_request
        key = await _load_key(client, settings.own_namespace)
        self._running = Running(settings, client, Keyring(key, settings.key_epoch), self._metrics)
        await self._running.start()

    async def stop(self) -> None:
        """Stop all work; the next operator repeats a pass that is interrupted."""
        if self._running is not None:
            await self._running.stop()
        if self._server is not None:
            await self._server.close()

    def deliver(self, kind: str, event: Mapping[str, Any]) -> None:
        """Update the cache by one event of kopf, and queue the keys that it concerns."""
        self._events.record(kind)
        if self._running is not None:
            self._running.deliver(kind, event)

    def progress(self) -> Progress:
        """Return the progress of the operator, for its probes."""
        return self._running.progress(self._events) if self._running is not None else Progress()

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


class Running:
    """The parts of a started operator.

    Args:
        settings: of the operator.
        client: of the API server.
        keyring: the operator's key.
        metrics: the instruments of the operator.
    """

    def __init__(self, settings: Settings, client: Client, keyring: Keyring, metrics: Metrics) -> None:
        tracer, self._stop_tracing = start_tracing(os.environ)
        self._sockets, self._cache = Sockets(client), Cache()
        self._context = context = Context(
            settings=settings,
            client=client,
            cache=self._cache,
            executor=Executor(client, self._cache),
            links=Links(self._sockets.open, self._reconcile),
            reach=Reacher(settings.reach, client.server),
            tracer=tracer,
            owners=Owners(client, self._cache),
            keys=KeyPublisher(client, self._cache, keyring),
            metrics=metrics,
        )
        random = Random(time.time_ns())

        def queue(kind: str, work: Work, workers: int) -> KeyedQueue[Key]:
            return KeyedQueue(metrics.measure(kind, partial(work, context)), workers, random)

        self._architectures = queue("architecture", reconcile, WORKERS)
        self._faults = queue("fault", inject, WAITING_WORKERS)
        self._monkeys = queue("monkey", visit, WAITING_WORKERS)
        self._registrations = RegistrationCheck(context)
        self._tasks: list[asyncio.Task[None]] = []
        self._listed, self._listed_at = False, time.monotonic()

    async def start(self) -> None:
        """List all objects, and start the workers."""
        await self._list_first()
        loop = asyncio.get_running_loop()
        queues = (self._architectures.run(), self._faults.run(), self._monkeys.run())
        work = (*queues, self._list_periodically(), self._list_nodes_periodically())
        self._tasks = [loop.create_task(part) for part in work]
        for task in self._tasks:
            task.add_done_callback(_stop_process)
        log.info("ready: %d architectures", len(self._cache.all("Architecture")))

    async def stop(self) -> None:
        """Stop the workers, and close all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._context.links.close()
        await self._sockets.close()
        await self._context.client.close()
        self._stop_tracing()

    def deliver(self, kind: str, event: Mapping[str, Any]) -> None:
        """Update the cache by one event of kopf, and queue the keys that it concerns."""
        # The cache removes managed fields, and shares the rest with kopf, which does not change it.
        body: Object = dict(event["object"])
        body["metadata"] = dict(body["metadata"])
        _add_type(kind, body)
        if event["type"] == "DELETED":
            self._cache.drop(kind, body)
        else:
            self._cache.put(kind, body)
        self._queue(kind, body)

    def progress(self, events: EventTimes) -> Progress:
        """Return the progress of the operator. There is no leader election: this operator is the leader."""
        return Progress(
            listed=self._listed,
            list_age_s=time.monotonic() - self._listed_at,
            event_age_s=events.age_s(),
            queue_age_s=self._architectures.oldest_wait_s(),
            pass_age_s=self._architectures.longest_pass_s(),
            role="leader",
        )

    def figures(self, events: EventTimes) -> Figures:
        """Return the figures of `/metrics`."""
        queues = {"architecture": self._architectures, "fault": self._faults, "monkey": self._monkeys}
        ages_s = events.ages_s(self._watched())
        return read_figures(self.progress(events), queues, ages_s, self._cache, self._context.links)

    def _watched(self) -> Mapping[str, str]:
        return {**WATCHED, **(WATCHED_POLICIES if self._context.settings.policies else {})}

    def _reconcile(self, key: Key) -> None:
        self._architectures.add(key)

    def _queue(self, kind: str, body: Object) -> None:
        """Queue the keys that a changed object concerns."""
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        if kind == "Fault":
            self._faults.add((namespace, name))
            return
        architecture = name if kind == "Architecture" else architecture_of(body)
        if architecture is None:
            return
        self._architectures.add((namespace, architecture))
        if kind == "Architecture":
            self._monkeys.add((namespace, architecture))
            self._queue_rejected()
            for fault in self._cache.all("Fault"):
                metadata = fault["metadata"]
                if metadata["namespace"] == namespace and fault["spec"].get("architecture") == name:
                    self._faults.add((namespace, metadata["name"]))

    def _queue_rejected(self) -> None:
        """Queue the Architectures whose rejection may depend on another Architecture, which has changed."""
        for body in self._cache.all("Architecture"):
            if condition(body, ACCEPTED).get("reason") in UNWATCHED:
                self._architectures.add(key_of(body))

    async def _list_first(self) -> None:
        """List all objects before the first pass, since the cache must have all existing objects."""
        while True:
            try:
                await self._list()
                await self._list_nodes()
            except ClusterError as error:
                log.warning("the first full list failed, retrying: %s", error)
                await asyncio.sleep(FIRST_LIST_RETRY_S)
            else:
                self._cache.divergences.clear()
                self._listed = True
                return

    async def _list_periodically(self) -> None:
        while True:
            await asyncio.sleep(self._context.settings.resync_s)
            try:
                await self._list()
                await self._check_trust()
            except ClusterError as error:
                log.warning("a full list, or a check after it, failed: %s", error)

    async def _list_nodes_periodically(self) -> None:
        while True:
            await asyncio.sleep(REEVALUATE_S)
            try:
                await self._list_nodes()
            except ClusterError as error:
                log.warning("a list of the nodes failed: %s", error)

    async def _list(self) -> None:
        """Compare the cache with full lists, and queue the keys of objects that differ."""
        settings = self._context.settings
        for kind, labels in self._watched().items():
            for namespace in settings.namespaces or (None,):
                snapshot = await self._context.client.snapshot(kind, namespace, labels)
                for body in snapshot.items:
                    _add_type(kind, body)
                for body in self._cache.compare(kind, snapshot.items, snapshot.version, namespace):
                    self._queue(kind, body)
        self._context.executor.forget_gone()
        self._listed_at = time.monotonic()

    async def _check_trust(self) -> None:
        """Check what is not watched: the Secrets with keys, and the pods that have registered."""
        for key in (*await self._context.keys.verify(), *await self._registrations.run()):
            self._reconcile(key)

    async def _list_nodes(self) -> None:
        """Read the zones of the nodes.

        Nodes are listed and not watched, because they report their status too often.
        """
        context = self._context
        before, context.node_zones = context.node_zones, await read_node_zones(context.client)
        if before != context.node_zones:
            for body in self._cache.all("Architecture"):
                self._queue("Architecture", body)


async def _load_key(client: Client, namespace: str) -> bytes:
    """Return the operator's key, which everything else needs; retry until the API server has or takes it."""
    backoff = Backoff(FIRST_LIST_RETRY_S, LONGEST_KEY_RETRY_S)
    while True:
        try:
            return await load_operator_key(client, namespace)
        except ClusterError as error:
            log.warning("the operator's key cannot be read, retrying: %s", error)
            await asyncio.sleep(backoff.next_s())


def _stop_process(task: asyncio.Task[None]) -> None:
    """Stop the process if a task ends by itself, which is a bug: the next process starts afresh."""
    if not task.cancelled():
        log.critical("a background task has ended; stopping the process", exc_info=task.exception())
        os.kill(os.getpid(), signal.SIGTERM)


def _add_type(kind: str, body: Object) -> None:
    """Add kind and apiVersion, which the items of a list do not have."""
    body.setdefault("kind", kind)
    body.setdefault("apiVersion", RESOURCES[kind].api_version)
