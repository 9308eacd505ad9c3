"""The scheduler: pods without a node get one."""

from __future__ import annotations

from collections.abc import Iterable

from kube_devserver.api.options import Options, Target
from kube_devserver.api.subresources import place
from kube_devserver.controllers.placement import Load, Room, choose
from kube_devserver.controllers.workqueue import NODES, PODS, Key, Work, condition_of, set_condition
from kube_devserver.storage.store import Event
from kube_devserver.storage.watch_cache import DELETED

COMPONENT = "default-scheduler"
ENDED = ("Succeeded", "Failed")


class Scheduler:
    """The controller of placement."""

    watches = (PODS, NODES)

    def __init__(self, work: Work) -> None:
        self._work = work
        self._on: dict[str, Load] = {}  # by the node's name
        self._waiting: dict[Key, None] = {}

    def keys(self, event: Event) -> Iterable[Key]:
        """A pod without a node; all that wait, when room may have come."""
        body = event.entry.body
        if event.kind == NODES:
            return list(self._waiting)
        key = (event.namespace, body["metadata"]["name"])
        node = body["spec"].get("nodeName")
        if node:
            on = self._on.setdefault(node, Load())
            if event.type == DELETED or body.get("status", {}).get("phase") in ENDED:
                on.pop(body)
                return list(self._waiting)
            on.put(body)
            self._waiting.pop(key, None)
            return ()
        if event.type == DELETED:
            self._waiting.pop(key, None)
            return ()
        return [key]

    def sync(self, key: Key) -> None:
        """Place one pod."""
        pod = self._work.body(PODS, *key)
        if (
            pod is None
            or pod["spec"].get("nodeName")
            or pod["metadata"].get("deletionTimestamp")
            or pod["spec"].get("schedulingGates")
        ):
            self._waiting.pop(key, None)
            return
        if pod["spec"].get("schedulerName", COMPONENT) != COMPONENT:
            return
        rooms = [Room(node, self._on.setdefault(node["metadata"]["name"], Load())) for node in self._work.bodies(NODES)]
        name, why = choose(pod, rooms)
        at = Target(self._work.resource(PODS), *key)
        if name is not None:
            place(self._work.verbs, at, name, Options(manager=COMPONENT))
            self._work.say(pod, "Normal", "Scheduled", f"Successfully assigned {key[0]}/{key[1]} to {name}", COMPONENT)
            return
        self._waiting[key] = None
        if condition_of(pod, "PodScheduled").get("message") != why:
            condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why,
                         "observedGeneration": pod["metadata"].get("generation", 1)}  # fmt: skip
            conditions = set_condition(
                list(pod.get("status", {}).get("conditions") or ()), condition, self._work.verbs.now()
            )
            conditions = [{k: v for k, v in c.items() if k != "lastUpdateTime"} for c in conditions]
            self._work.write_status(PODS, pod, pod.get("status", {}) | {"conditions": conditions}, COMPONENT)
            self._work.say(pod, "Warning", "FailedScheduling", why, COMPONENT)
