"""What is particular to built-in kinds when they are written: what a create clears, what an update must not change, what the cluster
adds, and which faults are refused. After the strategies and the validation of k8s.io/kubernetes.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

from kube_devserver.api import rbac_validation
from kube_devserver.api.access import GROUP as RBAC
from kube_devserver.api_errors import IMMUTABLE, Cause, prohibited, required, unsupported_value, wrong
from kube_devserver.custom.definition_validation import definition_faults
from kube_devserver.custom.structural_schemas import schema_faults
from kube_devserver.objects import events
from kube_devserver.objects.names import (
    IN_LABEL,
    IN_SUBDOMAIN,
    LABEL,
    MOST_ANNOTATIONS_BYTES,
    SUBDOMAIN,
    key_faults,
)
from kube_devserver.objects.pod_validation import IN_CONFIG_KEY, pod_faults
from kube_devserver.objects.selectors import label_faults
from kube_devserver.objects.workload_validation import budget_faults, deployment_faults, replica_set_faults

Body = dict[str, Any]
MOST_DATA_BYTES = 1 << 20
WITH_GENERATION = {
    ("apps", "Deployment"), ("apps", "ReplicaSet"), ("policy", "PodDisruptionBudget"), ("", "Pod"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
}  # fmt: skip
KEEPS_STATUS = {("", "Node")}  # a create may bring one

Path = tuple[str, ...]


def reset_fields(group: str, kind: str, subresource: str, custom: bool) -> tuple[Path, ...]:
    """Fields that an end point ignores, so that nobody owns them through it."""
    if subresource == "status":
        if custom:
            return (("f:spec",), ("f:metadata",))
        if kind == "Deployment":
            return (("f:spec",), ("f:metadata", "f:labels"))
        if kind == "Pod":
            return (("f:spec",), ("f:metadata", "f:deletionTimestamp"), ("f:metadata", "f:ownerReferences"))
        return (("f:spec",),)
    return () if kind in ("Lease", "Event", "ConfigMap", "Secret") else (("f:status",),)


# ------------------------------------------------------------------ create and update


def prepare_create(group: str, kind: str, body: Body) -> Body:
    """What a create clears and sets, before validation."""
    if (group, kind) in WITH_GENERATION:
        body["metadata"]["generation"] = 1
    if "status" in body and (group, kind) not in KEEPS_STATUS:
        body["status"] = {}
    match (group, kind):
        case ("", "Pod"):
            body["status"] = {"phase": "Pending", "qosClass": qos_class(body["spec"])}
            _admit_pod(body["spec"])
        case ("", "Namespace"):
            finalizers = body.setdefault("spec", {}).setdefault("finalizers", [])
            if "kubernetes" not in finalizers:
                finalizers.append("kubernetes")
            body["status"] = {"phase": "Active"}
        case ("", "Service"):
            body["status"] = {"loadBalancer": {}}
        case ("apps", "ReplicaSet"):
            body["status"] = {"replicas": 0}
        case ("apiextensions.k8s.io", "CustomResourceDefinition"):
            names = {"kind": "", "plural": ""}
            body["status"] = {"acceptedNames": names, "conditions": None, "storedVersions": None}
            _note_stored(body)
        case ("policy", "PodDisruptionBudget"):
            body["status"] = {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}
    return body


def prepare_update(group: str, kind: str, body: Body, old: Body, subresource: str) -> Body:
    """What an update keeps of the old object: its status, or all but it; the generation counts changes of what is wanted."""
    metadata = body["metadata"]
    if subresource == "status":
        body = body | {key: old[key] for key in ("spec",) if key in old}
        if kind == "Deployment":
            body["metadata"] = _keep(metadata, old["metadata"], "labels")
        if kind == "Pod":
            body["metadata"] = _keep(
                _keep(metadata, old["metadata"], "ownerReferences"), old["metadata"], "deletionTimestamp"
            )
            body["status"] = body.get("status", {}) | {k: v for k, v in old["status"].items() if k == "qosClass"}
        return body
    if "status" in old:
        body["status"] = old["status"]
    if kind == "Namespace":
        body["spec"] = old.get("spec", {})
    if kind == "CustomResourceDefinition":
        _note_stored(body)
    if (group, kind) in WITH_GENERATION and _changed(kind, body, old):
        body["metadata"] = metadata | {"generation": old["metadata"].get("generation", 0) + 1}
    return body


def _note_stored(definition: Body) -> None:
    """The version that a definition's objects are stored at from now on."""
    name = next((v.get("name", "") for v in definition["spec"].get("versions") or () if v.get("storage")), None)
    status = definition.get("status") or {}
    stored = status.get("storedVersions") or []
    if name is not None and name not in stored:
        definition["status"] = status | {"storedVersions": [*stored, name]}


