"""Objects as Tables, which `kubectl get` prints: the server makes the cells."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from kube_devserver.api.printers import AGE, NAME, PRINTERS, age
from kube_devserver.objects.kinds import PODS, Body
from kube_devserver.objects.resource_registry import Resource
from kube_devserver.objects.schema import read_data

_NAME = {"name": "Name", "type": "string", "format": "name", "priority": 0}
_AGE = {"name": "Age", "type": "date", "format": "", "priority": 0}
_CREATED = {"name": "Created At", "type": "date", "format": "", "priority": 0}


@dataclass(frozen=True)
class Style:
    """How a Table is made.

    Args:
        version: `v1` or `v1beta1` of meta.k8s.io.
        include: of each object in its row: None, Metadata or Object.
        now: for ages.
        with_columns: whether it has column definitions; a watch sends them once.
    """

    version: str
    include: str
    now: datetime
    with_columns: bool = True


def table(resource: Resource, bodies: Sequence[Body], metadata: Body, style: Style) -> Body:
    """A `Table` of objects; `metadata` is the list's."""
    rows = [_row(resource, body, style) for body in bodies]
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{style.version}",
        "metadata": metadata,
        "columnDefinitions": columns_of(resource) if style.with_columns else None,
        "rows": rows,
    }


def _row(resource: Resource, body: Body, style: Style) -> Body:
    row: Body = {"cells": cells_of(resource, body, style.now)}
    phase = body.get("status", {}).get("phase") if resource.key == PODS else None
    if phase in ("Succeeded", "Failed"):
        message = "The pod has completed successfully." if phase == "Succeeded" else "The pod failed."
        row["conditions"] = [{"type": "Completed", "status": "True", "reason": phase, "message": message}]
    if style.include == "Object":
        row["object"] = body
    elif style.include != "None":
        row["object"] = partial(body, style.version)
    return row


def partial(body: Body, version: str = "v1") -> Body:
    """An object's metadata alone."""
    api_version = f"meta.k8s.io/{version}"
    return {"kind": "PartialObjectMetadata", "apiVersion": api_version, "metadata": body["metadata"]}


def columns_of(resource: Resource) -> list[Body]:
    """The definitions of a resource's columns."""
    texts = _texts()
    name, created = {"description": texts["name"]}, {"description": texts["creationTimestamp"]}
    if resource.custom is None:
        if resource.key in PRINTERS:
            found: list[Body] = read_data("columns")[f"{resource.group}/{resource.plural}"]
            return found
        return [_NAME | name, _CREATED | created]
    own = resource.custom.get("additionalPrinterColumns")
    if not own:
        return [_NAME | name, _AGE | created]
    return [_NAME | name, *map(_custom_column, own)]


def _custom_column(column: Body) -> Body:
    text = f"Custom resource definition column (in JSONPath format): {column['jsonPath']}"
    return {
        "name": column["name"],
        "type": column["type"],
        "format": column.get("format", ""),
        "priority": column.get("priority", 0),
        "description": column.get("description") or text,
    }


@cache
def _texts() -> dict[str, str]:
    schemas = read_data("openapi")["api/v1"]["components"]["schemas"]
    properties = schemas["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"]["properties"]
    return {name: properties[name]["description"] for name in ("name", "creationTimestamp")}


def cells_of(resource: Resource, body: Body, now: datetime) -> list[Any]:
    """The cells of one row."""
    name, created = body["metadata"].get("name", ""), body["metadata"].get("creationTimestamp")
    if resource.custom is not None:
        own = resource.custom.get("additionalPrinterColumns")
        if not own:
            return [name, age(created, now)]
        return [name] + [_custom_cell(column, body, now) for column in own]
    printer = PRINTERS.get(resource.key)
    if printer is None:
        return [name, created]
    return [name if c is NAME else age(created, now) if c is AGE else c for c in printer(body, now)]


# ------------------------------------------------------------------ custom kinds

_STEP = re.compile(
    r"""\.?(?:((?:[^.\[\]'\\]|\\.)+)|\[(\d+|\*)\]|\['([^']+)'\]|\[\?\(@\.([\w.]+)\s*==\s*["']([^"']*)["']\)\])"""
)


def json_path(path: str, body: Any) -> list[Any]:
    """The values at a JSONPath of printer columns.

    >>> ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    >>> json_path(".conditions[?(@.type=='Ready')].status", ready)
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
    return json.dumps(value, separators=(",", ":"))
