"""Disruption budgets: how many pods may be evicted now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from kube_devserver.controllers.index import SelectorIndex
from kube_devserver.controllers.rolling import scaled
from kube_devserver.controllers.workqueue import Key, Workqueue
from kube_devserver.objects.conditions import (
    has_ended,
    is_ready,
    is_terminating,
    labels_of,
    owner_of,
    read_time,
)
from kube_devserver.objects.kinds import BUDGETS, DEPLOYMENTS, PODS, REPLICA_SETS, Body
from kube_devserver.objects.selectors import matches_selector
from kube_devserver.storage.store import Event
from kube_devserver.storage.watch_cache import DELETED

MANAGER = "kube-controller-manager"
ENDED = ("Succeeded", "Failed")
EVICTION_S = 120  # a pod that still exists this long after its eviction was granted counts as healthy again


class Disruption:
    """The controller of disruption budgets."""

    watches = (BUDGETS, PODS, DEPLOYMENTS, REPLICA_SETS)

    def __init__(self, work: Workqueue) -> None:
        self._work = work
        self._budgets = SelectorIndex()

    def keys(self, event: Event) -> Iterable[Key]:
        """The budget; the budgets of a pod; the budgets of the pods that a scaled owner makes."""
        body = event.entry.body
        if event.kind == BUDGETS:
            return [self._budgets.handle(event)]
        if event.kind != PODS:
            before = event.before.body["spec"] if event.before is not None else body["spec"]
            if before.get("replicas") == body["spec"].get("replicas"):
                return ()  # a new owner has no pods yet
            return self._budgets.selecting(event.namespace, labels_of(body["spec"]["template"]))
        seen = [body]
        if event.before is not None:
            if event.type != DELETED and _counted(event.before.body) == _counted(body):
                return ()
            if event.before.body["metadata"].get("labels") != body["metadata"].get("labels"):
                seen.append(event.before.body)
        return [key for each in seen for key in self._budgets.selecting(event.namespace, labels_of(each))]

    def sync(self, key: Key) -> None:
        """Recompute the budget's status."""
        budget = self._work.get(BUDGETS, *key)
        if budget is None:
            return
        spec, before = budget["spec"], budget.get("status", {})
        pods = [
            pod
            for pod in self._work.index.candidates(PODS, key[0], spec.get("selector"))
            if matches_selector(spec.get("selector"), labels_of(pod)) and not has_ended(pod)
        ]
        expected, desired = self._expected(spec, pods)
        disrupted, wait_s = self._disrupted(before, pods)
        if wait_s is not None:
            self._work.enqueue_after(wait_s, self, key)
        staying = [pod for pod in pods if pod["metadata"]["name"] not in disrupted]
        healthy = sum(is_ready(pod) and not is_terminating(pod) for pod in staying)
        allowed = max(0, healthy - desired) if expected > 0 else 0
        status: Body = {
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "disruptionsAllowed": allowed,
            "expectedPods": expected,
            "observedGeneration": budget["metadata"].get("generation", 1),
        } | ({"disruptedPods": disrupted} if disrupted else {})
        status["conditions"] = [self._condition(before, bool(allowed), status["observedGeneration"])]
        self._work.write_status(BUDGETS, budget, status, MANAGER)

    def _condition(self, before: Body, is_allowed: bool, generation: int) -> Body:
        old: Body = next(iter(before.get("conditions") or ()), {})
        status = str(is_allowed)
        is_same = old.get("status") == status
        return {
            "type": "DisruptionAllowed",
            "status": status,
            "reason": "SufficientPods" if is_allowed else "InsufficientPods",
            "message": "",
            "observedGeneration": generation,
            "lastTransitionTime": old["lastTransitionTime"] if is_same else self._work.verbs.now(),
        }

    def _expected(self, spec: Body, pods: list[Body]) -> tuple[int, int]:
        """The number of pods that should exist, and how many of them must stay healthy."""
        least = spec.get("minAvailable")
        if isinstance(least, int):
            return len(pods), least
        expected = self._wanted(pods)
        if least is not None:
            return expected, scaled(least, expected, up=True)
        most = spec.get("maxUnavailable", 0)
        return expected, max(0, expected - scaled(most, expected, up=True))

    def _wanted(self, pods: list[Body]) -> int:
        """The sum of the replicas that the pods' controllers want; a pod without one counts as one."""
        wanted: dict[str, int] = {}
        for pod in pods:
            owner, namespace = owner_of(pod), pod["metadata"]["namespace"]
            if owner is None:
                wanted[pod["metadata"]["uid"]] = 1
                continue
            body = self._work.get(REPLICA_SETS, namespace, owner["name"])
            above = owner_of(body) if body is not None else None
            if body is not None and above is not None:
                body = self._work.get(DEPLOYMENTS, namespace, above["name"]) or body
            if body is not None:
                wanted[body["metadata"]["uid"]] = body["spec"].get("replicas", 1)
        return sum(wanted.values())

    def _disrupted(self, status: Body, pods: list[Body]) -> tuple[dict[str, str], float | None]:
        """Evicted pods that still exist, and the seconds until the first of them counts again."""
        found, wait_s = {}, None
        existing = {pod["metadata"]["name"] for pod in pods if not is_terminating(pod)}
        for name, since in (status.get("disruptedPods") or {}).items():
            left = (read_time(since) + timedelta(seconds=EVICTION_S) - self._work.now()).total_seconds()
            if name in existing and left > 0:
                found[name] = since
                wait_s = left if wait_s is None else min(wait_s, left)
        return found, wait_s


def _counted(pod: Body) -> tuple[Any, ...]:
    """What of a pod changes a budget's status."""
    metadata = pod["metadata"]
    is_ended = has_ended(pod)
    return (
        metadata.get("labels"),
        metadata.get("ownerReferences"),
        bool(metadata.get("deletionTimestamp")),
        is_ended,
        is_ready(pod),
    )
