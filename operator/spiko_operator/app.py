"""The operator behind kopf: cache, queues, links, and the full list that guards against whatever a watch may miss."""

from __future__ import annotations

import asyncio
import copy
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from spiko_operator.cluster.cache import Cache, architecture_of
from spiko_operator.cluster.client import RESOURCES, Client
from spiko_operator.cluster.execute import Executor
from spiko_operator.cluster.sockets import Sockets
from spiko_operator.context import Context
from spiko_operator.errors import ClusterError
from spiko_operator.eureka_links import Links
from spiko_operator.eureka_urls import Reacher
from spiko_operator.handlers.architecture import read_node_zones, reconcile
from spiko_operator.handlers.fault import inject
from spiko_operator.handlers.monkey import visit
from spiko_operator.plan import names
from spiko_operator.plan.objects import Key, Object
from spiko_operator.queueing import KeyedQueue
from spiko_operator.settings import Settings
from spiko_operator.telemetry import start_tracing

WORKERS = 8
WAITING = 64  # faults and monkeys mostly wait, for a budget or for evidence: one that waits an hour must not hold up eight others
WATCHED: Mapping[str, str] = {
    "Architecture": "",
    "Fault": "",
    "ConfigMap": names.ARCHITECTURE,
    "Deployment": names.ARCHITECTURE,
    "Service": names.ARCHITECTURE,
    "PodDisruptionBudget": names.ARCHITECTURE,
    "Pod": f"{names.TIER}={names.EUREKA}",
}  # in the order of the lists: owners before what they own
log = logging.getLogger("spiko.operator")


class App:
    """Made once; `start` and `stop` are called by kopf, `deliver` for every event."""

    def __init__(self) -> None:
        self._cache = Cache()
        self._random = Random(time.time_ns())
        self._context: Context | None = None
        self._architectures: KeyedQueue[Key] | None = None
        self._faults: KeyedQueue[Key] | None = None
        self._monkeys: KeyedQueue[Key] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._sockets: Sockets | None = None
        self._stop_tracing: Callable[[], None] = lambda: None
        self._listed_at = time.monotonic()
        self._resync_s = 60.0

    async def start(self, settings: Settings) -> None:
        """Connect, list everything once, begin to work.

        Raises:
            ClusterError: no credentials.
        """
        client = await Client.connect(settings.kubeconfig)
        tracer, self._stop_tracing = start_tracing(os.environ)
        self._sockets = Sockets(client)
        links = Links(self._sockets.open, self._wake)
        self._context = context = Context(
            settings,
            client,
            self._cache,
            Executor(client, self._cache),
            links,
            Reacher(settings.reach, client.server),
            tracer,
        )
        self._resync_s = settings.resync_s
        self._architectures = KeyedQueue(lambda key: reconcile(context, key), WORKERS, self._random)
        self._faults = KeyedQueue(lambda key: inject(context, key), WAITING, self._random)
        self._monkeys = KeyedQueue(lambda key: visit(context, key), WAITING, self._random)
        await self._first_lists()
        loop = asyncio.get_running_loop()
        works = (self._architectures.run(), self._faults.run(), self._monkeys.run(), self._compare_for_ever())
        self._tasks = [loop.create_task(work) for work in works]
        for task in self._tasks:
            task.add_done_callback(_end_with)
        log.info("ready: %d architectures", len(self._cache.all("Architecture")))

    async def stop(self) -> None:
        """End everything; a round that is cut off is begun again by the next operator."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._context is not None and self._sockets is not None:
            await self._context.links.close()
            await self._sockets.close()
            await self._context.client.close()
        self._stop_tracing()

    def deliver(self, kind: str, event: Mapping[str, Any]) -> None:
        """Take one event of kopf's."""
        body: Object = copy.deepcopy(dict(event["object"]))
        _complete(kind, body)
        if event["type"] == "DELETED":
            self._cache.drop(kind, body)
        else:
            self._cache.put(kind, body)
        self._queue(kind, body)

    def progress(self) -> dict[str, float]:
        """Seconds since the last full list.

        Raises:
            ClusterError: it is overdue: the process hangs or the API server is out of reach.
        """
        age_s = time.monotonic() - self._listed_at
        if age_s > 3 * self._resync_s:
            raise ClusterError(f"no full list for {age_s:.0f} s")
        return {"list_age_seconds": age_s, "divergences": float(self._cache.divergences)}

    def _wake(self, key: Key) -> None:
        if self._architectures is not None:
            self._architectures.add(key)

    def _queue(self, kind: str, body: Object) -> None:
        """Which keys an object concerns."""
        if self._architectures is None or self._faults is None or self._monkeys is None:
            return
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
            for waiting in self._cache.all("Fault"):
                if waiting["metadata"]["namespace"] == namespace and waiting["spec"].get("architecture") == name:
                    self._faults.add((namespace, waiting["metadata"]["name"]))

    async def _first_lists(self) -> None:
        """Everything must be known before anything is decided: an owned object that is not yet in the cache is not missing."""
        while True:
            try:
                await self._compare()
            except ClusterError as error:
                log.warning("cannot list yet: %s", error)
                await asyncio.sleep(0.5)
            else:
                self._cache.divergences = 0
                return

    async def _compare_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._resync_s)
            try:
                await self._compare()
            except ClusterError as error:
                log.warning("full list: %s", error)

    async def _compare(self) -> None:
        assert self._context is not None
        for kind, labels in WATCHED.items():
            for namespace in self._context.settings.namespaces or (None,):
                snapshot = await self._context.client.snapshot(kind, namespace, labels)
                for body in snapshot.items:
                    _complete(kind, body)
                for body in self._cache.compare(kind, snapshot.items, snapshot.version, namespace):
                    self._queue(kind, body)
        self._context.executor.forget_gone()
        await self._look_at_nodes(self._context)
        self._listed_at = time.monotonic()

    async def _look_at_nodes(self, context: Context) -> None:
        """Nodes are not watched, they report too often: their zones are seen by the full lists."""
        before, context.node_zones = context.node_zones, await read_node_zones(context.client)
        if before != context.node_zones:
            for body in self._cache.all("Architecture"):
                self._queue("Architecture", body)


def _end_with(task: asyncio.Task[None]) -> None:
    """A part that ends by itself was broken by a fault of ours: the process ends as well, and the next one begins with clean state."""
    if not task.cancelled():
        log.critical("a part of the operator has ended", exc_info=task.exception())
        os.kill(os.getpid(), signal.SIGTERM)


def _complete(kind: str, body: Object) -> None:
    """Items of a list do not say their kind."""
    body.setdefault("kind", kind)
    body.setdefault("apiVersion", RESOURCES[kind].api_version)
