"""The scale subresource: an object's replicas as a `Scale`."""

from __future__ import annotations

from typing import Any

from kube_devserver import api_errors
from kube_devserver.api.options import Options, Target
from kube_devserver.api.verbs import JSON_PATCH, MERGE, STRATEGIC, Verbs
from kube_devserver.api_errors import StatusError, bad_request, wrong
from kube_devserver.objects.kinds import Body
from kube_devserver.objects.patches import json_patch, merge_patch
from kube_devserver.objects.selectors import format_selector

_KEPT = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def _paths(at: Target) -> tuple[list[str], list[str], list[str]]:
    """The paths of a kind's desired replicas, of its current replicas, and of its selector."""
    custom = at.resource.custom
    if custom is None:
        return ["spec", "replicas"], ["status", "replicas"], []
    scale = custom["subresources"]["scale"]
    names = ("specReplicasPath", "statusReplicasPath", "labelSelectorPath")
    spec, status, selector = ([part for part in scale.get(name, "").split(".") if part] for name in names)
    return spec, status, selector


def _value_at(body: Body, path: list[str]) -> Any:
    value: Any = body
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def scale_of(at: Target, body: Body) -> Body:
    """The `Scale` of an object."""
    desired, current, selector = _paths(at)
    if at.resource.custom is None:
        text = format_selector(body["spec"].get("selector"))
    else:
        text = _value_at(body, selector) or "" if selector else ""
    status: Body = {"replicas": _value_at(body, current) or 0}
    if text and text != "<none>":
        status["selector"] = text
    replicas = _value_at(body, desired)
    if replicas is None:
        where = ".".join(["", *desired])
        text = f"Internal error occurred: the spec replicas field {where!r} does not exist"
        raise StatusError(500, "InternalError", text)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: body["metadata"][key] for key in _KEPT if key in body["metadata"]},
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def write_scale(verbs: Verbs, at: Target, kind: str | None, sent: Any, options: Options) -> Body:
    """Replace or patch the `Scale` of an object.

    Args:
        verbs: reads and writes objects.
        at: the scale subresource of an object.
        kind: the patch's media type; None for a PUT.
        sent: the body of the request.
        options: of the request.

    Raises:
        StatusError: the write is refused.
    """
    entry = verbs.get(at)
    new = _merged(scale_of(at, entry.body), kind, sent)
    version = (new.get("metadata") or {}).get("resourceVersion")
    if version and version != str(entry.revision):
        raise api_errors.conflict(at.resource.group, at.resource.plural, at.name)
    change: Body = {}
    below = change
    *parents, last = _paths(at)[0]
    for name in parents:
        below = below.setdefault(name, {})
    below[last] = _checked_replicas(at, new)
    body, _ = verbs.patch(at, MERGE, change, options)
    return scale_of(at, body)


def _merged(scale: Body, kind: str | None, sent: Any) -> Body:
    if kind is None:
        new = sent
    elif kind == JSON_PATCH:
        new = json_patch(scale, sent)
    elif kind in (MERGE, STRATEGIC):
        new = merge_patch(scale, sent)
    else:
        raise api_errors.unsupported(kind, [JSON_PATCH, MERGE, STRATEGIC])
    fields = {k: new.get(k) for k in ("metadata", "spec")} if isinstance(new, dict) else {"": new or ""}
    for name, value in fields.items():
        if not isinstance(value, dict | None):
            text = f"json: cannot unmarshal into Go struct field Scale.{name}: an object is expected"
            raise bad_request(text)
    found: Body = new
    return found


def _checked_replicas(at: Target, scale: Body) -> int:
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        raise bad_request("json: cannot unmarshal into Go struct field ScaleSpec.spec.replicas of type int32")
    if replicas < 0 and at.resource.custom is not None:
        cause = wrong(".spec.replicas", replicas, "should be a non-negative integer")
        raise api_errors.invalid(at.resource.group, at.resource.kind, at.name, [cause])
    if replicas < 0:
        cause = wrong("spec.replicas", replicas, "must be greater than or equal to 0")
        raise api_errors.invalid("autoscaling", "Scale", at.name, [cause])
    return replicas
