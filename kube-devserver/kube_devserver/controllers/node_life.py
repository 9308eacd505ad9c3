"""Node life cycle: a silent node becomes Unknown and is tainted, and its pods are deleted after their
toleration time.

Pods of a node that was deleted are deleted at once. Silence is measured in the event loop's time since the
last report, because a lease's wall-clock time may be from before a laptop's sleep. While no node is ready, no
pod is evicted: the fault is then the cluster's, and no other node would be better. Kubernetes calls that full
disruption mode.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from kube_devserver.controllers.placement import tolerates
from kube_devserver.controllers.workqueue import Key, Workqueue
from kube_devserver.objects.conditions import condition_of, conditions_of, is_terminating, read_time
from kube_devserver.objects.kinds import LEASES, NODES, PODS, Body
from kube_devserver.storage.store import Event
from kube_devserver.storage.watch_cache import DELETED

MANAGER = "kube-controller-manager"
COMPONENT = "node-controller"
SILENT_S = 50.0
NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
OURS = (NOT_READY, UNREACHABLE, UNSCHEDULABLE)
LEASE_NAMESPACE = "kube-node-lease"
LATE_S = 5.0  # a check that runs later than this: the process, or the machine, has slept and received nothing
log = logging.getLogger("kube_devserver.controllers")


class NodeLife:
    """The controller of nodes. A key is `("node", name)` or `("pod", namespace, name)`."""

    watches = (NODES, LEASES, PODS)

    def __init__(self, work: Workqueue) -> None:
        self._work = work
        # The time of a node's last report, by its name; a new node counts as reported.
        self._reported: dict[str, float] = {}
        self._due: dict[str, float] = {}  # when a node is checked again
        self._is_disrupted = False
        self._registered: set[str] = set()

    def keys(self, event: Event) -> Iterable[Key]:
        """A node, also for its lease; a pod on a node that is tainted or gone."""
        body = event.entry.body
        name = body["metadata"]["name"]
        if event.kind == LEASES:
            if event.namespace != LEASE_NAMESPACE:
                return ()
            if event.before is None or _renewed(event.before.body) != _renewed(body):
                self._reported[name] = _time()
            return [("node", name)]
        if event.kind == PODS:
            node = body["spec"].get("nodeName")
            if event.type == DELETED or not node:
                return ()
            known = self._work.get(NODES, "", node)
            is_affected = known is None or known.get("spec", {}).get("taints")
            return [("pod", event.namespace, name)] if is_affected else ()
        if event.type == DELETED:
            self._reported.pop(name, None)
            self._due.pop(name, None)
        elif event.before is None or _beat(event.before.body) != _beat(body):
            self._reported[name] = _time()
        if event.type != DELETED and _taints(event.before.body if event.before else None) == _taints(body):
            return [("node", name)]
        return [("node", name), *(("pod", *_name(pod)) for pod in self._pods_of(name))]

    def sync(self, key: Key) -> None:
        """Reconcile one node or pod."""
        if key[0] == "node":
            self._node(key)
        else:
            self._pod(key)

    # ------------------------------------------------------------------ nodes

    def _node(self, key: Key) -> None:
        name, now = key[1], _time()
        node = self._work.get(NODES, "", name)
        if node is None:
            self._registered.discard(name)
            self._update_mode()
            return
        if name not in self._registered:
            self._registered.add(name)
            text = f"Node {name} event: Registered Node {name} in Controller"
            self._work.record(node, "Normal", "RegisteredNode", text, COMPONENT)
        due = self._due.get(name, now)
        if now > due + LATE_S:
            log.info("no node was checked for %.0f s: all count as reported now", now - due)
            self._reported, self._due = dict.fromkeys(self._reported, now), {}
        left = SILENT_S - (now - self._reported.setdefault(name, now))
        if left > 0:
            self._work.enqueue_after(left + 0.1, self, key)
            self._due[name] = min(now + left + 0.1, due if due > now else now + left + 0.1)
        else:
            self._due.pop(name, None)
            node = self._mark_silent(node)
        self._update_mode()
        self._taint(node)

    def _update_mode(self) -> None:
        """Determine whether any node is ready; when that changes, requeue all nodes."""
        nodes = self._work.list_all(NODES)
        is_any_ready = any(condition_of(node, "Ready").get("status") == "True" for node in nodes)
        is_disrupted = bool(nodes) and not is_any_ready
        if is_disrupted == self._is_disrupted:
            return
        self._is_disrupted = is_disrupted
        text = "no node is ready; evictions paused" if is_disrupted else "a node is ready; evictions resumed"
        log.info(text)
        if not is_disrupted:
            self._reported = dict.fromkeys(self._reported, _time())
        for node in nodes:
            self._work.enqueue(self, ("node", node["metadata"]["name"]))

    def _mark_silent(self, node: Body) -> Body:
        now, conditions = self._work.verbs.now(), []
        for old in node.get("status", {}).get("conditions") or [{"type": "Ready", "status": ""}]:
            if old["status"] == "Unknown":
                conditions.append(old)
                continue
            conditions.append(old | {
                "status": "Unknown", "reason": "NodeStatusUnknown",
                "message": "Kubelet stopped posting node status.", "lastTransitionTime": now,
                "lastHeartbeatTime": old.get("lastHeartbeatTime", now),
            })  # fmt: skip
        if conditions != node.get("status", {}).get("conditions"):
            name = node["metadata"]["name"]
            status = node.get("status", {}) | {"conditions": conditions}
            node = self._work.update(NODES, node | {"status": status}, MANAGER, "status")
            text = f"Node {name} status is now: NodeNotReady"
            self._work.record(node, "Normal", "NodeNotReady", text, COMPONENT)
            for pod in self._pods_of(name):
                self._mark_not_ready(pod)
        return node

    def _pods_of(self, node: str) -> list[Body]:
        return [pod for pod in self._work.list_all(PODS) if pod["spec"].get("nodeName") == node]

    def _mark_not_ready(self, pod: Body) -> None:
        not_ready = {"status": "False", "lastTransitionTime": self._work.verbs.now()}
        was = conditions_of(pod)
        changed = [c | not_ready if (c["type"], c["status"]) == ("Ready", "True") else c for c in was]
        self._work.write_status(PODS, pod, pod.get("status", {}) | {"conditions": changed}, MANAGER)

    def _taint(self, node: Body) -> None:
        """Set the taints that follow from the node's condition and from `unschedulable`; keep all others."""
        ready = condition_of(node, "Ready").get("status")
        wanted = []
        if ready != "True":
            name = UNREACHABLE if ready == "Unknown" else NOT_READY
            wanted = [(name, "NoSchedule")] + ([] if self._is_disrupted else [(name, "NoExecute")])
        if node.get("spec", {}).get("unschedulable"):
            wanted.append((UNSCHEDULABLE, "NoSchedule"))
        before = node.get("spec", {}).get("taints") or []
        kept = [t for t in before if t["key"] not in OURS or (t["key"], t["effect"]) in wanted]
        have = {(t["key"], t["effect"]) for t in kept}
        for key, effect in wanted:
            if (key, effect) not in have:
                kept.append({"key": key, "effect": effect, "timeAdded": self._work.verbs.now()})
        if kept != before:
            rest = {k: v for k, v in node.get("spec", {}).items() if k != "taints"}
            spec = rest | ({"taints": kept} if kept else {})
            self._work.update(NODES, node | {"spec": spec}, MANAGER)

    # ------------------------------------------------------------------ pods

    def _pod(self, key: Key) -> None:
        """Delete a pod whose node is gone, or whose toleration time is over."""
        pod = self._work.get(PODS, key[1], key[2])
        if pod is None:
            return
        node = self._work.get(NODES, "", pod["spec"].get("nodeName", ""))
        if node is None:
            self._work.delete(PODS, pod, gracePeriodSeconds=0)
            return
        if is_terminating(pod):
            return
        wait = toleration_s(pod, node, self._work.now())
        if wait is None:
            return
        if wait > 0:
            self._work.enqueue_after(wait + 0.05, self, key)
            return
        message = f"Marking for deletion Pod {key[1]}/{key[2]}"
        self._work.record(pod, "Normal", "TaintManagerEviction", message, "taint-eviction-controller")
        self._work.delete(PODS, pod)


