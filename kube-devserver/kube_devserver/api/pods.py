"""Evictions of pods, and their assignment to nodes."""

from __future__ import annotations

from kube_devserver import api_errors
from kube_devserver.api.options import Options, Target
from kube_devserver.api.verbs import Verbs
from kube_devserver.api_errors import StatusError, bad_request
from kube_devserver.objects.conditions import conditions_of, is_ready, is_terminating, labels_of
from kube_devserver.objects.kinds import BUDGETS, NODES, PODS, Body
from kube_devserver.objects.selectors import matches_selector

TOPOLOGY = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone")
_CREATED = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def evict(verbs: Verbs, at: Target, sent: Body, options: Options) -> Body:
    """Delete a pod if the disruption budget that covers it allows that.

    Raises:
        StatusError: 429, the budget does not allow it; 500, several budgets cover the pod.
    """
    body = verbs.get(at).body
    name = (sent.get("metadata") or {}).get("name")
    if name and name != at.name:
        raise bad_request(f'name in URL does not match name in Eviction object: "{at.name}" vs "{name}"')
    wanted = sent.get("deleteOptions") or {}
    if wanted.get("dryRun"):
        options.dry_run = True
    if not _needs_no_budget(body):
        labels = labels_of(body)
        entries = verbs.store.entries(BUDGETS, at.namespace)
        budgets = [e.body for e in entries if matches_selector(e.body["spec"].get("selector"), labels)]
        if len(budgets) > 1:
            text = "This pod has more than one PodDisruptionBudget"
            text += ", which the eviction subresource does not support."
            raise StatusError(500, "InternalError", f"Internal error occurred: {text}")
        if budgets and not _is_spare(body, budgets[0]):
            _spend(verbs, at, budgets[0], options)
    verbs.delete(Target(at.resource, at.namespace, at.name), wanted, options)
    return _CREATED


def _needs_no_budget(body: Body) -> bool:
    phase = body.get("status", {}).get("phase")
    return phase in ("Succeeded", "Failed", "Pending") or is_terminating(body)


def _is_spare(pod: Body, budget: Body) -> bool:
    """Whether an unready pod may be evicted: enough others are ready, or the policy allows it."""
    status = budget.get("status", {})
    if is_ready(pod):
        return False
    if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    desired = status.get("desiredHealthy", 0)
    return bool(status.get("currentHealthy", 0) >= desired > 0)


def _spend(verbs: Verbs, at: Target, budget: Body, options: Options) -> None:
    """Take one disruption from a budget."""
    status, metadata = budget.get("status", {}), budget["metadata"]
    name = metadata["name"]
    if status.get("observedGeneration", 0) < metadata.get("generation", 0):
        raise _refusal(f"The disruption budget {name} is still being processed by the server.", retry_s=10)
    if status.get("disruptionsAllowed", 0) <= 0:
        desired, current = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
        text = f"The disruption budget {name} needs {desired} healthy pods and has {current} currently"
        raise _refusal(text)
    if options.dry_run:
        return
    spent = status | {
        "disruptionsAllowed": status["disruptionsAllowed"] - 1,
        "disruptedPods": (status.get("disruptedPods") or {}) | {at.name: verbs.now()},
    }
    resource = verbs.registry.stored(BUDGETS)
    assert resource is not None
    target = Target(resource, at.namespace, name, "status")
    verbs.update(target, budget | {"status": spent}, Options(manager=options.manager, validation="Ignore"))


def _refusal(why: str, retry_s: int = 0) -> StatusError:
    details: Body = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    if retry_s:
        details["retryAfterSeconds"] = retry_s
    text = "Cannot evict pod as it would violate the pod's disruption budget."
    return StatusError(429, "TooManyRequests", text, details)


def bind_to_node(verbs: Verbs, at: Target, node: str, options: Options) -> Body:
    """Set a pod's node and its condition PodScheduled.

    Raises:
        StatusError: 409, the pod has a node already or is being deleted.
    """
    pod = verbs.get(at).body
    why = ""
    if pod["spec"].get("nodeName"):
        why = f'pod {at.name} is already assigned to node "{pod["spec"]["nodeName"]}"'
    elif is_terminating(pod):
        why = f"pod {at.name} is being deleted, cannot be assigned to a host"
    if why:
        raise api_errors.conflict("", "pods/binding", at.name, why)
    if options.dry_run:
        return pod
    now = verbs.now()
    scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
    conditions = [c for c in conditions_of(pod) if c["type"] != "PodScheduled"]
    body = pod | {
        "metadata": _with_topology(verbs, pod["metadata"], node),
        "spec": pod["spec"] | {"nodeName": node},
        "status": pod.get("status", {}) | {"conditions": [*conditions, scheduled]},
    }
    return verbs.store.put(PODS, at.namespace, at.name, body).body


def _with_topology(verbs: Verbs, metadata: Body, node: str) -> Body:
    """A pod's metadata with its node's region and zone, as the plugin PodTopologyLabels sets them."""
    entry = verbs.store.get(NODES, "", node)
    labels = labels_of(entry.body) if entry is not None else {}
    found = {key: labels[key] for key in TOPOLOGY if key in labels}
    return metadata | {"labels": (metadata.get("labels") or {}) | found} if found else metadata
