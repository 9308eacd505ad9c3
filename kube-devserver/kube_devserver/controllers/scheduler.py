"""The scheduler: it binds pods that have no node."""

from __future__ import annotations

from collections.abc import Iterable

from kube_devserver.api.options import Options, Target
from kube_devserver.api.pods import bind_to_node
from kube_devserver.controllers.placement import Candidate, Load, choose
from kube_devserver.controllers.workqueue import Key, Workqueue
from kube_devserver.objects.conditions import condition_of, has_ended, is_terminating, set_condition
from kube_devserver.objects.kinds import NODES, PODS, Body
from kube_devserver.storage.store import Event
from kube_devserver.storage.watch_cache import DELETED

COMPONENT = "default-scheduler"
ENDED = ("Succeeded", "Failed")


class Scheduler:
    """The controller of pods without a node."""

    watches = (PODS, NODES)

    def __init__(self, work: Workqueue) -> None:
        self._work = work
        self._loads: dict[str, Load] = {}  # by the node's name
        self._waiting: dict[Key, None] = {}

    def keys(self, event: Event) -> Iterable[Key]:
        """A pod without a node; all pods that wait, when a node has changed or a pod has left one."""
        body = event.entry.body
        if event.kind == NODES:
            return list(self._waiting)
        key = (event.namespace, body["metadata"]["name"])
        node = body["spec"].get("nodeName")
        if node:
            load = self._loads.setdefault(node, Load())
            if event.type == DELETED or has_ended(body):
                load.remove(body)
                return list(self._waiting)
            load.put(body)
            self._waiting.pop(key, None)
            return ()
        if event.type == DELETED:
            self._waiting.pop(key, None)
            return ()
        return [key]

    def sync(self, key: Key) -> None:
        """Bind one pod."""
        pod = self._work.get(PODS, *key)
        if pod is None or not _needs_node(pod):
            self._waiting.pop(key, None)
            return
        if pod["spec"].get("schedulerName", COMPONENT) != COMPONENT:
            return
        nodes = self._work.list_all(NODES)
        candidates = [Candidate(n, self._loads.setdefault(n["metadata"]["name"], Load())) for n in nodes]
        name, why = choose(pod, candidates)
        if name is not None:
            at = Target(self._work.resource(PODS), *key)
            bind_to_node(self._work.verbs, at, name, Options(manager=COMPONENT))
            message = f"Successfully assigned {key[0]}/{key[1]} to {name}"
            self._work.record(pod, "Normal", "Scheduled", message, COMPONENT)
            return
        self._waiting[key] = None
        if condition_of(pod, "PodScheduled").get("message") != why:
            self._report_unschedulable(pod, why)

    def _report_unschedulable(self, pod: Body, why: str) -> None:
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": why,
            "observedGeneration": pod["metadata"].get("generation", 1),
        }
        status = pod.get("status", {})
        conditions = set_condition(list(status.get("conditions") or ()), condition, self._work.verbs.now())
        conditions = [{k: v for k, v in c.items() if k != "lastUpdateTime"} for c in conditions]
        self._work.write_status(PODS, pod, status | {"conditions": conditions}, COMPONENT)
        self._work.record(pod, "Warning", "FailedScheduling", why, COMPONENT)


def _needs_node(pod: Body) -> bool:
    spec = pod["spec"]
    return not (spec.get("nodeName") or is_terminating(pod) or spec.get("schedulingGates"))
