"""The work of an operator that leads: queues, links to eurekas, and periodic full lists."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from random import Random

from spiko_operator.cluster.cache import Cache, architecture_of
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.execute import Executor
from spiko_operator.cluster.owners import Owners
from spiko_operator.cluster.sockets import Sockets
from spiko_operator.cluster.write_guard import WriteGuard
from spiko_operator.context import Context
from spiko_operator.errors import ClusterError
from spiko_operator.eureka_links import Links
from spiko_operator.eureka_urls import Reacher
from spiko_operator.figures import EventTimes, read_figures
from spiko_operator.full_lists import FullLists
from spiko_operator.handlers.architecture import reconcile
from spiko_operator.handlers.fault import inject
from spiko_operator.handlers.monkey import visit
from spiko_operator.handlers.registrations import RegistrationCheck
from spiko_operator.key_publisher import KeyPublisher
from spiko_operator.metrics import Figures, Metrics
from spiko_operator.node_list import NodeList
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
FIRST_LIST_RETRY_S = 0.5
FORBIDDEN_RETRY_S = 1.0  # between looks at the namespaces without permissions that are due
Work = Callable[[Context, Key], Awaitable[float | None]]
log = logging.getLogger("spiko.operator")


class Running:
    """The parts of an operator that leads.

    Args:
        settings: of the operator.
        client: of the API server.
        cache: of the observed objects, which `App` updates.
        keyring: the operator's key.
        guard: of acts through eurekas; None to permit all.
        metrics: the instruments of the operator.
    """

    def __init__(
        self,
        settings: Settings,
        client: Client,
        cache: Cache,
        keyring: Keyring,
        guard: WriteGuard | None,
        metrics: Metrics,
    ) -> None:
        tracer, self._stop_tracing = start_tracing(os.environ)
        self._sockets, self._cache = Sockets(client), cache
        self._context = context = Context(
            settings=settings,
            client=client,
            cache=self._cache,
            executor=Executor(client, self._cache),
            links=Links(self._sockets.open, self._reconcile, guard=guard),
            reach=Reacher(settings.reach, client.server),
            tracer=tracer,
            owners=Owners(client, self._cache),
            keys=KeyPublisher(client, self._cache, keyring),
            metrics=metrics,
        )
        random = Random(time.time_ns())

        def new_queue(kind: str, work: Work, workers: int) -> KeyedQueue[Key]:
            return KeyedQueue(metrics.measure(kind, partial(work, context)), workers, random)

        self._architectures = new_queue("architecture", reconcile, WORKERS)
        self._faults = new_queue("fault", inject, WAITING_WORKERS)
        self._monkeys = new_queue("monkey", visit, WAITING_WORKERS)
        self._registrations = RegistrationCheck(context)
        self._nodes = NodeList(context)
        self._lists = FullLists(
            client, cache, settings, self.queue, self._queue_namespace, self._forget_links
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._listed = False

    async def start(self) -> None:
        """List all objects, and start the workers."""
        await self._list_first()
        loop = asyncio.get_running_loop()
        queues = (self._architectures.run(), self._faults.run(), self._monkeys.run())
        lists = (self._list_periodically(), self._list_nodes_periodically(), self._retry_forbidden())
        self._tasks = [loop.create_task(part) for part in (*queues, *lists)]
        for task in self._tasks:
            task.add_done_callback(stop_process)
        log.info("ready: %d architectures", len(self._cache.all("Architecture")))

    async def stop(self) -> None:
        """Stop the workers, and close the connections to eurekas."""
        await cancel(self._tasks)
        await self._context.links.close()
        await self._sockets.close()
        self._stop_tracing()

    def progress(self, events: EventTimes) -> Progress:
        """Return the progress of an operator that leads."""
        return Progress(
            listed=self._listed,
            list_age_s=time.monotonic() - self._lists.listed_at_s,
            event_age_s=events.age_s(),
            queue_age_s=self._architectures.oldest_wait_s(),
            pass_age_s=self._architectures.longest_pass_s(),
            role="leader",
        )

    def figures(self, events: EventTimes) -> Figures:
        """Return the figures of `/metrics`."""
        queues = {"architecture": self._architectures, "fault": self._faults, "monkey": self._monkeys}
        ages_s = events.ages_s(self._lists.kinds)
        return read_figures(self.progress(events), queues, ages_s, self._cache, self._context.links)

    def queue(self, kind: str, body: Object) -> None:
        """Queue the keys that a changed object concerns, in a namespace that may be listed."""
        if self._lists.is_open(body["metadata"]["namespace"]):
            self._queue(kind, body)

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
            key = key_of(body)
            if condition(body, ACCEPTED).get("reason") in UNWATCHED and self._lists.is_open(key[0]):
                self._architectures.add(key)

    def _queue_namespace(self, namespace: str | None) -> None:
        """Queue all keys of a namespace, or of all, whose objects are in the cache now."""
        for kind in ("Architecture", "Fault"):
            for body in self._cache.all(kind):
                if namespace in (None, body["metadata"]["namespace"]):
                    self._queue(kind, body)

    def _forget_links(self, namespace: str | None) -> None:
        """Close the connections to the eurekas of a namespace, or of all, that may not be listed any more."""
        for key in map(key_of, self._cache.all("Architecture")):
            if namespace in (None, key[0]):
                self._context.links.forget(key)

    async def _list_first(self) -> None:
        """List all objects before the first pass, since the cache must have all existing objects."""
        while True:
            try:
                await self._lists.run()
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
                await self._lists.run()
                self._context.executor.forget_gone()
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

    async def _retry_forbidden(self) -> None:
        while True:
            await asyncio.sleep(FORBIDDEN_RETRY_S)
            try:
                await self._lists.retry_forbidden()
            except ClusterError as error:
                log.warning("a list of a namespace without permissions failed: %s", error)

    async def _check_trust(self) -> None:
        """Check what is not watched: the Secrets with keys, and the pods that have registered."""
        for key in (*await self._context.keys.verify(), *await self._registrations.run()):
            self._reconcile(key)

    async def _list_nodes(self) -> None:
        """List the nodes, and reconcile every Architecture if they have changed."""
        if await self._nodes.refresh():
            for body in self._cache.all("Architecture"):
                self.queue("Architecture", body)


async def cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks, and wait for their ends."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def stop_process(task: asyncio.Task[None]) -> None:
    """Stop the process if a task ends by itself, which is a bug: the next process starts afresh."""
    if not task.cancelled():
        log.critical("a background task has ended; stopping the process", exc_info=task.exception())
        os.kill(os.getpid(), signal.SIGTERM)
