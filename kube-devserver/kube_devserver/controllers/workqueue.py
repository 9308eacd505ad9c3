"""What controllers share: a queue that holds each key once, timers, events about objects, and writes that put up with a conflict.

A controller is a class with `watches` (the kinds it hears of), `keys(event)` and `sync(key)`. A sync looks at the store as it is now and
does what is missing; it is synchronous, so that nothing changes under it, and it runs again when anything it depends on changes.
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
from kube_devserver.controllers.index import Index
from kube_devserver.objects.resource_registry import Resource
from kube_devserver.storage.store import Body, Event, Kind, Store

TURN_S = 0.01  # syncs before requests get their turn
AGAIN_S, LONGEST_AGAIN_S = 1.0, 60.0  # after a failure; doubled each time
MOST_SAID = 5000
MOST_SIMILAR, SIMILAR_S = 10, 600.0  # events that differ in their message only, before they become one
EVENT_BURST, EVENT_EVERY_S = 25, 300.0  # events about one object, and what is added to that later
PODS, NODES, NAMESPACES, EVENTS = ("", "pods"), ("", "nodes"), ("", "namespaces"), ("", "events")
DEPLOYMENTS, REPLICA_SETS = ("apps", "deployments"), ("apps", "replicasets")
BUDGETS, LEASES = ("policy", "poddisruptionbudgets"), ("coordination.k8s.io", "leases")
DEFINITIONS = ("apiextensions.k8s.io", "customresourcedefinitions")
log = logging.getLogger("spiko.controllers")

Key = tuple[str, ...]


class Controller(Protocol):
    """One controller."""

    @property
    def watches(self) -> tuple[Kind, ...]:
        """Kinds that it hears of; empty for all."""
        ...

    def keys(self, event: Event) -> Iterable[Key]:
        """What a change concerns."""
        ...

    def sync(self, key: Key) -> None:
        """Make it as it should be."""
        ...


class Work:
    """The queue and what a sync may do.

    Args:
        verbs: to write.
        now: the time, UTC.
    """

    def __init__(self, verbs: Verbs, now: Callable[[], datetime] | None = None) -> None:
        self.verbs = verbs
        self.now = now or (lambda: datetime.now(UTC))
        self.store: Store = verbs.store
        self.index = Index(self.store, (PODS, REPLICA_SETS, BUDGETS))
        self._controllers: list[Controller] = []
        self._queue: deque[tuple[Controller, Key]] = deque()
        self._queued: set[tuple[int, Key]] = set()
        self._timers: dict[tuple[int, Key], asyncio.TimerHandle] = {}
        self._failures: dict[tuple[int, Key], int] = {}  # in a row
        self._wake = asyncio.Event()
        self._said: dict[tuple[str, ...], str] = {}  # names of events by what they say
        self._similar: dict[
            tuple[str, ...], tuple[set[str], float]
        ] = {}  # what differs in its message only, and when it was heard
        self._budgets: dict[
            tuple[str, str], tuple[float, float]
        ] = {}  # how much a component may still say of an object

    def add(self, controller: Controller) -> None:
        """Let a controller take part; it hears of all that is there already."""
        self._controllers.append(controller)

    def start(self) -> None:
        """Queue everything there is, then listen."""
        self.index.start()
        self.store.listeners.append(self.index.hear)
        for kind in self.store.kinds():
            for entry in self.store.entries(kind):
                self._hear(
                    Event(entry.revision, kind, entry.body["metadata"].get("namespace", ""), "ADDED", entry, None)
                )
        self.store.listeners.append(self._hear)

    def _hear(self, event: Event) -> None:
        for controller in self._controllers:
            if not controller.watches or event.kind in controller.watches:
                for key in self._keys(controller, event):
                    self.put(controller, key)

    def _keys(self, controller: Controller, event: Event) -> list[Key]:
        """What a change concerns; the write has been done, and the other controllers must hear of it, whatever becomes of this one."""
        try:
            return list(controller.keys(event))
        except Exception:
            name = event.entry.body.get("metadata", {}).get("name", "")
            log.exception("%s cannot read %s %s/%s", type(controller).__name__, event.kind[1], event.namespace, name)
            return []

    def put(self, controller: Controller, key: Key) -> None:
        """Sync this soon."""
        marker = (id(controller), key)
        if marker not in self._queued:
            self._queued.add(marker)
            self._queue.append((controller, key))
            self._wake.set()

    def later(self, seconds: float, controller: Controller, key: Key) -> None:
        """Sync this after a while; an earlier timer stays."""
        marker = (id(controller), key)
        loop = asyncio.get_running_loop()
        known = self._timers.get(marker)
        if known is not None and known.when() <= loop.time() + seconds:
            return
        if known is not None:
            known.cancel()
        self._timers[marker] = loop.call_later(max(0.0, seconds), self._ring, marker, controller, key)

    def _ring(self, marker: tuple[int, Key], controller: Controller, key: Key) -> None:
        self._timers.pop(marker, None)
        self.put(controller, key)

    async def run(self) -> None:
        """Sync until cancelled."""
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
        try:
            controller.sync(key)
        except StatusError as error:
            if error.code in (404, 409):  # it has changed meanwhile
                self.later(AGAIN_S, controller, key)
                return
            log.warning("%s %s: %s", type(controller).__name__, "/".join(key), error)
        except Exception:
            log.exception("%s %s", type(controller).__name__, "/".join(key))
        else:
            self._failures.pop(marker, None)
            return
        times = self._failures[marker] = self._failures.get(marker, 0) + 1
        self.later(min(AGAIN_S * 2.0 ** (times - 1), LONGEST_AGAIN_S), controller, key)

    # ------------------------------------------------------------------ reading

    def body(self, kind: Kind, namespace: str, name: str) -> Body | None:
        """One object."""
        entry = self.store.get(kind, namespace, name)
        return entry.body if entry is not None else None

    def bodies(self, kind: Kind, namespace: str = "") -> list[Body]:
        """All objects of a kind."""
        return [entry.body for entry in self.store.entries(kind, namespace)]

    # ------------------------------------------------------------------ writing

    def resource(self, kind: Kind) -> Resource:
        """The resource of a kind that is served."""
        found = self.verbs.catalog.stored(kind)
        assert found is not None, kind
        return found

    def create(self, kind: Kind, namespace: str, body: Body, manager: str) -> Body:
        """Create an object."""
        return self.verbs.create(self.resource(kind), namespace, body, Options(manager=manager, strict="Ignore"))

    def update(self, kind: Kind, body: Body, manager: str, subresource: str = "") -> Body:
        """Replace an object as it was read."""
        metadata, resource = body["metadata"], self.resource(kind)
        if resource.custom is not None:
            body = body | {"apiVersion": resource.api_version}  # it may have been kept in another one
        at = Target(resource, metadata.get("namespace", ""), metadata["name"], subresource)
        return self.verbs.update(at, body, Options(manager=manager, strict="Ignore"))[0]

    def write_status(self, kind: Kind, body: Body, status: Body, manager: str) -> None:
        """Replace an object's status if it differs."""
        if body.get("status") != status:
            self.update(kind, body | {"status": status}, manager, "status")

    def delete(self, kind: Kind, body: Body, **wanted: Any) -> None:
        """Delete this very object."""
        metadata = body["metadata"]
        at = Target(self.resource(kind), metadata.get("namespace", ""), metadata["name"])
        self.verbs.delete(at, {"preconditions": {"uid": metadata["uid"]}, **wanted}, Options())

    def say(self, about: Body, kind: str, reason: str, message: str, component: str) -> None:
        """Write an event about an object; the same again counts up."""
        metadata = about["metadata"]
        namespace = metadata.get("namespace") or "default"
        now = self.verbs.now()
        involved = {
            "kind": about["kind"], "apiVersion": about["apiVersion"], "name": metadata["name"], "uid": metadata.get("uid", ""),
            "resourceVersion": metadata.get("resourceVersion", ""),
        } | ({"namespace": metadata["namespace"]} if metadata.get("namespace") else {})  # fmt: skip
        message, group = self._combine((involved["uid"], kind, reason, component), message)
        if not message:
            return
        known = self._said.get(group)
        body = self.body(EVENTS, namespace, known) if known is not None else None
        if body is not None:
            changed = {"count": body.get("count", 1) + 1, "lastTimestamp": now, "message": message}
            self.update(EVENTS, body | changed, component)
            return
        event = {
            "metadata": {"name": f"{metadata['name']}.{self.store.revision:016x}"}, "involvedObject": involved, "type": kind, "reason": reason,
            "message": message, "source": {"component": component}, "firstTimestamp": now, "lastTimestamp": now, "count": 1,
            "reportingComponent": component,
        }  # fmt: skip
        try:
            made = self.create(EVENTS, namespace, event, component)
            self._said[group] = made["metadata"]["name"]
            _cap(self._said)
        except StatusError as error:
            log.debug("event about %s: %s", metadata["name"], error)  # its namespace is going

    def _combine(self, group: tuple[str, ...], message: str) -> tuple[str, tuple[str, ...]]:
        """An event's message and what it is counted with, after client-go's correlator: many that differ in their message only become
        one, and an object of which a component says too much is not heard for a while (an empty message).
        """
        now_s = self.now().timestamp()
        source = (group[0], group[-1])
        tokens, since_s = self._budgets.pop(source, (float(EVENT_BURST), now_s))
        tokens = min(float(EVENT_BURST), tokens + (now_s - since_s) / EVENT_EVERY_S)
        self._budgets[source] = (max(0.0, tokens - 1.0), now_s)
        messages, last_s = self._similar.pop(group, (set(), now_s))
        if now_s - last_s > SIMILAR_S:
            messages = set()
        if len(messages) < MOST_SIMILAR:
            messages.add(message)
        self._similar[group] = (messages, now_s)
        _cap(self._budgets)
        _cap(self._similar)
        if tokens < 1.0:
            return "", group
        if len(messages) < MOST_SIMILAR:
            return message, (*group, message)
        return f"(combined from similar events): {message}", group


