"""Validation of Services and Leases. After the validation of k8s.io/kubernetes, in its words."""

from __future__ import annotations

from kube_devserver.api_errors import Cause, required, unsupported_value, wrong
from kube_devserver.objects.kinds import Body

_SERVICE_TYPES = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]
_IN_PORT = "must be between 1 and 65535, inclusive"


def service_faults(body: Body, old: Body | None) -> list[Cause]:
    """Every error of a Service."""
    spec = body["spec"]
    found: list[Cause] = []
    kind = spec.get("type", "ClusterIP")
    if kind not in _SERVICE_TYPES:
        found.append(unsupported_value("spec.type", kind, _SERVICE_TYPES))
    ports = spec.get("ports") or []
    if not ports and spec.get("clusterIP") != "None" and kind != "ExternalName":
        found.append(required("spec.ports"))
    for i, port in enumerate(ports):
        number = port.get("port", 0)
        if not 0 < number < 65536:
            found.append(wrong(f"spec.ports[{i}].port", number, _IN_PORT))
        target = port.get("targetPort", number)
        if isinstance(target, int) and not 0 < target < 65536:
            found.append(wrong(f"spec.ports[{i}].targetPort", target, _IN_PORT))
        if len(ports) > 1 and not port.get("name"):
            found.append(required(f"spec.ports[{i}].name"))
    before = old["spec"].get("clusterIP") if old is not None and kind != "ExternalName" else None
    if before and before != spec.get("clusterIP"):
        found.append(wrong("spec.clusterIPs[0]", [spec.get("clusterIP")], "may not change once set"))
    return found


def lease_faults(body: Body, old: Body | None) -> list[Cause]:
    """Every error of a Lease."""
    seconds = body.get("spec", {}).get("leaseDurationSeconds")
    if seconds is None or seconds > 0:
        return []
    return [wrong("spec.leaseDurationSeconds", seconds, "must be greater than 0")]