def _keep(new: Body, old: Body, name: str) -> Body:
    found = {key: value for key, value in new.items() if key != name}
    return found | ({name: old[name]} if name in old else {})


def _changed(kind: str, body: Body, old: Body) -> bool:
    if body.get("spec") != old.get("spec"):
        return True
    return kind == "Deployment" and body["metadata"].get("annotations") != old["metadata"].get("annotations")


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
    if all(named <= limit.keys() and {k: v for k, v in request.items() if k in named} in ({}, {k: limit[k] for k in named})
           for request, limit in zip(requests, limits, strict=True)):  # fmt: skip
        return "Guaranteed"
    return "Burstable"


def _admit_pod(spec: Body) -> None:
    """What the admission plugins of a cluster add: service account, priority, tolerations of a node that is lost."""
    spec.setdefault("serviceAccountName", "default")
    spec["serviceAccount"] = spec["serviceAccountName"]
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    tolerations = spec.setdefault("tolerations", [])
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(t.get("key") in (key, None) and t.get("effect", "NoExecute") == "NoExecute" for t in tolerations):
            tolerations.append({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300})


# ------------------------------------------------------------------ faults


def faults_of(group: str, kind: str, body: Body, old: Body | None) -> list[Cause]:
    """Every fault of a built-in object, but for those that it had before: an earlier release let them in, and what has them must go.

    Args:
        group: of its kind.
        kind: its name.
        body: new.
        old: what it replaces; None for a create.
    """
    known = _VALIDATE.get((group, kind))
    found = known(body, old) if known is not None else []
    if not found or old is None or known is None:
        return found
    before = known(old, old)
    return [cause for cause in found if cause not in before]


def metadata_faults(kind: str, body: Body, plain_name: bool, custom: bool) -> list[Cause]:
    """Faults of the metadata.

    Args:
        kind: Services and Namespaces have stricter names, RBAC kinds looser ones.
        body: the object.
        plain_name: whether any path segment will do for a name.
        custom: whether it is a custom kind or a definition of one: any finalizer will do.
    """
    metadata = body["metadata"]
    name = metadata.get("name", "")
    found: list[Cause] = []
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    if plain_name:
        if name in (".", "..") or "/" in name or "%" in name:
            found.append(wrong("metadata.name", name, "may not be '.', '..' or contain '/' or '%'"))
    elif kind == "Namespace" or kind == "Service":
        found += _named(name, LABEL, IN_LABEL, 63)
    else:
        found += _named(name, SUBDOMAIN, IN_SUBDOMAIN, 253)
    found += label_faults(metadata.get("labels") or {}, "metadata.labels")
    for key in metadata.get("annotations") or {}:
        found += [wrong("metadata.annotations", key, text) for text in key_faults(key.lower())]
    if (
        sum(len(k.encode()) + len(v.encode()) for k, v in (metadata.get("annotations") or {}).items())
        > MOST_ANNOTATIONS_BYTES
    ):
        text = f"Too long: may not be more than {MOST_ANNOTATIONS_BYTES} bytes"
        found.append(Cause("metadata.annotations", "FieldValueTooLong", text))
    for i, owner in enumerate(metadata.get("ownerReferences") or ()):
        for needed in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(needed):
                found.append(
                    wrong(f"metadata.ownerReferences[{i}].{needed}", owner.get(needed, ""), "must not be empty")
                )
    finalizers = metadata.get("finalizers") or ()
    for i, finalizer in enumerate(finalizers):
        found += [wrong("metadata.finalizers", finalizer, text) for text in key_faults(finalizer)]
        if {"orphan", "foregroundDeletion"} <= set(finalizers[: i + 1]):
            text = "finalizer orphan and foregroundDeletion cannot be both set"
            found.append(wrong("metadata.finalizers", finalizers, text))
        if not custom and "/" not in finalizer and finalizer not in ("orphan", "foregroundDeletion", "kubernetes"):
            text = "name is neither a standard finalizer name nor is it fully qualified"
            found.append(wrong(f"metadata.finalizers[{i}]", finalizer, text))
    if sum(bool(owner.get("controller")) for owner in metadata.get("ownerReferences") or ()) > 1:
        found.append(
            wrong(
                "metadata.ownerReferences",
                metadata["ownerReferences"],
                "Only one reference can have Controller set to true.",
            )
        )
    return found


