"""What a write of a built-in kind clears, keeps and sets. After the strategies of k8s.io/kubernetes."""

from __future__ import annotations

from kube_devserver.objects import kinds
from kube_devserver.objects.kinds import Body, Kind
from kube_devserver.objects.resource_registry import Resource

WITH_GENERATION = {kinds.DEPLOYMENTS, kinds.REPLICA_SETS, kinds.BUDGETS, kinds.PODS, kinds.DEFINITIONS}
KEEPS_STATUS = {kinds.NODES}  # a create may bring one
UNTRACKED_STATUS = ("Lease", "Event", "ConfigMap", "Secret")  # kinds without a status
METADATA_KEPT = (
    "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation",
    "namespace", "name",
)  # fmt: skip
Path = tuple[str, ...]


def reset_fields(resource: Resource, subresource: str) -> tuple[Path, ...]:
    """Fields that an endpoint ignores, so that no manager owns them through it."""
    if resource.custom is not None and not subresource and "status" not in resource.subresources:
        return ()
    if subresource != "status":
        return () if resource.kind in UNTRACKED_STATUS else (("f:status",),)
    if resource.custom is not None:
        return (("f:spec",), ("f:metadata",))
    if resource.kind == "Deployment":
        return (("f:spec",), ("f:metadata", "f:labels"))
    if resource.kind == "Pod":
        return (("f:spec",), ("f:metadata", "f:deletionTimestamp"), ("f:metadata", "f:ownerReferences"))
    return (("f:spec",),)


# ------------------------------------------------------------------ create


def prepare_create(resource: Resource, body: Body) -> Body:
    """An object before it is validated: what a create clears and sets."""
    if resource.custom is not None:
        body["metadata"]["generation"] = 1
        if "status" in resource.subresources:
            body.pop("status", None)
        return body
    if resource.key in WITH_GENERATION:
        body["metadata"]["generation"] = 1
    if "status" in body and resource.key not in KEEPS_STATUS:
        body["status"] = {}
    match resource.kind:
        case "Pod":
            body["status"] = {"phase": "Pending", "qosClass": qos_class(body["spec"])}
            _complete_pod(body["spec"])
        case "Namespace":
            finalizers = body.setdefault("spec", {}).setdefault("finalizers", [])
            if "kubernetes" not in finalizers:
                finalizers.append("kubernetes")
            body["status"] = {"phase": "Active"}
        case "Service":
            body["status"] = {"loadBalancer": {}}
        case "ReplicaSet":
            body["status"] = {"replicas": 0}
        case "CustomResourceDefinition":
            names = {"kind": "", "plural": ""}
            body["status"] = {"acceptedNames": names, "conditions": None, "storedVersions": None}
            _note_stored_version(body)
        case "PodDisruptionBudget":
            counts = ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods")
            body["status"] = dict.fromkeys(counts, 0)
    return body


def _complete_pod(spec: Body) -> None:
    """Set what a cluster's admission plugins set: service account, priority, tolerations of a lost node."""
    spec.setdefault("serviceAccountName", "default")
    spec["serviceAccount"] = spec["serviceAccountName"]
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    _complete_tolerations(spec)


