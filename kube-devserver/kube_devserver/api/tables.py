"""Objects as `kubectl get` prints them: the server makes the rows. After the printers of k8s.io/kubernetes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from kube_devserver.objects import events
from kube_devserver.objects.resource_registry import Resource
from kube_devserver.objects.schema import read_data

Body = dict[str, Any]
NONE, UNKNOWN = "<none>", "<unknown>"
LOAD_BALANCER_WIDTH = 16
_NAME = {"name": "Name", "type": "string", "format": "name", "priority": 0}
_AGE = {"name": "Age", "type": "date", "format": "", "priority": 0}


def table(
    resource: Resource,
    bodies: Sequence[Body],
    metadata: Body,
    version: str,
    include: str,
    now: datetime,
    headed: bool = True,
) -> Body:
    """A `Table`.

    Args:
        resource: what the objects are.
        bodies: the objects.
        metadata: of the list.
        version: `v1` or `v1beta1` of meta.k8s.io.
        include: of each object in its row: None, Metadata or Object.
        now: for ages.
        headed: whether with column definitions; a watch sends them once.
    """
    columns = columns_of(resource)
    rows = []
    for body in bodies:
        row: Body = {"cells": cells_of(resource, body, now)}
        if resource.key == ("", "pods") and body.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            phase = body["status"]["phase"]
            row["conditions"] = [{
                "type": "Completed", "status": "True", "reason": phase,
                "message": "The pod has completed successfully." if phase == "Succeeded" else "The pod failed.",
            }]  # fmt: skip
        if include == "Object":
            row["object"] = body
        elif include != "None":
            row["object"] = partial(body, version)
        rows.append(row)
    return {
        "kind": "Table", "apiVersion": f"meta.k8s.io/{version}", "metadata": metadata,
        "columnDefinitions": columns if headed else None, "rows": rows,
    }  # fmt: skip


def partial(body: Body, version: str = "v1") -> Body:
    """An object's metadata alone."""
    return {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}", "metadata": body["metadata"]}


def columns_of(resource: Resource) -> list[Body]:
    """Definitions of a resource's columns."""
    if resource.custom is None:
        found: list[Body] = read_data("columns").get(f"{resource.group}/{resource.plural}") or _plain()
        return found
    own = resource.custom.get("additionalPrinterColumns")
    texts = _texts()
    if not own:
        return [_NAME | {"description": texts["name"]}, _AGE | {"description": texts["creationTimestamp"]}]
    return [_NAME | {"description": texts["name"]}] + [
        {
            "name": c["name"], "type": c["type"], "format": c.get("format", ""), "priority": c.get("priority", 0),
            "description": c.get("description") or f"Custom resource definition column (in JSONPath format): {c['jsonPath']}",
        }
        for c in own
    ]  # fmt: skip


@cache
def _texts() -> dict[str, str]:
    schema = read_data("openapi")["api/v1"]["components"]["schemas"]["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"][
        "properties"
    ]
    return {name: schema[name]["description"] for name in ("name", "creationTimestamp")}


def _plain() -> list[Body]:
    return [_NAME | {"description": _texts()["name"]}, {"name": "Created At", "type": "date", "format": "", "priority": 0,
                                                       "description": _texts()["creationTimestamp"]}]  # fmt: skip


def cells_of(resource: Resource, body: Body, now: datetime) -> list[Any]:
    """One row's cells."""
    name, metadata = body["metadata"].get("name", ""), body["metadata"]
    if resource.custom is not None:
        own = resource.custom.get("additionalPrinterColumns")
        if not own:
            return [name, age(metadata.get("creationTimestamp"), now)]
        return [name] + [_custom_cell(column, body, now) for column in own]
    known = _PRINTERS.get(resource.key)
    if known is None:
        return [name, metadata.get("creationTimestamp")]
    return [
        name if cell is _NAME else age(metadata.get("creationTimestamp"), now) if cell is _AGE else cell
        for cell in known(body, now)
    ]


# ------------------------------------------------------------------ ages


def age(moment: str | None, now: datetime) -> str:
    """How long ago something was, as people say it."""
    if not moment:
        return UNKNOWN
    seconds = int((now - read_time(moment)).total_seconds())
    return human(seconds)


def read_time(text: str) -> datetime:
    """RFC 3339, with or without a fraction."""
    return datetime.fromisoformat(text).astimezone(UTC)


