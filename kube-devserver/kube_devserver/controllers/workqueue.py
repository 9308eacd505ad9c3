"""The workqueue that the controllers share: it holds each key once, delays keys, and repeats failed ones.

A controller is a class with `watches` (the kinds whose events it gets), `keys(event)` and `sync(key)`. A sync
compares the store with the desired state and does what is missing. It is synchronous, so nothing changes
while it runs, and it runs again after any event that maps to its key.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Protocol

from kube_devserver.api.options import Options, Target
from kube_devserver.api.verbs import Verbs
from kube_devserver.api_errors import StatusError
from kube_devserver.controllers.event_recorder import EventRecorder
from kube_devserver.controllers.index import Index
from kube_devserver.objects.kinds import PODS, REPLICA_SETS, Body, Kind
from kube_devserver.objects.resource_registry import Resource
from kube_devserver.storage.store import Event, Store

TURN_S = 0.01  # seconds of syncs before the event loop serves requests
SPACING_S = 0.1  # one status for what happens to an object within this time
RETRY_S, LONGEST_RETRY_S = 1.0, 60.0  # after a failure; doubled each time
log = logging.getLogger("kube_devserver.controllers")

Key = tuple[str, ...]


class Controller(Protocol):
    """One controller."""

    @property
    def watches(self) -> tuple[Kind, ...]:
        """The kinds whose events it gets; empty for all."""
        ...

    def keys(self, event: Event) -> Iterable[Key]:
        """The keys that an event concerns."""
        ...

    def sync(self, key: Key) -> None:
        """Reconcile one key."""
        ...


class Workqueue:
    """The queue, and what a sync may read and write.

    Args:
        verbs: reads and writes objects.
        now: returns the time, UTC.
    """

    def __init__(self, verbs: Verbs, now: Callable[[], datetime] | None = None) -> None:
        self.verbs = verbs
        self.now = now or (lambda: datetime.now(UTC))
        self.store: Store = verbs.store
        self.index = Index(self.store, (PODS, REPLICA_SETS))
        self._recorder = EventRecorder(self)
        self._controllers: dict[Controller, float] = {}  # with their spacing
        self._queue: deque[tuple[Controller, Key]] = deque()
        self._queued: set[tuple[int, Key]] = set()
        self._timers: dict[tuple[int, Key], asyncio.TimerHandle] = {}
        self._failures: dict[tuple[int, Key], int] = {}  # in a row
        self._rests: dict[tuple[int, Key], float] = {}  # until when events of a key wait; the soonest first
        self._wake = asyncio.Event()

    def add(self, controller: Controller, spacing_s: float = 0.0) -> None:
        """Add a controller; `start` sends it an event for each object that exists.

        Args:
            controller: that reconciles keys.
            spacing_s: seconds between two syncs of a key that events cause: 0 or SPACING_S.
        """
        self._controllers[controller] = spacing_s

    def start(self) -> None:
        """Queue every object, then listen to the store."""
        self.index.start()
        self.store.listeners.append(self.index.handle)
        for kind in self.store.kinds():
            for entry in self.store.entries(kind):
                namespace = entry.body["metadata"].get("namespace", "")
                self._handle(Event(entry.revision, kind, namespace, "ADDED", entry, None))
        self.store.listeners.append(self._handle)

    def _handle(self, event: Event) -> None:
        for controller, spacing_s in self._controllers.items():
            if not controller.watches or event.kind in controller.watches:
                for key in self._keys(controller, event):
                    if spacing_s and (wait_s := self._rest_s((id(controller), key))) > 0:
                        self.enqueue_after(wait_s, controller, key)
                    else:
                        self.enqueue(controller, key)

    def _rest_s(self, marker: tuple[int, Key]) -> float:
        """Seconds until an event of a key may cause a sync."""
        until = self._rests.get(marker)
        return until - asyncio.get_running_loop().time() if until is not None else 0.0

    def _keys(self, controller: Controller, event: Event) -> list[Key]:
        # The write has been done, and the other controllers must get its event even if this one fails.
        try:
            return list(controller.keys(event))
        except Exception:
            name = event.entry.body.get("metadata", {}).get("name", "")
            place = f"{event.kind[1]} {event.namespace}/{name}"
            log.exception("%s cannot read %s", type(controller).__name__, place)
            return []

    def enqueue(self, controller: Controller, key: Key) -> None:
        """Sync a key soon."""
        marker = (id(controller), key)
        if marker not in self._queued:
            self._queued.add(marker)
            self._queue.append((controller, key))
            self._wake.set()

    def enqueue_after(self, seconds: float, controller: Controller, key: Key) -> None:
        """Sync a key after some seconds, unless an earlier timer is set."""
        marker = (id(controller), key)
        loop = asyncio.get_running_loop()
        known = self._timers.get(marker)
        if known is not None and known.when() <= loop.time() + seconds:
            return
        if known is not None:
            known.cancel()
        self._timers[marker] = loop.call_later(max(0.0, seconds), self._expire, marker, controller, key)

    def _expire(self, marker: tuple[int, Key], controller: Controller, key: Key) -> None:
        self._timers.pop(marker, None)
        self.enqueue(controller, key)

    async def run(self) -> None:
        """Sync queued keys until cancelled."""
        while True:
            end = time.perf_counter() + TURN_S
            while self._queue and time.perf_counter() < end:
                controller, key = self._queue.popleft()
                self._queued.discard((id(controller), key))
                self._sync(controller, key)
            if self._queue:
                await asyncio.sleep(0)
            else:
                self._wake.clear()
                await self._wake.wait()

    def _sync(self, controller: Controller, key: Key) -> None:
        marker = (id(controller), key)
        if spacing_s := self._controllers[controller]:
            self._begin_rest(marker, spacing_s)
        try:
            controller.sync(key)
        except StatusError as error:
            if error.code in (404, 409):  # the object has changed since it was read
                self.enqueue_after(RETRY_S, controller, key)
                return
            log.warning("%s %s: %s", type(controller).__name__, "/".join(key), error)
        except Exception:
            log.exception("%s %s", type(controller).__name__, "/".join(key))
        else:
            self._failures.pop(marker, None)
            return
        times = self._failures[marker] = self._failures.get(marker, 0) + 1
        self.enqueue_after(min(RETRY_S * 2.0 ** (times - 1), LONGEST_RETRY_S), controller, key)

    def _begin_rest(self, marker: tuple[int, Key], spacing_s: float) -> None:
        now, rests = asyncio.get_running_loop().time(), self._rests
        while rests and rests[oldest := next(iter(rests))] <= now:
            del rests[oldest]
        rests.pop(marker, None)
        rests[marker] = now + spacing_s

    # ------------------------------------------------------------------ reading

    def get(self, kind: Kind, namespace: str, name: str) -> Body | None:
        """One object; None if it does not exist."""
        entry = self.store.get(kind, namespace, name)
        return entry.body if entry is not None else None

    def list_all(self, kind: Kind, namespace: str = "") -> list[Body]:
        """All objects of a kind, or of a namespace."""
        return [entry.body for entry in self.store.entries(kind, namespace)]

    def resource(self, kind: Kind) -> Resource:
        """The resource of a kind, which must be served."""
        found = self.verbs.registry.stored(kind)
        assert found is not None, kind
        return found

    # ------------------------------------------------------------------ writing

    def create(self, kind: Kind, namespace: str, body: Body, manager: str) -> Body:
        """Create an object."""
        options = Options(manager=manager, validation="Ignore")
        return self.verbs.create(self.resource(kind), namespace, body, options)

    def update(self, kind: Kind, body: Body, manager: str, subresource: str = "") -> Body:
        """Replace an object that was read before."""
        metadata, resource = body["metadata"], self.resource(kind)
        if resource.custom is not None:
            body = body | {"apiVersion": resource.api_version}  # it may be stored in another version
        at = Target(resource, metadata.get("namespace", ""), metadata["name"], subresource)
        return self.verbs.update(at, body, Options(manager=manager, validation="Ignore"))[0]

    def write_status(self, kind: Kind, body: Body, status: Body, manager: str) -> None:
        """Replace an object's status if it differs."""
        if body.get("status") != status:
            self.update(kind, body | {"status": status}, manager, "status")

    def delete(self, kind: Kind, body: Body, **wanted: Any) -> None:
        """Delete an object, but not another one of the same name."""
        metadata = body["metadata"]
        at = Target(self.resource(kind), metadata.get("namespace", ""), metadata["name"])
        self.verbs.delete(at, {"preconditions": {"uid": metadata["uid"]}, **wanted}, Options())

    def record(self, about: Body, kind: str, reason: str, message: str, component: str) -> None:
        """Write an Event about an object; a repeated one is counted."""
        self._recorder.record(about, kind, reason, message, component)