def _cap(known: dict[Any, Any]) -> None:
    """Forget what was heard of longest ago."""
    while len(known) > MOST_SAID:
        del known[next(iter(known))]


def owner_of(body: Body) -> Body | None:
    """An object's controller."""
    return next((o for o in body["metadata"].get("ownerReferences") or () if o.get("controller")), None)


def controlled_by(body: Body, owner: Body) -> bool:
    """Whether an object's controller is this one."""
    reference = owner_of(body)
    return reference is not None and reference["uid"] == owner["metadata"]["uid"]


def condition_of(body: Body, name: str) -> Body:
    """One condition; empty if there is none."""
    return next((c for c in body.get("status", {}).get("conditions") or () if c["type"] == name), {})


def set_condition(conditions: list[Body], new: Body, now: str) -> list[Body]:
    """Conditions with one replaced; its times stay while it says the same."""
    old = next((c for c in conditions if c["type"] == new["type"]), None)
    if old is not None and all(old.get(key) == new.get(key) for key in ("status", "reason", "message")):
        return conditions
    times = {
        "lastUpdateTime": now,
        "lastTransitionTime": old["lastTransitionTime"] if old and old["status"] == new["status"] else now,
    }
    return [*(c for c in conditions if c["type"] != new["type"]), times | new]
