"""ReplicaSets: they create or delete pods until the desired number exists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from kube_devserver.api_errors import StatusError
from kube_devserver.controllers.index import SelectorIndex
from kube_devserver.controllers.workqueue import Key, Workqueue
from kube_devserver.objects.conditions import (
    annotations_of,
    condition_of,
    conditions_of,
    has_ended,
    is_terminating,
    labels_of,
    owner_of,
    read_time,
)
from kube_devserver.objects.kinds import PODS, REPLICA_SETS, Body
from kube_devserver.objects.selectors import matches_selector
from kube_devserver.storage.store import Event

MANAGER = "kube-controller-manager"
COMPONENT = "replicaset-controller"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
SLICE = 20  # pods that one sync creates or deletes, so that other keys are not delayed
FIRST_RETRY_S, LONGEST_RETRY_S = 0.005, 1000.0  # after a pod was refused; doubled each time


class ReplicaSets:
    """The controller of ReplicaSets."""

    watches = (REPLICA_SETS, PODS)

    def __init__(self, work: Workqueue) -> None:
        self._work = work
        self._failures: dict[Key, int] = {}
        self._sets = SelectorIndex()

    def keys(self, event: Event) -> Iterable[Key]:
        """The set; the controller of a pod; all sets that match a pod without a controller."""
        body = event.entry.body
        if event.kind == REPLICA_SETS:
            return [self._sets.handle(event)]
        owner = owner_of(body)
        if owner is not None:
            return [(event.namespace, owner["name"])] if owner["kind"] == "ReplicaSet" else ()
        return self._sets.selecting(event.namespace, labels_of(body))

    def sync(self, key: Key) -> None:
        """Create or delete pods, then update the status."""
        owner = self._work.get(REPLICA_SETS, key[0], key[1])
        if owner is None:
            return
        pods = self._claim(owner)
        active = [pod for pod in pods if is_active(pod)]
        failure: StatusError | None = None
        if not is_terminating(owner):
            failure = self._manage(owner, active)
            if failure is None and abs(owner["spec"].get("replicas", 1) - len(active)) > SLICE:
                self._work.enqueue(self, key)  # for the rest, and then the status
                return
            if len(active) != owner["spec"].get("replicas", 1):
                pods = self._claim(owner)
        self._report(key, owner, pods, failure)
        if failure is None:
            self._failures.pop(key, None)
        else:
            times = self._failures[key] = self._failures.get(key, 0) + 1
            self._work.enqueue_after(min(FIRST_RETRY_S * 2.0**times, LONGEST_RETRY_S), self, key)

    def _claim(self, owner: Body) -> list[Body]:
        """The set's pods; matching pods without a controller are adopted."""
        found = self._work.index.controlled(PODS, owner)
        if is_terminating(owner):
            return found
        namespace, selector = owner["metadata"]["namespace"], owner["spec"]["selector"]
        for pod in self._work.index.unowned(PODS, namespace, selector):
            if is_active(pod) and matches_selector(selector, labels_of(pod)):
                references = [*(pod["metadata"].get("ownerReferences") or ()), reference_to(owner)]
                adopted = pod | {"metadata": pod["metadata"] | {"ownerReferences": references}}
                found.append(self._work.update(PODS, adopted, MANAGER))
        return found

    def _manage(self, owner: Body, active: Sequence[Body]) -> StatusError | None:
        missing = owner["spec"].get("replicas", 1) - len(active)
        for _ in range(min(missing, SLICE)):
            try:
                made = self._work.create(PODS, owner["metadata"]["namespace"], pod_of(owner), MANAGER)
            except StatusError as error:
                self._work.record(owner, "Warning", "FailedCreate", f"Error creating: {error}", COMPONENT)
                return error
            text = f"Created pod: {made['metadata']['name']}"
            self._work.record(owner, "Normal", "SuccessfulCreate", text, COMPONENT)
        if missing < 0:
            for pod in choose(active, min(-missing, SLICE), _crowd(active)):
                self._work.delete(PODS, pod)
                text = f"Deleted pod: {pod['metadata']['name']}"
                self._work.record(owner, "Normal", "SuccessfulDelete", text, COMPONENT)
        return None

    def _report(self, key: Key, owner: Body, pods: Sequence[Body], failure: StatusError | None) -> None:
        active = [pod for pod in pods if is_active(pod)]
        template = owner["spec"]["template"]["metadata"].get("labels") or {}
        ready = [pod for pod in active if condition_of(pod, "Ready").get("status") == "True"]
        waits = self._waits(ready, owner["spec"].get("minReadySeconds", 0))
        if waits:
            self._work.enqueue_after(min(waits) + 0.01, self, key)
        current = self._work.get(REPLICA_SETS, *key)
        if current is None:
            return
        status: dict[str, Any] = {"replicas": len(active)}
        counts = {
            "fullyLabeledReplicas": sum(template.items() <= labels_of(pod).items() for pod in active),
            "readyReplicas": len(ready), "availableReplicas": len(ready) - len(waits),
        }  # fmt: skip
        status |= {name: count for name, count in counts.items() if count}
        status["terminatingReplicas"] = sum(is_terminating(pod) and not has_ended(pod) for pod in pods)
        status["observedGeneration"] = current["metadata"].get("generation", 1)
        conditions = [c for c in conditions_of(current) if c["type"] != "ReplicaFailure"]
        if failure is not None:
            wanted = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}
            wanted |= {"message": str(failure), "lastTransitionTime": self._work.verbs.now()}
            # The first failure's message stays: each attempt names another pod.
            conditions.append(condition_of(current, "ReplicaFailure") or wanted)
        if conditions:
            status["conditions"] = conditions
        self._work.write_status(REPLICA_SETS, current, status, MANAGER)

    def _waits(self, ready: Sequence[Body], least: float) -> list[float]:
        """Seconds until the ready pods that are not yet available become so."""
        if not least:
            return []
        found, now = [], self._work.now()
        for pod in ready:
            if since := condition_of(pod, "Ready").get("lastTransitionTime"):
                found.append((read_time(since) + timedelta(seconds=least) - now).total_seconds())
        return [each for each in found if each > 0]


