"""Pure: the values that the API server fills in where a desired object has none.

A difference between an observed object and its desired one counts only if it is not such a value. Source: the
SetDefaults functions of k8s.io/kubernetes for the fields that Spiko's objects have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spiko_operator.plan.objects import Object

_FILE_MODE = 0o644


def pruned(value: Any) -> Any:
    """Return the value without fields that are None or empty: the API server does not store them.

    >>> pruned({"limits": {}, "requests": {"cpu": "1", "memory": None}, "tolerations": [{"key": ""}]})
    {'requests': {'cpu': '1'}, 'tolerations': [{}]}
    """
    if isinstance(value, dict):
        kept = {key: pruned(each) for key, each in value.items()}
        return {key: each for key, each in kept.items() if not is_empty(each)}
    return [pruned(each) for each in value] if isinstance(value, list | tuple) else value


def is_empty(value: Any) -> bool:
    """Whether the API server takes the value for one that is left out; False and 0 have a meaning."""
    return value is None or (isinstance(value, dict | list | str) and not value)


def with_defaults(body: Object) -> Object:
    """Return a copy of a desired object with the API server's defaults; its lists keep their lengths."""
    whole: Object = _copy(body)
    fill = _KINDS.get(body["kind"])
    if fill is not None:
        fill(whole)
    return whole


def _copy(value: Any) -> Any:
    """Copy maps and lists; strings and numbers are shared."""
    if isinstance(value, dict):
        return {key: _copy(each) for key, each in value.items()}
    return [_copy(each) for each in value] if isinstance(value, list | tuple) else value


def _fill(target: Object, defaults: Object) -> None:
    for name, value in defaults.items():
        target.setdefault(name, value)


def _deployment(body: Object) -> None:
    spec = body["spec"]
    _fill(spec, {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600})
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        _fill(strategy.setdefault("rollingUpdate", {}), {"maxUnavailable": "25%", "maxSurge": "25%"})
    pod = spec["template"]["spec"]
    _fill(pod, {"dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler"})
    _fill(pod, {"securityContext": {}, "terminationGracePeriodSeconds": 30})
    for container in pod["containers"]:
        _container(container)
    for volume in pod.get("volumes", ()):
        for source in ("secret", "configMap", "downwardAPI", "projected"):
            if source in volume:
                _fill(volume[source], {"defaultMode": _FILE_MODE})


def _container(container: Object) -> None:
    image = container["image"]
    tag = image.rpartition("/")[2].partition(":")[2] or "latest"
    is_latest = "@" not in image and tag == "latest"
    _fill(container, {"imagePullPolicy": "Always" if is_latest else "IfNotPresent", "resources": {}})
    _fill(container, {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"})
    for port in container.get("ports", ()):
        _fill(port, {"protocol": "TCP"})
    for variable in container.get("env", ()):
        if "fieldRef" in (source := variable.get("valueFrom", {})):
            _fill(source["fieldRef"], {"apiVersion": "v1"})
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            probe = container[name]
            _fill(probe, {"timeoutSeconds": 1, "periodSeconds": 10})
            _fill(probe, {"successThreshold": 1, "failureThreshold": 3})
            if "httpGet" in probe:
                _fill(probe["httpGet"], {"path": "/", "scheme": "HTTP"})


def _service(body: Object) -> None:
    spec = body["spec"]
    _fill(spec, {"sessionAffinity": "None", "type": "ClusterIP", "internalTrafficPolicy": "Cluster"})
    for port in spec["ports"]:
        _fill(port, {"protocol": "TCP", "targetPort": port["port"]})


def _secret(body: Object) -> None:
    _fill(body, {"type": "Opaque"})


_KINDS: dict[str, Callable[[Object], None]] = {
    "Deployment": _deployment,
    "Service": _service,
    "Secret": _secret,
}
