"""Deployments: ReplicaSets are created and scaled until the newest has all replicas."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from kube_devserver.api.verbs import SUFFIX
from kube_devserver.controllers import rolling
from kube_devserver.controllers.replica_sets import reference_to
from kube_devserver.controllers.rolling import Limits, Set
from kube_devserver.controllers.workqueue import Key, Workqueue
from kube_devserver.objects.conditions import (
    annotations_of,
    condition_of,
    has_ended,
    is_terminating,
    labels_of,
    owner_of,
    read_time,
    set_condition,
)
from kube_devserver.objects.kinds import DEPLOYMENTS, PODS, REPLICA_SETS, Body
from kube_devserver.objects.selectors import matches_selector
from kube_devserver.storage.store import Event

MANAGER = "kube-controller-manager"
COMPONENT = "deployment-controller"
HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
DESIRED, MOST = "deployment.kubernetes.io/desired-replicas", "deployment.kubernetes.io/max-replicas"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
NOT_COPIED = {
    LAST_APPLIED, REVISION, DESIRED, MOST,
    "deployment.kubernetes.io/revision-history", "deprecated.deployment.rollback.to",
}  # fmt: skip


class Deployments:
    """The controller of Deployments."""

    watches = (DEPLOYMENTS, REPLICA_SETS, PODS)

    def __init__(self, work: Workqueue) -> None:
        self._work = work

    def keys(self, event: Event) -> Iterable[Key]:
        """The Deployment, also for a set of it and for a deleted pod, which it may have waited for."""
        body = event.entry.body
        if event.kind == DEPLOYMENTS:
            return [(event.namespace, body["metadata"]["name"])]
        owner = owner_of(body)
        if event.kind == REPLICA_SETS:
            return [(event.namespace, owner["name"])] if owner and owner["kind"] == "Deployment" else ()
        if event.type == "DELETED" and owner is not None and owner["kind"] == "ReplicaSet":
            above = self._work.get(REPLICA_SETS, event.namespace, owner["name"])
            top = owner_of(above) if above is not None else None
            return [(event.namespace, top["name"])] if top is not None else ()
        return ()

    def sync(self, key: Key) -> None:
        """Do the next step of a rollout, then update the status."""
        body = self._work.get(DEPLOYMENTS, *key)
        if body is None:
            return
        sets = self._claim(body)
        if is_terminating(body):
            self._report(key, body, sets)
            return
        if body["spec"].get("paused") or self._is_scaling(body, sets):
            self._scale_all(body, sets)
        elif body["spec"]["strategy"]["type"] == "Recreate":
            self._recreate(body, sets)
        else:
            self._roll(body, sets)
        body, before = self._work.get(DEPLOYMENTS, *key), sets
        if body is not None:
            sets = self._claim(body)
            if len(sets) > len(before):
                return  # the event of the new set queues the key again, when the set has pods
            self._report(key, body, sets)
            self._delete_old_sets(body, sets)

    def _claim(self, body: Body) -> list[Body]:
        found = self._work.index.controlled(REPLICA_SETS, body)
        if not is_terminating(body):
            namespace, selector = body["metadata"]["namespace"], body["spec"]["selector"]
            for each in self._work.index.unowned(REPLICA_SETS, namespace, selector):
                if not is_terminating(each) and matches_selector(selector, labels_of(each)):
                    references = [*(each["metadata"].get("ownerReferences") or ()), reference_to(body)]
                    adopted = each | {"metadata": each["metadata"] | {"ownerReferences": references}}
                    found.append(self._work.update(REPLICA_SETS, adopted, MANAGER))
        return sorted(found, key=lambda s: (s["metadata"]["creationTimestamp"], s["metadata"]["name"]))

    # ------------------------------------------------------------------ the new set

    def _new_set(self, body: Body, sets: Sequence[Body]) -> Body | None:
        wanted = _plain(body["spec"]["template"])
        return next((each for each in sets if _plain(each["spec"]["template"]) == wanted), None)

    def _make(self, body: Body, sets: Sequence[Body], replicas: int) -> Body:
        template = body["spec"]["template"]
        mark = template_hash(template, body.get("status", {}).get("collisionCount", 0))
        labels = labels_of(template) | {HASH: mark}
        selector = dict(body["spec"]["selector"])
        selector["matchLabels"] = (selector.get("matchLabels") or {}) | {HASH: mark}
        metadata = {
            "name": f"{body['metadata']['name'][:200]}-{mark}", "labels": labels,
            "ownerReferences": [reference_to(body)],
            "annotations": self._annotations(body, self._revision(sets) + 1),
        }  # fmt: skip
        spec: Body = {
            "replicas": replicas, "selector": selector,
            "template": template | {"metadata": template["metadata"] | {"labels": labels}},
        }  # fmt: skip
        if body["spec"].get("minReadySeconds"):
            spec["minReadySeconds"] = body["spec"]["minReadySeconds"]
        made = self._work.create(
            REPLICA_SETS, body["metadata"]["namespace"], {"metadata": metadata, "spec": spec}, MANAGER
        )
        if replicas:
            self._record_scaling(body, made, 0, replicas)
        return made

    def _annotations(self, body: Body, revision: int) -> dict[str, str]:
        own = {k: v for k, v in annotations_of(body).items() if k not in NOT_COPIED}
        limits = _limits(body)
        most = str(limits.replicas + limits.surge)
        return own | {REVISION: str(revision), DESIRED: str(limits.replicas), MOST: most}

    def _revision(self, sets: Iterable[Body]) -> int:
        return max((_number(each, REVISION) for each in sets), default=0)

    def _adjust(self, body: Body, sets: Sequence[Body], new: Body) -> Body:
        """Give the new set the highest revision and the Deployment's annotations."""
        others = self._revision(each for each in sets if each is not new)
        revision = max(others + 1, _number(new, REVISION))
        wanted = annotations_of(new) | self._annotations(body, revision)
        least = body["spec"].get("minReadySeconds", 0)
        if wanted != new["metadata"].get("annotations") or new["spec"].get("minReadySeconds", 0) != least:
            spec = new["spec"] | {"minReadySeconds": least}
            metadata = new["metadata"] | {"annotations": wanted}
            new = self._work.update(REPLICA_SETS, new | {"metadata": metadata, "spec": spec}, MANAGER)
        return new

    # ------------------------------------------------------------------ strategies

    def _roll(self, body: Body, sets: list[Body]) -> None:
        new = self._new_set(body, sets)
        limits = _limits(body)
        if new is None:
            old = [_set(each) for each in sets]
            self._make(body, sets, rolling.step(None, old, limits)[""])
            return
        new = self._adjust(body, sets, new)
        old = [_set(each) for each in sets if each["metadata"]["uid"] != new["metadata"]["uid"]]
        for name, replicas in rolling.step(_set(new), old, limits).items():
            self._scale(body, name, replicas)

    def _recreate(self, body: Body, sets: list[Body]) -> None:
        new = self._new_set(body, sets)
        old = [each for each in sets if each is not new]
        down = [each for each in old if each["spec"].get("replicas")]
        for each in down:
            self._scale(body, each["metadata"]["name"], 0)
        left = [
            pod for each in old for pod in self._work.index.controlled(PODS, each)
            if not has_ended(pod)
        ]  # fmt: skip
        if down or left:
            return
        wanted = body["spec"].get("replicas", 1)
        if new is None:
            self._make(body, sets, wanted)
            return
        new = self._adjust(body, sets, new)
        if new["spec"].get("replicas") != wanted:
            self._scale(body, new["metadata"]["name"], wanted)

    def _is_scaling(self, body: Body, sets: Sequence[Body]) -> bool:
        wanted = str(body["spec"].get("replicas", 1))
        active = [each for each in sets if each["spec"].get("replicas")]
        return any(annotations_of(each).get(DESIRED, wanted) != wanted for each in active)

    def _scale_all(self, body: Body, sets: list[Body]) -> None:
        """Scale the sets of a Deployment that is paused or being scaled, without a rollout."""
        new, limits = self._new_set(body, sets), _limits(body)
        active = [each for each in sets if each["spec"].get("replicas")]
        if len(active) <= 1:
            only = active[0] if active else new
            if only is not None:
                self._scale(body, only["metadata"]["name"], limits.replicas)
            return
        if new is not None and _set(new).available == new["spec"].get("replicas") == limits.replicas:
            for each in active:
                if each is not new:
                    self._scale(body, each["metadata"]["name"], 0)
            return
        if body["spec"]["strategy"]["type"] == "RollingUpdate":
            for name, replicas in rolling.proportions([_set(each) for each in active], limits).items():
                self._scale(body, name, replicas)

    def _scale(self, body: Body, name: str, replicas: int) -> None:
        """Set a set's replicas, and the annotations with the Deployment's size."""
        current = self._work.get(REPLICA_SETS, body["metadata"]["namespace"], name)
        if current is None:
            return
        limits = _limits(body)
        before = current["spec"].get("replicas", 0)
        notes = {DESIRED: str(limits.replicas), MOST: str(limits.replicas + limits.surge)}
        annotations = annotations_of(current) | notes
        if before == replicas and annotations == current["metadata"].get("annotations"):
            return
        changed = current | {
            "metadata": current["metadata"] | {"annotations": annotations},
            "spec": current["spec"] | {"replicas": replicas},
        }
        changed = self._work.update(REPLICA_SETS, changed, MANAGER)
        if before != replicas:
            self._record_scaling(body, changed, before, replicas)

    def _record_scaling(self, body: Body, changed: Body, before: int, after: int) -> None:
        verb, name = "up" if after > before else "down", changed["metadata"]["name"]
        self._work.record(
            body,
            "Normal",
            "ScalingReplicaSet",
            f"Scaled {verb} replica set {name} from {before} to {after}",
            COMPONENT,
        )

    # ------------------------------------------------------------------ status

    def _report(self, key: Key, body: Body, sets: Sequence[Body]) -> None:
        new = self._new_set(body, sets)
        before = body.get("status", {})
        names = ("replicas", "readyReplicas", "availableReplicas")
        total, ready, available = (sum(_count(each, name) for each in sets) for name in names)
        wanted = sum(each["spec"].get("replicas", 0) for each in sets)
        counts = {
            "replicas": total, "updatedReplicas": _count(new, "replicas") if new is not None else 0,
            "readyReplicas": ready, "availableReplicas": available,
            "unavailableReplicas": max(0, wanted - available),
        }  # fmt: skip
        status: dict[str, Any] = {"observedGeneration": body["metadata"].get("generation", 1)}
        status |= {name: count for name, count in counts.items() if count}
        status["terminatingReplicas"] = sum(_count(each, "terminatingReplicas") for each in sets)
        if "collisionCount" in before:
            status["collisionCount"] = before["collisionCount"]
        now = self._work.verbs.now()
        conditions = list(before.get("conditions") or ())
        if conditions:  # Progressing is the first condition that a Deployment gets
            conditions = set_condition(conditions, _availability(body, available), now)
        progress = self._progress(key, body, new, counts, conditions)
        if progress is not None:
            conditions = set_condition(conditions, progress, now)
            done = {k: before.get(k, 0) for k in ("updatedReplicas", "readyReplicas", "availableReplicas")}
            if progress["reason"] == "ReplicaSetUpdated" and any(counts[n] > was for n, was in done.items()):
                update = {"lastUpdateTime": now}
                conditions = [c | update if c["type"] == "Progressing" else c for c in conditions]
        conditions = set_condition(conditions, _availability(body, available), now)
        status["conditions"] = _with_failure(conditions, [new, *sets] if new is not None else sets)
        notes = annotations_of(body)
        if new is not None and _number(new, REVISION):
            notes = notes | {REVISION: str(_number(new, REVISION))}
        if status != before or notes != annotations_of(body):
            # A write of the status keeps the generation.
            changed = body | {"metadata": body["metadata"] | {"annotations": notes}, "status": status}
            self._work.update(DEPLOYMENTS, changed, MANAGER, "status")

    def _progress(
        self, key: Key, body: Body, new: Body | None, counts: dict[str, int], conditions: Sequence[Body]
    ) -> Body | None:
        """The condition Progressing; None keeps the present one."""
        limit = body["spec"].get("progressDeadlineSeconds", 600)
        if body["spec"].get("paused"):
            return _progressing("Unknown", "DeploymentPaused", "Deployment is paused")
        wanted = body["spec"].get("replicas", 1)
        name = new["metadata"]["name"] if new is not None else ""
        reached = {counts[each] for each in ("updatedReplicas", "replicas", "availableReplicas")}
        if new is not None and reached == {wanted}:
            message = f'ReplicaSet "{name}" has successfully progressed.'
            return _progressing("True", "NewReplicaSetAvailable", message)
        old = next((c for c in conditions if c["type"] == "Progressing"), None)
        if old is None or (
            old["reason"] == "NewReplicaSetAvailable" and new is not None and name not in old["message"]
        ):
            return _progressing("True", "NewReplicaSetCreated", f'Created new replica set "{name}"')
        if old["reason"] == "NewReplicaSetAvailable":
            return None
        before = body.get("status", {})
        moved = any(
            counts[each] != before.get(each, 0)
            for each in ("updatedReplicas", "readyReplicas", "availableReplicas", "replicas")
        )
        end = read_time(old["lastUpdateTime"]) + timedelta(seconds=limit)
        left = (end - self._work.now()).total_seconds()
        if moved:
            return _progressing("True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')
        if left > 0:
            self._work.enqueue_after(left + 0.01, self, key)
            return None
        message = f'ReplicaSet "{name}" has timed out progressing.'
        return _progressing("False", "ProgressDeadlineExceeded", message)

    def _delete_old_sets(self, body: Body, sets: Sequence[Body]) -> None:
        new = self._new_set(body, sets)
        most = body["spec"].get("revisionHistoryLimit", 10)
        old = [
            each for each in sets
            if each is not new and not each["spec"].get("replicas") and not _count(each, "replicas")
            and not is_terminating(each)
        ]  # fmt: skip
        for each in sorted(old, key=lambda each: _number(each, REVISION))[: max(0, len(old) - most)]:
            self._work.delete(REPLICA_SETS, each)


def _progressing(status: str, reason: str, message: str) -> Body:
    return {"type": "Progressing", "status": status, "reason": reason, "message": message}


def _with_failure(conditions: list[Body], sets: Sequence[Body]) -> list[Body]:
    """Conditions with the reason why a set cannot create pods."""
    found = next((c for each in sets if (c := condition_of(each, "ReplicaFailure"))), None)
    kept = [c for c in conditions if c["type"] != "ReplicaFailure"]
    return kept if found is None else [*kept, found | {"lastUpdateTime": found["lastTransitionTime"]}]


def _availability(body: Body, available: int) -> Body:
    limits = _limits(body)
    if available >= limits.replicas - (
        limits.unavailable if body["spec"]["strategy"]["type"] == "RollingUpdate" else 0
    ):
        return {
            "type": "Available",
            "status": "True",
            "reason": "MinimumReplicasAvailable",
            "message": "Deployment has minimum availability.",
        }
    return {
        "type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable",
        "message": "Deployment does not have minimum availability.",
    }  # fmt: skip


def _limits(body: Body) -> Limits:
    replicas = body["spec"].get("replicas", 1)
    strategy = body["spec"]["strategy"]
    if strategy["type"] != "RollingUpdate":
        return Limits(replicas, 0, 0)
    return rolling.read_limits(replicas, strategy.get("rollingUpdate") or {})


def _set(body: Body) -> Set:
    metadata = body["metadata"]
    return Set(
        metadata["name"],
        body["spec"].get("replicas", 0),
        _count(body, "availableReplicas"),
        metadata["creationTimestamp"],
        _number(body, MOST),
    )


def _count(body: Body, name: str) -> int:
    return int(body.get("status", {}).get(name, 0))


def _number(body: Body, annotation: str) -> int:
    try:
        return int(annotations_of(body).get(annotation, 0))
    except ValueError:
        return 0


def _plain(template: Body) -> Body:
    metadata = template.get("metadata") or {}
    labels = {k: v for k, v in (metadata.get("labels") or {}).items() if k != HASH}
    return template | {"metadata": metadata | {"labels": labels}}


def template_hash(template: Body, collisions: int) -> str:
    """A hash of a pod template, in ten of the characters that Kubernetes uses for names."""
    text = json.dumps([_plain(template), collisions], sort_keys=True)
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
    letters = []
    for _ in range(10):
        number, at = divmod(number, len(SUFFIX))
        letters.append(SUFFIX[at])
    return "".join(letters)