def _complete_tolerations(spec: Body) -> None:
    """Add the tolerations of a lost node, as a cluster's admission plugin does for creates and updates."""
    tolerations = spec["tolerations"] = list(spec.get("tolerations") or ())
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        applying = [t for t in tolerations if t.get("effect", "NoExecute") == "NoExecute"]
        if not any(t.get("key") in (key, None) for t in applying):
            added = {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            tolerations.append(added)


def qos_class(spec: Body) -> str:
    """A pod's quality of service.

    >>> qos_class({"containers": [{"resources": {"limits": {"cpu": "1"}}}]})
    'Burstable'
    """
    containers = [*spec.get("containers", ()), *spec.get("initContainers", ())]
    requests = [c.get("resources", {}).get("requests", {}) for c in containers]
    limits = [c.get("resources", {}).get("limits", {}) for c in containers]
    named = {"cpu", "memory"}
    if not any(named & each.keys() for each in [*requests, *limits]):
        return "BestEffort"
    for request, limit in zip(requests, limits, strict=True):
        wanted = {k: v for k, v in request.items() if k in named}
        if not named <= limit.keys() or wanted not in ({}, {k: limit[k] for k in named}):
            return "Burstable"
    return "Guaranteed"


# ------------------------------------------------------------------ update


def prepare_update(resource: Resource, body: Body, old: Body, subresource: str) -> Body:
    """An updated object before it is validated: with what the endpoint keeps of the old one."""
    kept = {key: old["metadata"][key] for key in METADATA_KEPT if key in old["metadata"]}
    dropped = (*METADATA_KEPT, "selfLink")
    body = body | {"metadata": {k: v for k, v in body["metadata"].items() if k not in dropped} | kept}
    prepare = _prepare_built_in if resource.custom is None else _prepare_custom
    body = prepare(resource, body, old, subresource)
    body["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
    return body


def _prepare_built_in(resource: Resource, body: Body, old: Body, subresource: str) -> Body:
    metadata, kind = body["metadata"], resource.kind
    if subresource == "status":
        body = body | {key: old[key] for key in ("spec",) if key in old}
        if kind == "Deployment":
            body["metadata"] = _keep(metadata, old["metadata"], "labels")
        if kind == "Pod":
            metadata = _keep(metadata, old["metadata"], "ownerReferences")
            body["metadata"] = _keep(metadata, old["metadata"], "deletionTimestamp")
            body["status"] = _keep(body.get("status", {}), old["status"], "qosClass")
        return body
    if "status" in old:
        body["status"] = old["status"]
    if kind == "Namespace":
        body["spec"] = old.get("spec", {})
    if kind == "Pod":
        body["spec"] = dict(body["spec"])  # the stored object may share the old one
        _complete_tolerations(body["spec"])
    if kind == "CustomResourceDefinition":
        _note_stored_version(body)
    if resource.key in WITH_GENERATION and _is_new_generation(resource.key, body, old):
        body["metadata"] = metadata | {"generation": old["metadata"].get("generation", 0) + 1}
    return body


def _is_new_generation(kind: Kind, body: Body, old: Body) -> bool:
    if body.get("spec") != old.get("spec"):
        return True
    return kind == kinds.DEPLOYMENTS and body["metadata"].get("annotations") != old["metadata"].get(
        "annotations"
    )


def _prepare_custom(resource: Resource, body: Body, old: Body, subresource: str) -> Body:
    if subresource == "status":
        found = dict(old)
        found.pop("status", None)
        if "status" in body:
            found["status"] = body["status"]
        metadata = dict(old["metadata"])
        if "managedFields" in body["metadata"]:
            metadata["managedFields"] = body["metadata"]["managedFields"]
        return found | {"metadata": metadata}
    ignored: tuple[str, ...] = ("metadata",)
    if "status" in resource.subresources:
        ignored = ("metadata", "status")
        body = _keep(body, old, "status")
    specs = [{k: v for k, v in each.items() if k not in ignored} for each in (body, old)]
    if specs[0] != specs[1]:
        body["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
    return body


def _note_stored_version(definition: Body) -> None:
    """Add the version that a definition's objects are stored at to its status."""
    versions = definition["spec"].get("versions") or ()
    name = next((v.get("name", "") for v in versions if v.get("storage")), None)
    status = definition.get("status") or {}
    stored = status.get("storedVersions") or []
    if name is not None and name not in stored:
        definition["status"] = status | {"storedVersions": [*stored, name]}


def _keep(new: Body, old: Body, name: str) -> Body:
    found = {key: value for key, value in new.items() if key != name}
    return found | ({name: old[name]} if name in old else {})
