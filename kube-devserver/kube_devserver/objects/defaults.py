"""Defaults of built-in kinds, set in place. After the SetDefaults functions of k8s.io/kubernetes."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

from kube_devserver.objects.kinds import Body

PERMISSIONS = 0o644
HOUR_S = 3600


def set_defaults(group: str, kind: str, body: Body) -> None:
    """Set the defaults of an object of a built-in kind."""
    known = _KINDS.get((group, kind))
    if known is not None:
        known(body)


def _pod(body: Body) -> None:
    spec = body["spec"]
    for container in [*spec.get("containers", ()), *spec.get("initContainers", ())]:
        resources = container.setdefault("resources", {})
        if resources.get("limits"):
            resources["requests"] = resources["limits"] | resources.get("requests", {})
    spec.setdefault("enableServiceLinks", True)
    pod_spec(spec)
    status = body.setdefault("status", {})
    status.setdefault("phase", "Pending")
    for condition in status.get("conditions") or ():  # Go writes times that are not set as null
        for time in ("lastProbeTime", "lastTransitionTime"):
            condition.setdefault(time, None)


def pod_spec(spec: Body) -> None:
    """Set the defaults of a pod's or a template's spec."""
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("securityContext", {})
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("schedulerName", "default-scheduler")
    if "serviceAccountName" in spec:
        spec["serviceAccount"] = spec["serviceAccountName"]
    elif "serviceAccount" in spec:
        spec["serviceAccountName"] = spec["serviceAccount"]
    for container in [*spec.get("containers", ()), *spec.get("initContainers", ())]:
        _container(container)
    for volume in spec.get("volumes", ()):
        _volume(volume)


def _container(container: Body) -> None:
    if "image" in container or "imagePullPolicy" not in container:
        always = _tag(container.get("image", "")) == "latest"
        container.setdefault("imagePullPolicy", "Always" if always else "IfNotPresent")
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    container.setdefault("resources", {})
    for port in container.get("ports", ()):
        port.setdefault("protocol", "TCP")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            _probe(container[name])
    for hook in container.get("lifecycle", {}).values():
        if isinstance(hook, dict) and "httpGet" in hook:
            _http_get(hook["httpGet"])
    for variable in container.get("env", ()):
        reference = variable.get("valueFrom", {}).get("fieldRef")
        if reference is not None:
            reference.setdefault("apiVersion", "v1")


def _tag(image: str) -> str:
    """An image's tag; `latest` if it names neither a tag nor a digest."""
    if "@" in image:
        return ""
    match = re.search(r":([^/:]+)\Z", image)
    return match[1] if match else "latest"


def _probe(probe: Body) -> None:
    usual = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
    for name, value in usual.items():
        probe.setdefault(name, value)
    if "httpGet" in probe:
        _http_get(probe["httpGet"])
    if "grpc" in probe:
        probe["grpc"].setdefault("service", "")


def _http_get(action: Body) -> None:
    action.setdefault("path", "/")
    action.setdefault("scheme", "HTTP")


def _volume(volume: Body) -> None:
    if set(volume) == {"name"}:
        volume["emptyDir"] = {}
    for source in ("secret", "configMap", "downwardAPI", "projected"):
        if source in volume:
            volume[source].setdefault("defaultMode", PERMISSIONS)
    if "hostPath" in volume:
        volume["hostPath"].setdefault("type", "")
    for source in volume.get("projected", {}).get("sources", ()):
        if "serviceAccountToken" in source:
            source["serviceAccountToken"].setdefault("expirationSeconds", HOUR_S)
        _field_paths(source.get("downwardAPI", {}))
    _field_paths(volume.get("downwardAPI", {}))


def _field_paths(source: Body) -> None:
    for item in source.get("items", ()):
        if "fieldRef" in item:
            item["fieldRef"].setdefault("apiVersion", "v1")


def _template(body: Body) -> None:
    spec = body["spec"]
    spec.setdefault("replicas", 1)
    if "template" in spec:
        pod_spec(spec["template"].setdefault("spec", {}))


def _deployment(body: Body) -> None:
    _template(body)
    spec = body["spec"]
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)


def _service(body: Body) -> None:
    spec = body["spec"]
    spec.setdefault("sessionAffinity", "None")
    if spec["sessionAffinity"] == "ClientIP":
        config = spec.setdefault("sessionAffinityConfig", {})
        config.setdefault("clientIP", {}).setdefault("timeoutSeconds", 10800)
    else:
        spec.pop("sessionAffinityConfig", None)
    kind = spec.setdefault("type", "ClusterIP")
    for port in spec.get("ports", ()):
        port.setdefault("protocol", "TCP")
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port", 0)
    if kind in ("NodePort", "LoadBalancer") or spec.get("externalIPs"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if kind in ("NodePort", "LoadBalancer", "ClusterIP"):
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)


def _namespace(body: Body) -> None:
    if name := body["metadata"].get("name"):
        body["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name
    body.setdefault("status", {}).setdefault("phase", "Active")


def _node(body: Body) -> None:
    status = body.get("status", {})
    if "capacity" in status:
        status.setdefault("allocatable", dict(status["capacity"]))


def _secret(body: Body) -> None:
    body.setdefault("type", "Opaque")
    if "stringData" in body:
        texts = body.pop("stringData")
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in texts.items()}
        body["data"] = body.get("data", {}) | encoded  # another dict: the stored object may share the old one


def _definition(body: Body) -> None:
    spec = body["spec"]
    names = spec.setdefault("names", {})
    if names.get("kind"):
        names.setdefault("singular", names["kind"].lower())
        names.setdefault("listKind", f"{names['kind']}List")
    spec.setdefault("conversion", {"strategy": "None"})


_KINDS: dict[tuple[str, str], Callable[[Body], None]] = {
    ("", "Pod"): _pod,
    ("", "Service"): _service,
    ("", "Namespace"): _namespace,
    ("", "Node"): _node,
    ("", "Secret"): _secret,
    ("apps", "Deployment"): _deployment,
    ("apps", "ReplicaSet"): _template,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
}