def human(seconds: int) -> str:
    """A duration.

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


# ------------------------------------------------------------------ built-in kinds


def _pod(body: Body, now: datetime) -> list[Any]:
    spec, status = body["spec"], body.get("status", {})
    reason = status.get("reason") or status.get("phase", "")
    restarts = ready = 0
    last, failed, running = "", "", False
    for container in reversed(status.get("containerStatuses") or ()):
        restarts += container.get("restartCount", 0)
        last = max(last, container.get("lastState", {}).get("terminated", {}).get("finishedAt") or "")
        state = container.get("state", {})
        if state.get("waiting", {}).get("reason"):
            reason = state["waiting"]["reason"]
        elif "terminated" in state:
            ended = state["terminated"]
            signal = ended.get("signal", 0)
            reason = ended.get("reason") or (f"Signal:{signal}" if signal else f"ExitCode:{ended.get('exitCode', 0)}")
            failed = reason if ended.get("exitCode") else failed
        elif container.get("ready") and "running" in state:
            running = True
            ready += 1
    if reason == "Completed":
        if running and _condition(status, "Ready") == "True":
            reason = "Running"
        elif failed:
            reason = failed
        elif running:
            reason = "NotReady"
    if body["metadata"].get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            reason = UNKNOWN.strip("<>").capitalize()
        elif status.get("phase") not in ("Succeeded", "Failed"):
            reason = "Terminating"
    times = f"{restarts} ({age(last, now)} ago)" if restarts and last else str(restarts)
    addresses = status.get("podIPs") or ()
    gates = spec.get("readinessGates") or ()
    good = sum(_condition(status, gate["conditionType"]) == "True" for gate in gates)
    return [
        _NAME, f"{ready}/{len(spec.get('containers', ()))}", reason, times, _AGE,
        addresses[0]["ip"] if addresses else NONE, spec.get("nodeName") or NONE, status.get("nominatedNodeName") or NONE,
        f"{good}/{len(gates)}" if gates else NONE,
    ]  # fmt: skip


def _condition(status: Body, name: str) -> str:
    return next((c["status"] for c in status.get("conditions") or () if c["type"] == name), "")


def _containers(template: Body) -> tuple[str, str]:
    containers = template.get("spec", {}).get("containers", ())
    return ",".join(c["name"] for c in containers), ",".join(c.get("image", "") for c in containers)


def format_selector(selector: Body | None) -> str:
    """A LabelSelector in one line; keys sorted."""
    if selector is None:
        return NONE
    parts = [(key, f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()]
    for each in selector.get("matchExpressions") or ():
        key, values = each["key"], ",".join(sorted(each.get("values") or ()))
        operator = {
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }
        parts.append((key, operator[each["operator"]]))
    return ",".join(text for _, text in sorted(parts)) or NONE


def _deployment(body: Body, now: datetime) -> list[Any]:
    spec, status = body["spec"], body.get("status", {})
    names, images = _containers(spec.get("template", {}))
    return [
        _NAME, f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}", status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0), _AGE, names, images, format_selector(spec.get("selector")),
    ]  # fmt: skip


def _replica_set(body: Body, now: datetime) -> list[Any]:
    spec, status = body["spec"], body.get("status", {})
    names, images = _containers(spec.get("template", {}))
    return [
        _NAME, spec.get("replicas", 0), status.get("replicas", 0), status.get("readyReplicas", 0), _AGE, names, images,
        format_selector(spec.get("selector")),
    ]  # fmt: skip


def _node(body: Body, now: datetime) -> list[Any]:
    spec, status = body.get("spec", {}), body.get("status", {})
    ready = _condition(status, "Ready")
    words = [{"True": "Ready", "": "Unknown"}.get(ready, "NotReady")]
    if spec.get("unschedulable"):
        words.append("SchedulingDisabled")
    roles = set()
    for key, value in (body["metadata"].get("labels") or {}).items():
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
        _NAME, ",".join(words), ",".join(sorted(roles)) or NONE, _AGE, info.get("kubeletVersion", ""),
        addresses.get("InternalIP", NONE), addresses.get("ExternalIP", NONE), info.get("osImage") or UNKNOWN, kernel,
        info.get("containerRuntimeVersion") or UNKNOWN,
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
        f"{component}, {host}" if host else component, body.get("message", "").strip(), first, count, _NAME,
    ]  # fmt: skip


def _service(body: Body, now: datetime) -> list[Any]:
    spec = body["spec"]
    kind = spec.get("type", "ClusterIP")
    addresses = spec.get("clusterIPs") or ()
    ports = ",".join(
        f"{p['port']}:{p['nodePort']}/{p['protocol']}" if p.get("nodePort") else f"{p['port']}/{p['protocol']}"
        for p in spec.get("ports") or ()
    )
    external = ",".join(spec.get("externalIPs") or ()) or NONE
    if kind == "ExternalName":
        external = spec.get("externalName", "")
    elif kind == "LoadBalancer":
        ingress = body.get("status", {}).get("loadBalancer", {}).get("ingress") or ()
        external = ",".join(i.get("ip") or i.get("hostname", "") for i in ingress) or "<pending>"
    selector = ",".join(f"{key}={value}" for key, value in sorted((spec.get("selector") or {}).items()))
    return [_NAME, kind, addresses[0] if addresses else NONE, external, ports or NONE, _AGE, selector or NONE]


def _bound(body: Body, now: datetime) -> list[Any]:
    role, subjects = body["roleRef"], body.get("subjects") or ()
    by_kind = {kind: [s for s in subjects if s["kind"] == kind] for kind in ("User", "Group", "ServiceAccount")}
    accounts = ", ".join(f"{s.get('namespace', '')}/{s['name']}" for s in by_kind["ServiceAccount"])
    return [
        _NAME, f"{role['kind']}/{role['name']}", _AGE, ", ".join(s["name"] for s in by_kind["User"]),
        ", ".join(s["name"] for s in by_kind["Group"]), accounts,
    ]  # fmt: skip


def _budget(body: Body, now: datetime) -> list[Any]:
    spec = body["spec"]
    allowed = body.get("status", {}).get("disruptionsAllowed", 0)
    return [_NAME, str(spec.get("minAvailable", "N/A")), str(spec.get("maxUnavailable", "N/A")), allowed, _AGE]


_PRINTERS: dict[tuple[str, str], Callable[[Body, datetime], list[Any]]] = {
    ("", "pods"): _pod,
    ("", "nodes"): _node,
    ("", "events"): _event,
    events.NEW: lambda body, now: _event(events.to_core(body), now),
    ("", "services"): _service,
    ("", "namespaces"): lambda body, now: [_NAME, body.get("status", {}).get("phase", ""), _AGE],
    ("", "configmaps"): lambda body, now: [
        _NAME,
        len(body.get("data") or ()) + len(body.get("binaryData") or ()),
        _AGE,
    ],
    ("", "secrets"): lambda body, now: [_NAME, body.get("type", ""), len(body.get("data") or ()), _AGE],
    ("", "serviceaccounts"): lambda body, now: [_NAME, _AGE],
    ("apps", "deployments"): _deployment,
    ("apps", "replicasets"): _replica_set,
    ("policy", "poddisruptionbudgets"): _budget,
    ("coordination.k8s.io", "leases"): lambda body, now: [_NAME, body.get("spec", {}).get("holderIdentity", ""), _AGE],
    ("rbac.authorization.k8s.io", "rolebindings"): _bound,
    ("rbac.authorization.k8s.io", "clusterrolebindings"): _bound,
}


# ------------------------------------------------------------------ custom kinds

_STEP = re.compile(
    r"""\.?(?:((?:[^.\[\]'\\]|\\.)+)|\[(\d+|\*)\]|\['([^']+)'\]|\[\?\(@\.([\w.]+)\s*==\s*["']([^"']*)["']\)\])"""
)


def json_path(path: str, body: Any) -> list[Any]:
    """The values at a JSONPath of the kind that printer columns use.

    >>> json_path(".status.conditions[?(@.type=='Ready')].status", {"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    ['True']
    """
    found = [body]
    for field, index, quoted, key, value in _STEP.findall(path.strip("{}").removeprefix("$")):
        if field or quoted:
            name = quoted or field.replace("\\", "")
            found = [each[name] for each in found if isinstance(each, dict) and name in each]
        elif key:
            found = [
                item
                for each in found
                if isinstance(each, list)
                for item in each
                if value in map(str, json_path(f".{key}", item))
            ]
        elif index == "*":
            found = [item for each in found if isinstance(each, list) for item in each]
        else:
            found = [each[int(index)] for each in found if isinstance(each, list) and int(index) < len(each)]
    return found


def _custom_cell(column: Body, body: Body, now: datetime) -> Any:
    values = json_path(column["jsonPath"], body)
    if not values or values[0] is None:
        return None
    value = values[0]
    match column["type"]:
        case "date":
            return age(value, now) if isinstance(value, str) else None
        case "string":
            if isinstance(value, bool):
                return str(value).lower()
            return value if isinstance(value, str) else _text(value)
        case "integer":
            return int(value) if isinstance(value, int | float) else None
    return value


def _text(value: Any) -> str:
    import json

    return json.dumps(value, separators=(",", ":"))
