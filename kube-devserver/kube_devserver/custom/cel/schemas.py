"""What a custom kind's schema is to its rules: types, sizes, and values as expressions see them. After k8s.io/apiserver/pkg/cel/common."""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from kube_devserver.custom.cel import types as ty
from kube_devserver.custom.cel.faults import EvalError
from kube_devserver.custom.cel.names import escape
from kube_devserver.custom.cel.sizes import Range
from kube_devserver.custom.cel.times import parse_duration, parse_timestamp
from kube_devserver.custom.cel.types import Type, list_of, map_of
from kube_devserver.custom.cel.values import Invalid, KeyedList, SetList

Schema = Mapping[str, Any]
MOST_BYTES = 3 * 1024 * 1024  # of a request
_TEXT = {"type": "string"}
_ROOT = {
    "kind": _TEXT,
    "apiVersion": _TEXT,
    "metadata": {"type": "object", "properties": {"name": _TEXT, "generateName": _TEXT}},
}
_TIMES = {"duration": (ty.DURATION, 3, 32), "date": (ty.TIMESTAMP, 12, 12), "date-time": (ty.TIMESTAMP, 21, 32)}
_NUMBERS = {"boolean": (ty.BOOL, 4), "number": (ty.DOUBLE, 1), "integer": (ty.INT, 1)}


@dataclass(eq=False)
class Declaration:
    """A schema's type.

    Args:
        schema: what it was made of.
        type: of its values.
        least_bytes: that a value takes, serialized.
        most: characters of a text, items of a list, entries of a map; 0 if it has no size.
        fields: of an object, by their escaped names.
        element: what a list or a map holds.
    """

    schema: Schema
    type: Type
    least_bytes: int
    most: int = 0
    fields: dict[str, Declaration] = field(default_factory=dict)
    element: Declaration | None = None

    @cached_property
    def cardinality(self) -> int:
        """How many of such values a request can hold at most."""
        return MOST_BYTES // (self.least_bytes + 1)

    @cached_property
    def objects(self) -> dict[str, dict[str, Type]]:
        """The fields of all types of objects here and below, by the types' names."""
        found: dict[str, dict[str, Type]] = {}
        if self.type.kind == ty.STRUCT:
            found[self.type.name] = {name: each.type for name, each in self.fields.items()}
        for each in (*self.fields.values(), *([self.element] if self.element is not None else [])):
            found |= each.objects
        return found

    def size_of(self, path: tuple[str, ...]) -> Range | None:
        """The size of what stands at a path whose first part is a variable of this type."""
        found: Declaration | None = self
        for name in path[1:]:
            if found is None:
                return None
            if name in ("@items", "@values"):
                found = found.element
            elif name == "@keys":
                return Range(0, 0) if found.type.kind == "map" else None
            else:
                found = found.fields.get(name)
        return Range(0, found.most) if found is not None else None

    @cached_property
    def _converts(self) -> bool:
        """Whether a value, or one below it, is another one for expressions than in JSON."""
        if self.type in (ty.DOUBLE, ty.BYTES, ty.DURATION, ty.TIMESTAMP):
            return True
        if self.type.kind == "list" and self.schema.get("x-kubernetes-list-type", "atomic") != "atomic":
            return True
        below = (*self.fields.values(), *([self.element] if self.element is not None else []))
        return any(each._converts for each in below)

    def convert(self, value: Any) -> Any:
        """A value as expressions see it."""
        if not self._converts or value is None:
            return value
        if self.type == ty.DOUBLE:
            return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if isinstance(value, str):
            return self._convert_text(value)
        if isinstance(value, list) and self.element is not None:
            return self._convert_list([self.element.convert(each) for each in value])
        if isinstance(value, dict):
            if self.element is not None:
                return {key: self.element.convert(each) for key, each in value.items()}
            known = {key: self.fields.get(escape(key) or "") for key in value}
            return {key: each if (to := known[key]) is None else to.convert(each) for key, each in value.items()}
        return value

    def _convert_text(self, text: str) -> Any:
        try:
            return _READERS[self.schema["format"]](text)
        except (EvalError, ValueError) as error:
            return Invalid(f"Invalid {_FORMAT_NAMES[self.schema['format']]} {text}: {error}")

    def _convert_list(self, items: list[Any]) -> list[Any]:
        match self.schema.get("x-kubernetes-list-type"):
            case "set":
                return SetList(items)
            case "map":
                keyed = KeyedList(items)
                keyed.keys = tuple(self.schema.get("x-kubernetes-list-map-keys", ()))
                return keyed
        return items