def toleration_s(pod: Body, node: Body, now: datetime) -> float | None:
    """Seconds until a pod's tolerations of the node's NoExecute taints expire; None if they do not."""
    found: float | None = None
    tolerations = pod["spec"].get("tolerations") or []
    for taint in node.get("spec", {}).get("taints") or ():
        if taint["effect"] != "NoExecute":
            continue
        fitting = [t for t in tolerations if tolerates([t], taint)]
        if not fitting:
            return 0.0
        limits = [t["tolerationSeconds"] for t in fitting if "tolerationSeconds" in t]
        if len(limits) == len(fitting):
            since = read_time(taint["timeAdded"]) if "timeAdded" in taint else now
            left = (since + timedelta(seconds=max(0, min(limits))) - now).total_seconds()
            found = left if found is None else min(found, left)
    return found


def _time() -> float:
    """The event loop's time, which does not advance while the machine sleeps."""
    return asyncio.get_running_loop().time()


def _renewed(lease: Body) -> str | None:
    return (lease.get("spec") or {}).get("renewTime")


def _beat(node: Body) -> str | None:
    """The time of the kubelet's last status report; None if this controller wrote the condition."""
    ready = condition_of(node, "Ready")
    return ready.get("lastHeartbeatTime") if ready.get("status") != "Unknown" else None


def _name(body: Body) -> tuple[str, str]:
    return body["metadata"]["namespace"], body["metadata"]["name"]


def _taints(node: Body | None) -> list[Body]:
    return list((node or {}).get("spec", {}).get("taints") or ()) if node else []