def _named(name: str, pattern: re.Pattern[str], text: str, most: int) -> list[Cause]:
    found = []
    if len(name) > most:
        found.append(wrong("metadata.name", name, f"must be no more than {most} characters"))
    if not pattern.match(name):
        found.append(wrong("metadata.name", name, text))
    return found


def _service_faults(body: Body, old: Body | None) -> list[Cause]:
    spec = body["spec"]
    found: list[Cause] = []
    kind = spec.get("type", "ClusterIP")
    if kind not in ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"):
        found.append(unsupported_value("spec.type", kind, ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]))
    ports = spec.get("ports") or []
    if not ports and spec.get("clusterIP") != "None" and kind != "ExternalName":
        found.append(required("spec.ports"))
    for i, port in enumerate(ports):
        number = port.get("port", 0)
        if not 0 < number < 65536:
            found.append(wrong(f"spec.ports[{i}].port", number, "must be between 1 and 65535, inclusive"))
        target = port.get("targetPort", number)
        if isinstance(target, int) and not 0 < target < 65536:
            found.append(wrong(f"spec.ports[{i}].targetPort", target, "must be between 1 and 65535, inclusive"))
        if len(ports) > 1 and not port.get("name"):
            found.append(required(f"spec.ports[{i}].name"))
    if (
        old is not None
        and kind != "ExternalName"
        and old["spec"].get("clusterIP") not in ("", None, spec.get("clusterIP"))
    ):
        found.append(wrong("spec.clusterIPs[0]", spec.get("clusterIP"), "may not change once set"))
    return found


def _data_faults(body: Body, old: Body | None) -> list[Cause]:
    found = []
    texts = {**(body.get("data") or {}), **(body.get("binaryData") or {})}.values()
    size = sum(len(text.encode()) for text in texts)
    if body.get("kind") == "Secret" or body.get("binaryData"):
        size = size * 3 // 4  # of base 64, roughly
    if size > MOST_DATA_BYTES:
        where = "data" if body.get("kind") == "Secret" else ""
        found.append(Cause(where, "FieldValueTooLong", f"Too long: may not be more than {MOST_DATA_BYTES} bytes"))
    for field in ("data", "binaryData"):
        for key in body.get(field) or {}:
            if not re.match(r"^[-._a-zA-Z0-9]+\Z", key) or len(key) > 253:
                found.append(wrong(f"{field}[{key}]", key, IN_CONFIG_KEY))
    if old is not None and old.get("immutable"):
        if not body.get("immutable"):
            found.append(prohibited("immutable", "field is immutable when `immutable` is set"))
        if body.get("data") != old.get("data"):
            found.append(prohibited("data", "field is immutable when `immutable` is set"))
    return found


