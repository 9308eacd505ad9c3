"""Pure: the controls of the Pod Security Standard `restricted`, for the parts of a pod that the chart uses.

Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


def violations(pod: dict[str, Any]) -> Iterator[str]:
    """Return the controls that a pod's spec violates.

    >>> list(violations({"hostNetwork": True, "containers": []}))
    ['hostNetwork', 'runAsNonRoot', 'seccompProfile']
    """
    security = pod.get("securityContext", {})
    yield from (name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name))
    yield from (f"volume {each['name']}" for each in pod.get("volumes", ()) if not VOLUMES & each.keys())
    if not security.get("runAsNonRoot") or security.get("runAsUser") == 0:
        yield "runAsNonRoot"
    if security.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "seccompProfile"
    for container in (*pod["containers"], *pod.get("initContainers", ())):
        own = container.get("securityContext", {})
        capabilities = own.get("capabilities", {})
        if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
            yield f"{container['name']}: allowPrivilegeEscalation"
        if "ALL" not in capabilities.get("drop", ()) or set(capabilities.get("add", ())) - {
            "NET_BIND_SERVICE"
        }:
            yield f"{container['name']}: capabilities"
        if own.get("runAsNonRoot") is False or own.get("runAsUser") == 0:
            yield f"{container['name']}: runAsNonRoot"
        if any("hostPort" in port for port in container.get("ports", ())):
            yield f"{container['name']}: hostPort"
