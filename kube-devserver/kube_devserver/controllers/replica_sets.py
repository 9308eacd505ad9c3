"""ReplicaSets: they create or delete pods until the desired number exists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from kube_devserver.api_errors import StatusError
from kube_devserver.controllers.workqueue import Key, Workqueue
from kube_devserver.objects.conditions import condition_of, owner_of, read_time
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

    def keys(self, event: Event) -> Iterable[Key]:
        """The set; the controller of a pod; all sets that match a pod without a controller."""
        body = event.entry.body
        if event.kind == REPLICA_SETS:
            return [(event.namespace, body["metadata"]["name"])]
        owner = owner_of(body)
        if owner is not None:
            return [(event.namespace, owner["name"])] if owner["kind"] == "ReplicaSet" else ()
        return [
            (event.namespace, each["metadata"]["name"]) for each in self._work.index.candidates(REPLICA_SETS, event.namespace)
            if matches_selector(each["spec"]["selector"], body["metadata"].get("labels") or {})
        ]  # fmt: skip

    def sync(self, key: Key) -> None:
        """Create or delete pods, then update the status."""
        owner = self._work.get(REPLICA_SETS, key[0], key[1])
        if owner is None:
            return
        pods = self._claim(owner)
        active = [pod for pod in pods if is_active(pod)]
        failure: StatusError | None = None
        if not owner["metadata"].get("deletionTimestamp"):
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
        if owner["metadata"].get("deletionTimestamp"):
            return found
        for pod in self._work.index.unowned(PODS, owner["metadata"]["namespace"]):
            if is_active(pod) and matches_selector(owner["spec"]["selector"], pod["metadata"].get("labels") or {}):
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
            self._work.record(
                owner, "Normal", "SuccessfulCreate", f"Created pod: {made['metadata']['name']}", COMPONENT
            )
        if missing < 0:
            for pod in choose(active, min(-missing, SLICE), _crowd(active)):
                self._work.delete(PODS, pod)
                self._work.record(
                    owner, "Normal", "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}", COMPONENT
                )
        return None

    def _report(self, key: Key, owner: Body, pods: Sequence[Body], failure: StatusError | None) -> None:
        active = [pod for pod in pods if is_active(pod)]
        template = owner["spec"]["template"]["metadata"].get("labels") or {}
        least = owner["spec"].get("minReadySeconds", 0)
        now = self._work.now()
        ready = [pod for pod in active if condition_of(pod, "Ready").get("status") == "True"]
        available, wait = [], None
        for pod in ready:
            since = condition_of(pod, "Ready").get("lastTransitionTime")
            left = (read_time(since) + timedelta(seconds=least) - now).total_seconds() if least and since else 0
            if left <= 0:
                available.append(pod)
            else:
                wait = left if wait is None else min(wait, left)
        if wait is not None:
            self._work.enqueue_after(wait + 0.01, self, key)
        current = self._work.get(REPLICA_SETS, *key)
        if current is None:
            return
        status: dict[str, Any] = {"replicas": len(active)}
        counts = {
            "fullyLabeledReplicas": sum(template.items() <= (pod["metadata"].get("labels") or {}).items() for pod in active),
            "readyReplicas": len(ready), "availableReplicas": len(available),
        }  # fmt: skip
        status |= {name: count for name, count in counts.items() if count}
        status["terminatingReplicas"] = sum(
            bool(pod["metadata"].get("deletionTimestamp"))
            and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
            for pod in pods
        )
        status["observedGeneration"] = current["metadata"].get("generation", 1)
        conditions = [c for c in current.get("status", {}).get("conditions") or () if c["type"] != "ReplicaFailure"]
        if failure is not None:
            wanted = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": str(failure)}
            before = condition_of(
                current, "ReplicaFailure"
            )  # the first failure's stays: it names a pod that is another each time
            conditions.append(before or wanted | {"lastTransitionTime": self._work.verbs.now()})
        if conditions:
            status["conditions"] = conditions
        self._work.write_status(REPLICA_SETS, current, status, MANAGER)


def _crowd(active: Sequence[Body]) -> dict[str, int]:
    """The number of pods by their node."""
    return Counter(pod["spec"].get("nodeName", "") for pod in active)


def reference_to(owner: Body) -> Body:
    """A reference to an object's controller."""
    return {
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
        "controller": True, "blockOwnerDeletion": True,
    }  # fmt: skip


def pod_of(owner: Body) -> Body:
    """A new pod of a set, without a name."""
    template = owner["spec"]["template"]
    metadata: Body = {"generateName": f"{owner['metadata']['name']}-", "ownerReferences": [reference_to(owner)]}
    for name in ("labels", "annotations", "finalizers"):
        if template["metadata"].get(name):
            metadata[name] = template["metadata"][name]
    return {"metadata": metadata, "spec": template["spec"]}


def is_active(pod: Body) -> bool:
    """Whether a pod counts as a replica: it has not ended and is not being deleted."""
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed") and not pod["metadata"].get(
        "deletionTimestamp"
    )


def choose(pods: Sequence[Body], count: int, crowd: dict[str, int]) -> list[Body]:
    """The pods to delete: those without a node first, then unready, cheap, on crowded nodes, and young ones."""

    def rank(pod: Body) -> tuple[Any, ...]:
        ready = condition_of(pod, "Ready")
        phase = {"Pending": 0, "Unknown": 1, "Running": 2}.get(pod.get("status", {}).get("phase", ""), 0)
        cost = int((pod["metadata"].get("annotations") or {}).get(DELETION_COST, 0))
        node = pod["spec"].get("nodeName", "")
        young = [-ord(c) for c in ready.get("lastTransitionTime", "") + pod["metadata"]["creationTimestamp"]]
        return (bool(node), phase, ready.get("status") == "True", cost, -crowd.get(node, 0), young)

    return sorted(pods, key=rank)[:count]
