"""Warnings of objects that are accepted but probably wrong, and errors of status counts."""

from __future__ import annotations

from typing import Any

from kube_devserver.api_errors import Cause, wrong
from kube_devserver.objects.kinds import INERT, Body, Kind

_COUNTS = {
    "Deployment": ("updatedReplicas", "readyReplicas", "availableReplicas"),
    "ReplicaSet": ("fullyLabeledReplicas", "readyReplicas", "availableReplicas"),
}


def inert_warnings(kind: Kind, name: str) -> list[str]:
    """A warning for a kind that this server stores and does not act on."""
    return [f"{name} objects are stored, but this API server does not act on them"] if kind in INERT else []


def template_warnings(kind: str, body: Body) -> list[str]:
    """Warnings of a pod, or of the template of a workload."""
    if kind not in ("Pod", "Deployment", "ReplicaSet"):
        return []
    spec, path = body.get("spec") or {}, "spec"
    if kind != "Pod":
        spec, path = (spec.get("template") or {}).get("spec") or {}, "spec.template.spec"
    containers = [
        (f"{path}.{name}[{i}]", each)
        for name in ("initContainers", "containers")
        for i, each in enumerate(spec.get(name) or ())
    ]
    return [*_variables(containers), *_ports(containers)]


def _variables(containers: list[tuple[str, Body]]) -> list[str]:
    found = []
    for path, container in containers:
        seen: set[str] = set()
        for i, item in enumerate(container.get("env") or ()):
            name, value = item.get("name", ""), item.get("value", "")
            reference = f"$({name})"
            if name in seen and ("valueFrom" in item or value == reference or reference not in value):
                found.append(
                    f'{path}.env[{i}]: hides previous definition of "{name}", which may be dropped when using apply'
                )
            seen.add(name)
    return found


def _ports(containers: list[tuple[str, Body]]) -> list[str]:
    known: dict[tuple[Any, Any], list[tuple[str, Body]]] = {}
    found = []
    for path, container in containers:
        for i, port in enumerate(container.get("ports") or ()):
            where = f"{path}.ports[{i}]"
            others = known.setdefault((port.get("containerPort"), port.get("protocol")), [])
            for there, other in others:
                if all(port.get(name) == other.get(name) for name in ("hostIP", "hostPort")):
                    found.append(f"{where}: duplicate port definition with {there}")
                elif not port.get("hostPort") or not other.get("hostPort"):
                    found.append(f"{where}: overlapping port definition with {there}")
            others.append((where, port))
    return found


def status_faults(kind: str, body: Body) -> list[Cause]:
    """Errors of counts that are negative or higher than the replicas."""
    status, found = body.get("status") or {}, []
    names = _COUNTS.get(kind, ())
    for name in ("replicas", *names) if names else ():
        if status.get(name, 0) < 0:
            found.append(wrong(f"status.{name}", status[name], "must be greater than or equal to 0"))
    for name in names:
        if status.get(name, 0) > status.get("replicas", 0):
            found.append(wrong(f"status.{name}", status[name], "cannot be greater than status.replicas"))
    if names and status.get("availableReplicas", 0) > status.get("readyReplicas", 0):
        found.append(
            wrong("status.availableReplicas", status["availableReplicas"], "cannot be greater than readyReplicas")
        )
    return found
