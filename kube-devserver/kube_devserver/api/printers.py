"""The cells of built-in kinds as `kubectl get` prints them. After the printers of k8s.io/kubernetes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from kube_devserver.objects import events, kinds
from kube_devserver.objects.conditions import condition_of, is_terminating, labels_of, read_time
from kube_devserver.objects.kinds import Body, Kind
from kube_devserver.objects.selectors import format_selector

NONE, UNKNOWN = "<none>", "<unknown>"
NAME, AGE = object(), object()  # cells that every kind has: they are filled in by `tables`


def age(moment: str | None, now: datetime) -> str:
    """How long ago a time was, as kubectl prints it."""
    if not moment:
        return UNKNOWN
    seconds = int((now - read_time(moment)).total_seconds())
    return human(seconds)


def human(seconds: int) -> str:
    """A duration as kubectl prints it.

    >>> [human(s) for s in (5, 119, 120, 130, 7200, 10800, 40000, 90000, 700000, 10**8)]
    ['5s', '119s', '2m', '2m10s', '120m', '3h', '11h', '25h', '8d', '3y62d']
    """
    if seconds < -1:
        return "<invalid>"
    if seconds < 0:
        return "0s"
    if seconds < 120:
        return f"{seconds}s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    if days < 730:
        return f"{days}d"
    if days < 2920:
        return f"{days // 365}y{days % 365}d" if days % 365 else f"{days // 365}y"
    return f"{days // 365}y"


def _pod(body: Body, now: datetime) -> list[Any]:
    spec, status = body["spec"], body.get("status", {})
    reason = status.get("reason") or status.get("phase", "")
    restarts, ready, last, failed, running = 0, 0, "", "", False
    for container in reversed(status.get("containerStatuses") or ()):
        restarts += container.get("restartCount", 0)
        last = max(last, container.get("lastState", {}).get("terminated", {}).get("finishedAt") or "")
        state = container.get("state", {})
        if state.get("waiting", {}).get("reason"):
            reason = state["waiting"]["reason"]
        elif "terminated" in state:
            ended = state["terminated"]
            signal = ended.get("signal", 0)
            code = f"Signal:{signal}" if signal else f"ExitCode:{ended.get('exitCode', 0)}"
            reason = ended.get("reason") or code
            failed = reason if ended.get("exitCode") else failed
        elif container.get("ready") and "running" in state:
            running = True
            ready += 1
    if reason == "Completed":
        if running and condition_of(body, "Ready").get("status", "") == "True":
            reason = "Running"
        elif failed:
            reason = failed
        elif running:
            reason = "NotReady"
    if is_terminating(body):
        if status.get("reason") == "NodeLost":
            reason = "Unknown"
        elif status.get("phase") not in ("Succeeded", "Failed"):
            reason = "Terminating"
    times = f"{restarts} ({age(last, now)} ago)" if restarts and last else str(restarts)
    addresses = status.get("podIPs") or ()
    gates = [condition_of(body, gate["conditionType"]) for gate in spec.get("readinessGates") or ()]
    good = sum(gate.get("status") == "True" for gate in gates)
    return [
        NAME, f"{ready}/{len(spec.get('containers', ()))}", reason, times, AGE,
        addresses[0]["ip"] if addresses else NONE, spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE, f"{good}/{len(gates)}" if gates else NONE,
    ]  # fmt: skip


def _containers(template: Body) -> tuple[str, str]:
    containers = template.get("spec", {}).get("containers", ())
    return ",".join(c["name"] for c in containers), ",".join(c.get("image", "") for c in containers)


def _deployment(body: Body, now: datetime) -> list[Any]:
    spec, status = body["spec"], body.get("status", {})
    names, images = _containers(spec.get("template", {}))
    return [
        NAME, f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}", status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0), AGE, names, images, format_selector(spec.get("selector")),
    ]  # fmt: skip


def _replica_set(body: Body, now: datetime) -> list[Any]:
    spec, status = body["spec"], body.get("status", {})
    names, images = _containers(spec.get("template", {}))
    return [
        NAME, spec.get("replicas", 0), status.get("replicas", 0), status.get("readyReplicas", 0), AGE,
        names, images, format_selector(spec.get("selector")),
    ]  # fmt: skip


def _node(body: Body, now: datetime) -> list[Any]:
    spec, status = body.get("spec", {}), body.get("status", {})
    ready = condition_of(body, "Ready").get("status", "")
    words = [{"True": "Ready", "": "Unknown"}.get(ready, "NotReady")]
    if spec.get("unschedulable"):
        words.append("SchedulingDisabled")
    roles = set()
    for key, value in labels_of(body).items():
        if key.startswith("node-role.kubernetes.io/") and key != "node-role.kubernetes.io/":
            roles.add(key.removeprefix("node-role.kubernetes.io/"))
        elif key == "kubernetes.io/role" and value:
            roles.add(value)
    info = status.get("nodeInfo", {})
    kernel = info.get("kernelVersion") or UNKNOWN
    if info.get("architecture"):
        kernel += f" ({info['architecture']})"
    addresses = {a["type"]: a["address"] for a in reversed(status.get("addresses") or ())}
    return [
        NAME, ",".join(words), ",".join(sorted(roles)) or NONE, AGE, info.get("kubeletVersion", ""),
        addresses.get("InternalIP", NONE), addresses.get("ExternalIP", NONE), info.get("osImage") or UNKNOWN,
        kernel, info.get("containerRuntimeVersion") or UNKNOWN,
    ]  # fmt: skip


def _event(body: Body, now: datetime) -> list[Any]:
    first = age(body.get("firstTimestamp") or body.get("eventTime"), now)
    last = age(body["lastTimestamp"], now) if body.get("lastTimestamp") else first
    count = body.get("count") or 1
    if "series" in body:
        last, count = age(body["series"].get("lastObservedTime"), now), body["series"].get("count", 0)
    about = body.get("involvedObject", {})
    target = about.get("kind", "").lower() + (f"/{about['name']}" if about.get("name") else "")
    source = body.get("source") or {}
    component = source.get("component") or body.get("reportingComponent", "")
    host = source.get("host") or body.get("reportingInstance", "")
    return [
        last, body.get("type", ""), body.get("reason", ""), target, about.get("fieldPath", ""),
        f"{component}, {host}" if host else component, body.get("message", "").strip(), first, count, NAME,
    ]  # fmt: skip


def _node_port(port: Body) -> str:
    return f":{port['nodePort']}" if port.get("nodePort") else ""


def _service(body: Body, now: datetime) -> list[Any]:
    spec = body["spec"]
    kind = spec.get("type", "ClusterIP")
    addresses = spec.get("clusterIPs") or ()
    ports = ",".join(f"{p['port']}{_node_port(p)}/{p['protocol']}" for p in spec.get("ports") or ())
    external = ",".join(spec.get("externalIPs") or ()) or NONE
    if kind == "ExternalName":
        external = spec.get("externalName", "")
    elif kind == "LoadBalancer":
        ingress = body.get("status", {}).get("loadBalancer", {}).get("ingress") or ()
        external = ",".join(i.get("ip") or i.get("hostname", "") for i in ingress) or "<pending>"
    selector = ",".join(f"{key}={value}" for key, value in sorted((spec.get("selector") or {}).items()))
    return [NAME, kind, addresses[0] if addresses else NONE, external, ports or NONE, AGE, selector or NONE]


def _budget(body: Body, now: datetime) -> list[Any]:
    spec = body["spec"]
    allowed = body.get("status", {}).get("disruptionsAllowed", 0)
    return [NAME, str(spec.get("minAvailable", "N/A")), str(spec.get("maxUnavailable", "N/A")), allowed, AGE]


PRINTERS: dict[Kind, Callable[[Body, datetime], list[Any]]] = {
    kinds.PODS: _pod,
    kinds.NODES: _node,
    kinds.EVENTS: _event,
    kinds.NEW_EVENTS: lambda body, now: _event(events.to_core(body), now),
    kinds.SERVICES: _service,
    kinds.NAMESPACES: lambda body, now: [NAME, body.get("status", {}).get("phase", ""), AGE],
    kinds.CONFIG_MAPS: lambda body, now: [
        NAME,
        len(body.get("data") or ()) + len(body.get("binaryData", ())),
        AGE,
    ],
    ("", "secrets"): lambda body, now: [NAME, body.get("type", ""), len(body.get("data") or ()), AGE],
    kinds.SERVICE_ACCOUNTS: lambda body, now: [NAME, AGE],
    kinds.DEPLOYMENTS: _deployment,
    kinds.REPLICA_SETS: _replica_set,
    kinds.BUDGETS: _budget,
    kinds.LEASES: lambda body, now: [NAME, body.get("spec", {}).get("holderIdentity", ""), AGE],
}
