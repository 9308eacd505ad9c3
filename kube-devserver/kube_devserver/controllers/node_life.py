"""The life of nodes: one that is silent is Unknown, tainted, and its pods are deleted when their patience is over; pods of a node that is no
more are deleted at once.

Silence is measured by when something was heard, in the time of the loop: what a lease says of the wall clock may be of before a laptop's sleep.
While no node at all is ready, nobody is evicted: then it is the cluster that ails, and no pod would find a better place. So does Kubernetes, in
what it calls full disruption mode.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from kube_devserver.api.tables import read_time
from kube_devserver.controllers.placement import tolerates
from kube_devserver.controllers.workqueue import LEASES, NODES, PODS, Key, Work, condition_of
from kube_devserver.storage.store import Body, Event
from kube_devserver.storage.watch_cache import DELETED

MANAGER = "kube-controller-manager"
COMPONENT = "node-controller"
SILENT_S = 50.0
NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
OURS = (NOT_READY, UNREACHABLE, UNSCHEDULABLE)
LEASE_NAMESPACE = "kube-node-lease"
LATE_S = 5.0  # a look that comes later than this shows that nobody could have been heard: we, or all of the machine, have slept
log = logging.getLogger("spiko.controllers")


class NodeLife:
    """The controller of nodes. A key is `("node", name)` or `("pod", namespace, name)`."""

    watches = (NODES, LEASES, PODS)

    def __init__(self, work: Work) -> None:
        self._work = work
        self._heard: dict[str, float] = {}  # when, by the node's name; who is seen for the first time counts as heard
        self._due: dict[str, float] = {}  # when a node is looked at again
        self._is_disrupted = False
        self._registered: set[str] = set()

    def keys(self, event: Event) -> Iterable[Key]:
        """A node, by itself or by its lease; a pod on a node that ails."""
        body = event.entry.body
        name = body["metadata"]["name"]
        if event.kind == LEASES:
            if event.namespace != LEASE_NAMESPACE:
                return ()
            if event.before is None or _renewed(event.before.body) != _renewed(body):
                self._heard[name] = _time()
            return [("node", name)]
        if event.kind == PODS:
            node = body["spec"].get("nodeName")
            if event.type == DELETED or not node:
                return ()
            known = self._work.body(NODES, "", node)
            ails = known is None or known.get("spec", {}).get("taints")
            return [("pod", event.namespace, name)] if ails else ()
        if event.type == DELETED:
            self._heard.pop(name, None)
            self._due.pop(name, None)
        elif event.before is None or _beat(event.before.body) != _beat(body):
            self._heard[name] = _time()
        pods = [
            ("pod", pod["metadata"]["namespace"], pod["metadata"]["name"])
            for pod in self._work.bodies(PODS) if pod["spec"].get("nodeName") == name
        ] if event.type == DELETED or _taints(event.before.body if event.before else None) != _taints(body) else []  # fmt: skip
        return [("node", name), *pods]

    def sync(self, key: Key) -> None:
        """See to one node or pod."""
        if key[0] == "node":
            self._node(key)
        else:
            self._pod(key)

    # ------------------------------------------------------------------ nodes

    def _node(self, key: Key) -> None:
        name, now = key[1], _time()
        node = self._work.body(NODES, "", name)
        if node is None:
            self._registered.discard(name)
            self._judge()
            return
        if name not in self._registered:
            self._registered.add(name)
            text = f"Node {name} event: Registered Node {name} in Controller"
            self._work.say(node, "Normal", "RegisteredNode", text, COMPONENT)
        due = self._due.get(name, now)
        if now > due + LATE_S:
            log.info("no node was looked at for %.0f s: all count as heard of now", now - due)
            self._heard, self._due = dict.fromkeys(self._heard, now), {}
        left = SILENT_S - (now - self._heard.setdefault(name, now))
        if left > 0:
            self._work.later(left + 0.1, self, key)
            self._due[name] = min(now + left + 0.1, due if due > now else now + left + 0.1)
        else:
            self._due.pop(name, None)
            node = self._mark_silent(node)
        self._judge()
        self._taint(node)

    def _judge(self) -> None:
        """Whether any node is ready; when that changes, all of them are looked at."""
        nodes = self._work.bodies(NODES)
        is_disrupted = bool(nodes) and not any(condition_of(node, "Ready").get("status") == "True" for node in nodes)
        if is_disrupted == self._is_disrupted:
            return
        self._is_disrupted = is_disrupted
        log.info(
            "no node is ready: nobody is evicted" if is_disrupted else "some nodes are ready: pods are evicted again"
        )
        if not is_disrupted:
            self._heard = dict.fromkeys(self._heard, _time())
        for node in nodes:
            self._work.put(self, ("node", node["metadata"]["name"]))

    def _mark_silent(self, node: Body) -> Body:
        now, conditions = self._work.verbs.now(), []
        for old in node.get("status", {}).get("conditions") or [{"type": "Ready", "status": ""}]:
            if old["status"] == "Unknown":
                conditions.append(old)
                continue
            conditions.append(old | {
                "status": "Unknown", "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status.",
                "lastTransitionTime": now, "lastHeartbeatTime": old.get("lastHeartbeatTime", now),
            })  # fmt: skip
        if conditions != node.get("status", {}).get("conditions"):
            name = node["metadata"]["name"]
            node = self._work.update(
                NODES, node | {"status": node.get("status", {}) | {"conditions": conditions}}, MANAGER, "status"
            )
            self._work.say(node, "Normal", "NodeNotReady", f"Node {name} status is now: NodeNotReady", COMPONENT)
            for pod in self._work.bodies(PODS):
                if pod["spec"].get("nodeName") == name:
                    self._not_ready(pod)
        return node

    def _not_ready(self, pod: Body) -> None:
        conditions = list(pod.get("status", {}).get("conditions") or ())
        changed = [c | {"status": "False", "lastTransitionTime": self._work.verbs.now()} if c["type"] == "Ready" and c["status"] == "True"
                   else c for c in conditions]  # fmt: skip
        self._work.write_status(PODS, pod, pod.get("status", {}) | {"conditions": changed}, MANAGER)

    def _taint(self, node: Body) -> None:
        """Taints follow the condition and `unschedulable`; others are left alone."""
        ready = condition_of(node, "Ready").get("status")
        wanted = []
        if ready != "True":
            name = UNREACHABLE if ready == "Unknown" else NOT_READY
            wanted = [(name, "NoSchedule")] if self._is_disrupted else [(name, "NoSchedule"), (name, "NoExecute")]
        if node.get("spec", {}).get("unschedulable"):
            wanted.append((UNSCHEDULABLE, "NoSchedule"))
        before = node.get("spec", {}).get("taints") or []
        kept = [t for t in before if t["key"] not in OURS or (t["key"], t["effect"]) in wanted]
        have = {(t["key"], t["effect"]) for t in kept}
        for key, effect in wanted:
            if (key, effect) not in have:
                kept.append({"key": key, "effect": effect, "timeAdded": self._work.verbs.now()})
        if kept != before:
            spec = {k: v for k, v in node.get("spec", {}).items() if k != "taints"} | ({"taints": kept} if kept else {})
            self._work.update(NODES, node | {"spec": spec}, MANAGER)

    # ------------------------------------------------------------------ pods

    def _pod(self, key: Key) -> None:
        """Delete a pod whose node is gone or which has put up with its node's taints for long enough."""
        pod = self._work.body(PODS, key[1], key[2])
        if pod is None:
            return
        node = self._work.body(NODES, "", pod["spec"].get("nodeName", ""))
        if node is None:
            self._work.delete(PODS, pod, gracePeriodSeconds=0)
            return
        if pod["metadata"].get("deletionTimestamp"):
            return
        wait = patience(pod, node, self._work.now())
        if wait is None:
            return
        if wait > 0:
            self._work.later(wait + 0.05, self, key)
            return
        message = f"Marking for deletion Pod {key[1]}/{key[2]}"
        self._work.say(pod, "Normal", "TaintManagerEviction", message, "taint-eviction-controller")
        self._work.delete(PODS, pod)


def patience(pod: Body, node: Body, now: datetime) -> float | None:
    """Seconds until a pod must leave a node for its NoExecute taints; None if it need not."""
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
    """That of the loop: it goes on by a second a second, and not while the machine sleeps."""
    return asyncio.get_running_loop().time()


def _renewed(lease: Body) -> str | None:
    return (lease.get("spec") or {}).get("renewTime")


def _beat(node: Body) -> str | None:
    """The kubelet's last word in a node's status; what we have written ourselves is none."""
    ready = condition_of(node, "Ready")
    return ready.get("lastHeartbeatTime") if ready.get("status") != "Unknown" else None


def _taints(node: Body | None) -> list[Body]:
    return list((node or {}).get("spec", {}).get("taints") or ()) if node else []
