"""What is no plain object: scale, eviction, binding."""

from __future__ import annotations

from typing import Any

from kube_devserver import api_errors
from kube_devserver.api.options import Options, Target
from kube_devserver.api.tables import format_selector
from kube_devserver.api.verbs import APPLY, JSON, MERGE, STRATEGIC, Verbs
from kube_devserver.api_errors import StatusError, bad_request, wrong
from kube_devserver.objects.patches import json_patch, merge_patch
from kube_devserver.objects.selectors import matches_selector
from kube_devserver.storage.store import Body

BUDGETS = ("policy", "poddisruptionbudgets")
PODS = ("", "pods")
TOPOLOGY = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone")

# ------------------------------------------------------------------ scale


def _paths(at: Target) -> tuple[list[str], list[str], list[str] | None]:
    """Where a kind keeps wanted and present replicas, and its selector."""
    custom = at.resource.custom
    if custom is None:
        return ["spec", "replicas"], ["status", "replicas"], None
    scale = custom["subresources"]["scale"]
    paths = [scale.get(name, "") for name in ("specReplicasPath", "statusReplicasPath", "labelSelectorPath")]
    spec, status, selector = ([part for part in path.split(".") if part] for path in paths)
    return spec, status, selector or None


def _at(body: Body, path: list[str]) -> Any:
    value: Any = body
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def scale_of(at: Target, body: Body) -> Body:
    """The `Scale` of an object."""
    wanted, present, selector = _paths(at)
    if at.resource.custom is None:
        text = format_selector(body["spec"].get("selector"))
    else:
        text = _at(body, selector) or "" if selector else ""
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    status: Body = {"replicas": _at(body, present) or 0}
    if text and text != "<none>":
        status["selector"] = text
    replicas = _at(body, wanted)
    if replicas is None:
        raise StatusError(
            500,
            "InternalError",
            f"Internal error occurred: the spec replicas field {'.'.join(['', *wanted])!r} does not exist",
        )
    return {
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {key: body["metadata"][key] for key in kept if key in body["metadata"]},
        "spec": {"replicas": replicas} if replicas else {}, "status": status,
    }  # fmt: skip


