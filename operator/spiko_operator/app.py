"""The operator behind kopf: election, cache, queues, links to eurekas, and periodic full lists."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from spiko_operator.backoff import Backoff
from spiko_operator.cluster.cache import Cache, architecture_of
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.execute import Executor
from spiko_operator.cluster.operator_key import load_operator_key
from spiko_operator.cluster.owners import Owners
from spiko_operator.cluster.sockets import Sockets
from spiko_operator.cluster.write_guard import WriteGuard
from spiko_operator.context import Context
from spiko_operator.errors import ClusterError, NotLeader
from spiko_operator.eureka_links import Links
from spiko_operator.eureka_urls import Reacher
from spiko_operator.full_lists import FullLists, add_type
from spiko_operator.handlers.architecture import read_nodes, reconcile
from spiko_operator.handlers.fault import inject
from spiko_operator.handlers.monkey import visit
from spiko_operator.handlers.registrations import RegistrationCheck
from spiko_operator.key_publisher import KeyPublisher
from spiko_operator.leader import Elector, new_identity
from spiko_operator.plan.conditions import ACCEPTED
from spiko_operator.plan.keys import Keyring
from spiko_operator.plan.objects import Key, Object, condition, key_of
from spiko_operator.plan.reevaluation import REEVALUATE_S, UNWATCHED
from spiko_operator.queueing import KeyedQueue
from spiko_operator.settings import Settings
from spiko_operator.telemetry import start_tracing

WORKERS = 8
# Faults and monkeys mostly wait, for a disruption budget or for evidence. One that waits for an hour must not
# occupy the worker of another.
WAITING_WORKERS = 64
FIRST_LIST_RETRY_S, LONGEST_KEY_RETRY_S = 0.5, 15.0
MISSED_LISTS = 3  # full lists that may be missed before the liveness probe fails
FORBIDDEN_RETRY_S = 1.0  # between looks at the namespaces without permissions that are due
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

    async def start(self, settings: Settings) -> None:
        """Connect to the API server, and start to wait for leadership in the background.

        Raises:
            ClusterError: there are no usable credentials.
        """
        guard = None
        if settings.leader_election:
            # The Lease has connections of its own: others may all be busy.
            self._lease_client = await Client.connect(settings.kubeconfig)
            self._elector = Elector(self._lease_client, settings.own_namespace, new_identity())
            guard = self._elector.guard
        self._client = await Client.connect(settings.kubeconfig, guard=guard)
        loop = asyncio.get_running_loop()
        self._leading = [loop.create_task(self._lead(settings, self._client))]
        if self._elector is not None:
            self._renewing = [loop.create_task(self._hold_lease(self._elector))]
        for task in (*self._leading, *self._renewing):
            task.add_done_callback(_stop_process_on_error)

    async def stop(self) -> None:
        """Stop all work, then release the Lease; the next operator repeats a pass that is interrupted."""
        await _cancel(self._leading)
        if self._running is not None:
            await self._running.stop()
        await _cancel(self._renewing)
        if self._elector is not None:
            await self._elector.release()
        for client in (self._client, self._lease_client):
            if client is not None:
                await client.close()

    def deliver(self, kind: str, event: Mapping[str, Any]) -> None:
        """Update the cache by one event of kopf; a leader also queues the keys that it concerns."""
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

    @property
    def is_leader(self) -> bool:
        """Whether this process may write: it holds the Lease, or there is no election."""
        return self._client is not None and (self._elector is None or self._elector.is_leader)

    def progress(self) -> dict[str, float]:
        """Return the seconds since the last full list, for the liveness probe; a standby makes none.

        Raises:
            ClusterError: the last full list is too long ago: the process hangs, or the API server is
                unreachable.
        """
        return self._running.progress() if self._running is not None else {}

    async def _lead(self, settings: Settings, client: Client) -> None:
        """Wait for leadership, then list all objects and start to reconcile."""
        if self._elector is not None:
            await self._elector.elected.wait()
        key = await _load_key(client, settings.own_namespace)
        guard = self._elector.guard if self._elector is not None else None
        self._running = Running(settings, client, self._cache, Keyring(key, settings.key_epoch), guard)
        await self._running.start()

    async def _hold_lease(self, elector: Elector) -> None:
        """Hold the Lease; stop the process when it is lost."""
        await elector.run()
        os.kill(os.getpid(), signal.SIGTERM)


class Running:
    """The parts of an operator that leads.

    Args:
        settings: of the operator.
        client: of the API server.
        cache: of the observed objects, which `App` updates.
        keyring: the operator's key.
        guard: of acts through eurekas; None to permit all.
    """

    def __init__(
        self, settings: Settings, client: Client, cache: Cache, keyring: Keyring, guard: WriteGuard | None
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
        )
        random = Random(time.time_ns())
        self._architectures: KeyedQueue[Key] = KeyedQueue(
            lambda key: reconcile(context, key), WORKERS, random
        )
        self._faults: KeyedQueue[Key] = KeyedQueue(lambda key: inject(context, key), WAITING_WORKERS, random)
        self._monkeys: KeyedQueue[Key] = KeyedQueue(lambda key: visit(context, key), WAITING_WORKERS, random)
        self._registrations = RegistrationCheck(context)
        self._lists = FullLists(
            client, cache, settings, self.queue, self._queue_namespace, self._forget_links
        )
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """List all objects, and start the workers."""
        await self._list_first()
        loop = asyncio.get_running_loop()
        queues = (self._architectures.run(), self._faults.run(), self._monkeys.run())
        lists = (self._list_periodically(), self._list_nodes_periodically(), self._retry_forbidden())
        self._tasks = [loop.create_task(part) for part in (*queues, *lists)]
        for task in self._tasks:
            task.add_done_callback(_stop_process)
        log.info("ready: %d architectures", len(self._cache.all("Architecture")))

    async def stop(self) -> None:
        """Stop the workers, and close the connections to eurekas."""
        await _cancel(self._tasks)
        await self._context.links.close()
        await self._sockets.close()
        self._stop_tracing()

    def progress(self) -> dict[str, float]:
        """Return the seconds since the last full list, and the differences that full lists have found.

        Raises:
            ClusterError: the last full list is too long ago.
        """
        age_s = time.monotonic() - self._lists.listed_at_s
        if age_s > MISSED_LISTS * self._context.settings.resync_s:
            raise ClusterError(f"no full list for {age_s:.0f} s")
        return {
            "list_age_seconds": age_s,
            "divergences": float(self._cache.divergences),
            "link_errors": float(self._context.links.errors),
        }

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
                self._cache.divergences = 0
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
        """Read the nodes.

        Nodes are listed and not watched, because they report their status too often.
        """
        context = self._context
        before, context.nodes = context.nodes, await read_nodes(context.client)
        if before != context.nodes:
            for body in self._cache.all("Architecture"):
                self.queue("Architecture", body)


async def _load_key(client: Client, namespace: str) -> bytes:
    """Return the operator's key, which everything else needs; retry until the API server has or takes it."""
    backoff = Backoff(FIRST_LIST_RETRY_S, LONGEST_KEY_RETRY_S)
    while True:
        try:
            return await load_operator_key(client, namespace)
        except ClusterError as error:
            log.warning("the operator's key cannot be read, retrying: %s", error)
            await asyncio.sleep(backoff.next_s())


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _stop_process(task: asyncio.Task[None]) -> None:
    """Stop the process if a task ends by itself, which is a bug: the next process starts afresh."""
    if not task.cancelled():
        log.critical("a background task has ended; stopping the process", exc_info=task.exception())
        os.kill(os.getpid(), signal.SIGTERM)


def _stop_process_on_error(task: asyncio.Task[None]) -> None:
    """Stop the process if a task fails; one that the guard has stopped ends because leadership is lost."""
    if not task.cancelled() and not isinstance(task.exception(), NotLeader | None):
        _stop_process(task)