def _read_bytes(text: str) -> bytes:
    return binascii.a2b_base64(text, strict_mode=True)


_READERS: dict[str, Callable[[str], Any]] = {
    "duration": parse_duration, "date": lambda text: parse_timestamp(f"{text}T00:00:00Z"), "date-time": parse_timestamp, "byte": _read_bytes,
}  # fmt: skip
_FORMAT_NAMES = {"duration": "duration", "date": "date formatted string", "date-time": "date-time formatted string", "byte": "byte formatted string"}  # fmt: skip


def declare(schema: Schema, root: bool = False, name: str = "selfType") -> Declaration | None:
    """A schema's type; None if it says too little.

    Args:
        schema: of OpenAPI, structural.
        root: whether its values are objects of Kubernetes, with `metadata`.
        name: of its type, for messages.
    """
    if schema.get("x-kubernetes-int-or-string"):
        most = max(schema["maxLength"], 0) * 4 if "maxLength" in schema else MOST_BYTES - 2
        return Declaration(schema, ty.DYN, 1, most)
    match schema.get("type"):
        case "array":
            return _declare_list(schema, name)
        case "object":
            more = schema.get("additionalProperties")
            return (
                _declare_map(schema, more, name) if isinstance(more, Mapping) else _declare_object(schema, root, name)
            )
        case "string":
            return _declare_text(schema)
        case "boolean" | "number" | "integer" as kind:
            found, least = _NUMBERS[kind]
            return Declaration(schema, found, least)
    return None


def _declare_list(schema: Schema, name: str) -> Declaration | None:
    items = schema.get("items")
    element = _declare_child(items, f"{name}.@idx") if isinstance(items, Mapping) else None
    if element is None:
        return None
    most = max(schema["maxItems"], 0) if "maxItems" in schema else (MOST_BYTES - 2) // (element.least_bytes + 1)
    return Declaration(schema, list_of(element.type), 2, most, element=element)


def _declare_map(schema: Schema, more: Schema, name: str) -> Declaration | None:
    element = _declare_child(more, f"{name}.@elem")
    if element is None:
        return None
    most = (
        max(schema["maxProperties"], 0) if "maxProperties" in schema else (MOST_BYTES - 2) // (element.least_bytes + 6)
    )
    return Declaration(schema, map_of(ty.STRING, element.type), 2, most, element=element)


def _declare_object(schema: Schema, root: bool, name: str) -> Declaration:
    properties = dict(schema.get("properties") or {})
    if root:
        properties |= _ROOT
    least, fields = 2, {}
    for each, child in properties.items():
        escaped = escape(each)
        found = _declare_child(child, f"{name}.{escaped}")
        if found is None:
            continue
        if escaped is not None:
            fields[escaped] = found
        if each in schema.get("required", ()) and child.get("default") is None:
            least += len(each.encode()) + found.least_bytes + 4
    return Declaration(schema, Type(ty.STRUCT, name), least, fields=fields)


def _declare_child(schema: Schema, name: str) -> Declaration | None:
    return declare(schema, bool(schema.get("x-kubernetes-embedded-resource")), name)


def _declare_text(schema: Schema) -> Declaration:
    form = schema.get("format")
    if form in _TIMES:
        found, least, most = _TIMES[form]
        return Declaration(schema, found, least, most)
    if form == "byte":
        return Declaration(
            schema, ty.BYTES, 2, max(schema["maxLength"], 0) if "maxLength" in schema else MOST_BYTES - 2
        )
    if "maxLength" in schema:
        return Declaration(schema, ty.STRING, 2, max(schema["maxLength"], 0) * 4)
    texts = [len(each.encode()) for each in schema.get("enum") or () if isinstance(each, str)]
    return Declaration(schema, ty.STRING, 2, max(texts, default=0) if schema.get("enum") else MOST_BYTES - 2)