def write_scale(verbs: Verbs, at: Target, kind: str | None, sent: Any, options: Options) -> Body:
    """PUT (`kind` None) or PATCH of a `Scale`.

    Raises:
        StatusError: it is refused.
    """
    entry = verbs.get(at)
    scale = scale_of(at, entry.body)
    if kind is None:
        new = sent
    elif kind == JSON:
        new = json_patch(scale, sent)
    elif kind in (MERGE, STRATEGIC):
        new = merge_patch(scale, sent)
    elif kind == APPLY:
        new = {"spec": scale["spec"]} | sent if isinstance(sent, dict) else sent
    else:
        raise api_errors.unsupported(kind, [JSON, MERGE, STRATEGIC, APPLY])
    for name, value in (
        (("metadata", new.get("metadata")), ("spec", new.get("spec"))) if isinstance(new, dict) else (("", new),)
    ):
        if not isinstance(value, dict | None) or new is None:
            raise bad_request(f"json: cannot unmarshal into Go struct field Scale.{name}: an object is expected")
    version = (new.get("metadata") or {}).get("resourceVersion")
    if version and version != str(entry.revision):
        raise api_errors.conflict(at.resource.group, at.resource.plural, at.name)
    replicas = (new.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        raise bad_request("json: cannot unmarshal into Go struct field ScaleSpec.spec.replicas of type int32")
    if replicas < 0:
        if at.resource.custom is not None:
            cause = wrong(".spec.replicas", replicas, "should be a non-negative integer")
            raise api_errors.invalid(at.resource.group, at.resource.kind, at.name, [cause])
        cause = wrong("spec.replicas", replicas, "must be greater than or equal to 0")
        raise api_errors.invalid("autoscaling", "Scale", at.name, [cause])
    change: Body = {}
    below = change
    *parents, last = _paths(at)[0]
    for name in parents:
        below = below.setdefault(name, {})
    below[last] = replicas
    if kind != APPLY:
        body, _ = verbs.patch(at, MERGE, change, options)
        return scale_of(at, body)
    # who applies a scale owns the object's own field
    change |= {"apiVersion": at.resource.api_version, "kind": at.resource.kind, "metadata": {"name": at.name}}
    try:
        body, _ = verbs.patch(at, APPLY, change, options)
    except StatusError as error:
        raise _of_scale(error, at) from error
    return scale_of(at, body)


def _of_scale(error: StatusError, at: Target) -> StatusError:
    """A conflict in the words of the scale, not of the object that it is of."""
    old, new = f" using {at.resource.api_version}", " using autoscaling/v1"
    details = error.details
    if details and "causes" in details:
        details = details | {
            "causes": [each | {"message": each["message"].replace(old, new)} for each in details["causes"]]
        }
    return StatusError(error.code, error.reason, str(error).replace(old, new), details)


# ------------------------------------------------------------------ eviction


def evict(verbs: Verbs, at: Target, sent: Body, options: Options) -> Body:
    """Delete a pod if the budget that covers it allows it.

    Raises:
        StatusError: 429, the budget does not; 500, several budgets cover the pod.
    """
    entry = verbs.get(at)
    name = sent.get("metadata", {}).get("name")
    if name and name != at.name:
        raise bad_request(f'name in URL does not match name in Eviction object: "{at.name}" vs "{name}"')
    wanted = sent.get("deleteOptions") or {}
    if wanted.get("dryRun"):
        options.dry_run = True
    body = entry.body
    if not _may_go_freely(body):
        budgets = [
            each for each in verbs.store.entries(BUDGETS, at.namespace)
            if matches_selector(each.body["spec"].get("selector"), body["metadata"].get("labels") or {})
        ]  # fmt: skip
        if len(budgets) > 1:
            raise StatusError(500, "InternalError", "Internal error occurred: This pod has more than one PodDisruptionBudget, which the"
                              " eviction subresource does not support.")  # fmt: skip
        if budgets and not _unready_and_spare(body, budgets[0].body):
            _spend(verbs, at, budgets[0].body, options)
    verbs.delete(Target(at.resource, at.namespace, at.name), wanted, options)
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def _may_go_freely(body: Body) -> bool:
    phase = body.get("status", {}).get("phase")
    return phase in ("Succeeded", "Failed", "Pending") or bool(body["metadata"].get("deletionTimestamp"))


def is_ready(pod: Body) -> bool:
    """Whether a pod's Ready condition is true."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions") or ())


def _unready_and_spare(pod: Body, budget: Body) -> bool:
    """A pod that is not ready may go if enough others are, or if the budget's policy says so."""
    status = budget.get("status", {})
    if is_ready(pod):
        return False
    if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    return bool(
        status.get("currentHealthy", 0) >= status.get("desiredHealthy", 0) and status.get("desiredHealthy", 0) > 0
    )


def _spend(verbs: Verbs, at: Target, budget: Body, options: Options) -> None:
    status, metadata = budget.get("status", {}), budget["metadata"]
    name = metadata["name"]
    if status.get("observedGeneration", 0) < metadata.get("generation", 0):
        text = f"The disruption budget {name} is still being processed by the server."
        raise _too_many(text, retry_s=10)
    if status.get("disruptionsAllowed", 0) <= 0:
        raise _too_many(
            f"The disruption budget {name} needs {status.get('desiredHealthy', 0)} healthy pods and has {status.get('currentHealthy', 0)} currently"
        )
    if options.dry_run:
        return
    spent = status | {
        "disruptionsAllowed": status["disruptionsAllowed"] - 1,
        "disruptedPods": (status.get("disruptedPods") or {}) | {at.name: verbs.now()},
    }
    resource = verbs.catalog.stored(BUDGETS)
    assert resource is not None
    target = Target(resource, at.namespace, name, "status")
    verbs.update(target, budget | {"status": spent}, Options(manager=options.manager, strict="Ignore"))


def _too_many(why: str, retry_s: int = 0) -> StatusError:
    details: Body = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    if retry_s:
        details["retryAfterSeconds"] = retry_s
    return StatusError(
        429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.", details
    )


# ------------------------------------------------------------------ binding


def bind(verbs: Verbs, namespace: str, name: str, sent: Body, options: Options) -> Body:
    """Put a pod on a node.

    Raises:
        StatusError: 409, it is on one already.
    """
    resource = verbs.catalog.stored(PODS)
    assert resource is not None
    node = (sent.get("target") or {}).get("name")
    if not node or not isinstance(node, str):
        raise api_errors.invalid("", "Binding", name, [api_errors.required("target.name")])
    at = Target(resource, namespace, name)
    place(verbs, at, node, options)
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def place(verbs: Verbs, at: Target, node: str, options: Options) -> Body:
    """Set a pod's node and its condition PodScheduled.

    Raises:
        StatusError: 409, it is on one already or is being deleted.
    """
    pod = verbs.get(at).body
    if pod["spec"].get("nodeName"):
        raise api_errors.conflict(
            "", "pods/binding", at.name, f'pod {at.name} is already assigned to node "{pod["spec"]["nodeName"]}"'
        )
    if pod["metadata"].get("deletionTimestamp"):
        raise api_errors.conflict(
            "", "pods/binding", at.name, f"pod {at.name} is being deleted, cannot be assigned to a host"
        )
    if options.dry_run:
        return pod
    conditions = [c for c in pod.get("status", {}).get("conditions") or () if c["type"] != "PodScheduled"]
    conditions.append({"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": verbs.now()})  # fmt: skip
    body = pod | {
        "metadata": _with_topology(verbs, pod["metadata"], node),
        "spec": pod["spec"] | {"nodeName": node},
        "status": pod.get("status", {}) | {"conditions": conditions},
    }
    return verbs.store.put(PODS, at.namespace, at.name, body).body


def _with_topology(verbs: Verbs, metadata: Body, node: str) -> Body:
    """A pod's metadata with the region and the zone of its node, as Kubernetes' admission plugin PodTopologyLabels sets them."""
    entry = verbs.store.get(("", "nodes"), "", node)
    labels = (entry.body["metadata"].get("labels") or {}) if entry is not None else {}
    found = {key: labels[key] for key in TOPOLOGY if key in labels}
    return metadata | {"labels": (metadata.get("labels") or {}) | found} if found else metadata
