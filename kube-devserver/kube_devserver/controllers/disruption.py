"""Disruption budgets: how many pods may go now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from kube_devserver.api.subresources import is_ready
from kube_devserver.api.tables import read_time
from kube_devserver.controllers.rolling import scaled
from kube_devserver.controllers.workqueue import BUDGETS, DEPLOYMENTS, PODS, REPLICA_SETS, Key, Work, owner_of
from kube_devserver.objects.selectors import matches_selector
from kube_devserver.storage.store import Body, Event

MANAGER = "kube-controller-manager"
GONE_S = 120  # a pod whose eviction was granted and that is still there after this counts again


class Disruption:
    """The controller of budgets."""

    watches = (BUDGETS, PODS, DEPLOYMENTS, REPLICA_SETS)

    def __init__(self, work: Work) -> None:
        self._work = work

    def keys(self, event: Event) -> Iterable[Key]:
        """A budget; or those that cover a pod; a scaled owner concerns all of its namespace."""
        body = event.entry.body
        if event.kind == BUDGETS:
            return [(event.namespace, body["metadata"]["name"])]
        budgets = self._work.index.among(BUDGETS, event.namespace)
        if event.kind != PODS:
            before = event.before.body["spec"].get("replicas") if event.before is not None else None
            changed = event.before is None or before != body["spec"].get("replicas")
            return [(event.namespace, each["metadata"]["name"]) for each in budgets] if changed else ()
        labels = [body["metadata"].get("labels") or {}]
        if event.before is not None:
            labels.append(event.before.body["metadata"].get("labels") or {})
        return [
            (event.namespace, each["metadata"]["name"]) for each in budgets
            if any(matches_selector(each["spec"].get("selector"), each_labels) for each_labels in labels)
        ]  # fmt: skip

    def sync(self, key: Key) -> None:
        """Count."""
        budget = self._work.body(BUDGETS, *key)
        if budget is None:
            return
        spec, before = budget["spec"], budget.get("status", {})
        pods = [
            pod for pod in self._work.index.among(PODS, key[0], spec.get("selector"))
            if matches_selector(spec.get("selector"), pod["metadata"].get("labels") or {})
            and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
        ]  # fmt: skip
        expected, desired = self._expected(spec, pods)
        disrupted, wait = self._disrupted(before, pods)
        if wait is not None:
            self._work.later(wait, self, key)
        healthy = sum(
            is_ready(pod) and not pod["metadata"].get("deletionTimestamp") and pod["metadata"]["name"] not in disrupted
            for pod in pods
        )
        allowed = max(0, healthy - desired) if expected > 0 else 0
        status: Body = {
            "currentHealthy": healthy, "desiredHealthy": desired, "disruptionsAllowed": allowed, "expectedPods": expected,
            "observedGeneration": budget["metadata"].get("generation", 1),
        } | ({"disruptedPods": disrupted} if disrupted else {})  # fmt: skip
        condition = {
            "type": "DisruptionAllowed", "status": "True" if allowed else "False",
            "reason": "SufficientPods" if allowed else "InsufficientPods", "message": "",
            "observedGeneration": status["observedGeneration"],
        }  # fmt: skip
        old: Body = next(iter(before.get("conditions") or ()), {})
        same = old.get("status") == condition["status"]
        condition["lastTransitionTime"] = old["lastTransitionTime"] if same else self._work.verbs.now()
        status["conditions"] = [condition]
        self._work.write_status(BUDGETS, budget, status, MANAGER)

    def _expected(self, spec: Body, pods: list[Body]) -> tuple[int, int]:
        """Pods that there should be, and how many of them must stay healthy."""
        least = spec.get("minAvailable")
        if isinstance(least, int):
            return len(pods), least
        expected = self._owned(pods)
        if least is not None:
            return expected, scaled(least, expected, up=True)
        most = spec.get("maxUnavailable", 0)
        return expected, max(0, expected - scaled(most, expected, up=True))

    def _owned(self, pods: list[Body]) -> int:
        """The sum of what the pods' controllers want."""
        wanted: dict[str, int] = {}
        for pod in pods:
            owner = owner_of(pod)
            if owner is None:
                wanted[pod["metadata"]["uid"]] = 1
                continue
            body = self._work.body(REPLICA_SETS, pod["metadata"]["namespace"], owner["name"])
            above = owner_of(body) if body is not None else None
            if body is not None and above is not None:
                body = self._work.body(DEPLOYMENTS, pod["metadata"]["namespace"], above["name"]) or body
            if body is not None:
                wanted[body["metadata"]["uid"]] = body["spec"].get("replicas", 1)
        return sum(wanted.values())

    def _disrupted(self, status: Body, pods: list[Body]) -> tuple[dict[str, str], float | None]:
        found, wait = {}, None
        here = {pod["metadata"]["name"] for pod in pods if not pod["metadata"].get("deletionTimestamp")}
        for name, since in (status.get("disruptedPods") or {}).items():
            left = (read_time(since) + timedelta(seconds=GONE_S) - self._work.now()).total_seconds()
            if name in here and left > 0:
                found[name] = since
                wait = left if wait is None else min(wait, left)
        return found, wait