def _crowd(active: Sequence[Body]) -> dict[str, int]:
    """The number of pods by their node."""
    return Counter(pod["spec"].get("nodeName", "") for pod in active)


def reference_to(owner: Body) -> Body:
    """A reference to an object's controller."""
    metadata = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": metadata["name"],
        "uid": metadata["uid"], "controller": True, "blockOwnerDeletion": True,
    }  # fmt: skip


def pod_of(owner: Body) -> Body:
    """A new pod of a set, without a name."""
    template = owner["spec"]["template"]
    prefix = f"{owner['metadata']['name']}-"
    metadata: Body = {"generateName": prefix, "ownerReferences": [reference_to(owner)]}
    for name in ("labels", "annotations", "finalizers"):
        if template["metadata"].get(name):
            metadata[name] = template["metadata"][name]
    return {"metadata": metadata, "spec": template["spec"]}


def is_active(pod: Body) -> bool:
    """Whether a pod counts as a replica: it has not ended and is not being deleted."""
    return not has_ended(pod) and not pod["metadata"].get("deletionTimestamp")


def choose(pods: Sequence[Body], count: int, crowd: dict[str, int]) -> list[Body]:
    """The pods to delete: first those without a node, then unready, cheap, crowded and young ones."""

    def rank(pod: Body) -> tuple[Any, ...]:
        ready = condition_of(pod, "Ready")
        phase = {"Pending": 0, "Unknown": 1, "Running": 2}.get(pod.get("status", {}).get("phase", ""), 0)
        cost = int(annotations_of(pod).get(DELETION_COST, 0))
        node = pod["spec"].get("nodeName", "")
        young = [-ord(c) for c in ready.get("lastTransitionTime", "") + pod["metadata"]["creationTimestamp"]]
        return (bool(node), phase, ready.get("status") == "True", cost, -crowd.get(node, 0), young)

    return sorted(pods, key=rank)[:count]