def _secret_faults(body: Body, old: Body | None) -> list[Cause]:
    found = _data_faults(body, old)
    if old is not None and body.get("type") != old.get("type"):
        found.append(wrong("type", body.get("type"), IMMUTABLE))
    return found + _secret_type_faults(body)


_NEEDED_KEYS = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


def _secret_type_faults(body: Body) -> list[Cause]:
    """What a Secret of a type of Kubernetes' own must have. After core/validation's ValidateSecret."""
    kind, data = body.get("type", ""), body.get("data") or {}
    if kind == "kubernetes.io/service-account-token":
        account = "kubernetes.io/service-account.name"
        named = (body["metadata"].get("annotations") or {}).get(account)
        return [] if named else [required(f"metadata.annotations[{account}]")]
    if kind == "kubernetes.io/basic-auth":
        keys = ("username", "password")
        return [] if any(key in data for key in keys) else [required(f"data[{key}]") for key in keys]
    found = [required(f"data[{key}]") for key in _NEEDED_KEYS.get(kind, ()) if key not in data]
    if kind.startswith("kubernetes.io/docker") and not found:
        (key,) = _NEEDED_KEYS[kind]
        try:
            json.loads(base64.b64decode(data[key]))
        except ValueError as error:
            found.append(wrong(f"data[{key}]", "<secret contents redacted>", str(error)))
    return found


def _lease_faults(body: Body, old: Body | None) -> list[Cause]:
    seconds = body.get("spec", {}).get("leaseDurationSeconds")
    return (
        [wrong("spec.leaseDurationSeconds", seconds, "must be greater than 0")]
        if seconds is not None and seconds <= 0
        else []
    )


def _definition_faults(body: Body, old: Body | None) -> list[Cause]:
    spec = body["spec"]
    name = body["metadata"].get("name", "")
    found = definition_faults(body, old)
    if old is None and name != f"{(spec.get('names') or {}).get('plural', '')}.{spec.get('group', '')}":
        found.append(wrong("metadata.name", name, 'must be spec.names.plural+"."+spec.group'))
    versions = spec.get("versions") or []
    for i, version in enumerate(versions):
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            found.append(required(f"spec.versions[{i}].schema.openAPIV3Schema"))
    found += _schemas_faults(versions, (old["spec"].get("versions") or []) if old is not None else [])
    return found


def _schemas_faults(versions: list[Body], before: list[Body]) -> list[Cause]:
    """Of the versions that are new or have changed; a schema that all of them have is checked once, and named as in the oldest API."""
    schemas = [(version.get("schema") or {}).get("openAPIV3Schema") for version in versions]
    same = all(each == schemas[0] for each in schemas)
    found = []
    for i, (version, schema) in enumerate(zip(versions, schemas, strict=True)):
        if schema and version not in before and not (same and i):
            found += schema_faults(schema, f"spec.{'validation' if same else f'versions[{i}].schema'}.openAPIV3Schema")
    return found


_VALIDATE: dict[tuple[str, str], Callable[[Body, Body | None], list[Cause]]] = {
    ("apps", "Deployment"): deployment_faults,
    ("apps", "ReplicaSet"): replica_set_faults,
    ("", "Pod"): pod_faults,
    ("", "Service"): _service_faults,
    ("", "ConfigMap"): _data_faults,
    ("", "Secret"): _secret_faults,
    ("policy", "PodDisruptionBudget"): budget_faults,
    ("coordination.k8s.io", "Lease"): _lease_faults,
    (events.GROUP, "Event"): events.faults,
    ("", "Event"): events.core_faults,
    (RBAC, "Role"): rbac_validation.role_faults,
    (RBAC, "ClusterRole"): rbac_validation.role_faults,
    (RBAC, "RoleBinding"): rbac_validation.binding_faults,
    (RBAC, "ClusterRoleBinding"): rbac_validation.binding_faults,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition_faults,
}
