"""Schemas as trees: types, defaults, list types and merge keys, from Kubernetes' OpenAPI documents and from
definitions.

A `Node` is built when it is first read, so that recursive schemas (JSONSchemaProps) end and unused ones cost
nothing.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

import orjson

SCALAR, STRUCT, MAP, LIST, ANY = "scalar", "struct", "map", "list", "any"
ATOMIC, GRANULAR, SET, KEYED = "atomic", "granular", "set", "map"
REF = "#/components/schemas/"
QUANTITY, INT_OR_STRING, BYTES = "quantity", "int-or-string", "byte"
TIME, MICRO_TIME = "date-time", "micro-time"
_SPECIAL = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": QUANTITY,
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": INT_OR_STRING,
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": TIME,
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": MICRO_TIME,
}
_UNTYPED = {"io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1", "io.k8s.apimachinery.pkg.runtime.RawExtension"}
Lookup = Callable[[str], Mapping[str, Any]]


class Node:
    """The schema of one place of a kind.

    Args:
        document: an OpenAPI schema.
        lookup: resolves the names that `$ref` uses.
        name: of the schema, if it has one.
        custom: whether it is a definition's.
    """

    __slots__ = ("__dict__", "_lookup", "custom", "document", "name")

    def __init__(
        self, document: Mapping[str, Any], lookup: Lookup, name: str = "", custom: bool = False
    ) -> None:
        self.document, self._lookup, self.name, self.custom = document, lookup, name, custom

    @cached_property
    def kind(self) -> str:
        """One of SCALAR, STRUCT, MAP, LIST, ANY."""
        document = self.document
        if self.name in _SPECIAL or document.get("x-kubernetes-int-or-string"):
            return SCALAR
        if self.name in _UNTYPED:
            return ANY
        match document.get("type"):
            case "object":
                if "properties" in document:
                    return STRUCT
                return MAP if "additionalProperties" in document else (ANY if self.custom else STRUCT)
            case "array":
                return LIST
            case "string" | "integer" | "number" | "boolean":
                return SCALAR
        return ANY

    @cached_property
    def scalar(self) -> str:
        """A scalar's type: string, integer, number, boolean, or one of the special constants."""
        if self.name in _SPECIAL:
            return _SPECIAL[self.name]
        document = self.document
        if document.get("x-kubernetes-int-or-string") or document.get("format") == INT_OR_STRING:
            return INT_OR_STRING
        if document.get("type") == "string" and document.get("format") in (BYTES, TIME):
            return BYTES if document["format"] == BYTES else (TIME if not self.custom else "string")
        return str(document.get("type", ""))

    @cached_property
    def fields(self) -> dict[str, Node]:
        """The fields of a struct."""
        return {name: self._child(child) for name, child in self.document.get("properties", {}).items()}

    @cached_property
    def element(self) -> Node | None:
        """The schema of a map's values or a list's items."""
        child = self.document.get("items") if self.kind == LIST else self.document.get("additionalProperties")
        if isinstance(child, Mapping):
            return self._child(child)
        return Node({}, self._lookup, custom=self.custom) if child is True else None

    @cached_property
    def open(self) -> bool:
        """Whether unknown fields are kept."""
        return bool(self.document.get("x-kubernetes-preserve-unknown-fields")) or self.kind in (MAP, ANY)

    @cached_property
    def relation(self) -> str:
        """How a list or a map is merged: ATOMIC, GRANULAR, SET or KEYED."""
        if self.kind == LIST:
            return str(self.document.get("x-kubernetes-list-type", ATOMIC))
        return str(self.document.get("x-kubernetes-map-type", GRANULAR))

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The keys of a KEYED list."""
        return tuple(self.document.get("x-kubernetes-list-map-keys", ()))

    @cached_property
    def merge_key(self) -> str | None:
        """The key by which a strategic merge patch finds a list's item."""
        return self.document.get("x-kubernetes-patch-merge-key")

    @cached_property
    def strategies(self) -> frozenset[str]:
        """The strategies of a strategic merge patch: merge, replace, retainKeys."""
        return frozenset(str(self.document.get("x-kubernetes-patch-strategy", "")).split(",")) - {""}

    @cached_property
    def omitted(self) -> frozenset[str]:
        """Fields that Go does not write when they are empty."""
        return frozenset(read_data("omitted")["omitted"].get(self.name, ()))

    @cached_property
    def present(self) -> frozenset[str]:
        """Structs that Go writes even when they are empty."""
        return frozenset(read_data("omitted")["present"].get(self.name, ()))

    @cached_property
    def empty(self) -> dict[str, Any]:
        """The fields that an empty object has: no manager comes to own them by a create."""
        bare = read_data("omitted")["bare"].get(self.name, ())
        found: dict[str, Any] = {n: self.fields[n].empty for n in self.present if n in self.fields}
        return found | {name: {} if name == "metadata" else None for name in bare}

    def field(self, name: str) -> Node | None:
        """The schema of a field or of a map's value; None for an unknown field."""
        if self.kind == STRUCT and name in self.fields:
            return self.fields[name]
        if self.kind == MAP or (self.kind == STRUCT and "additionalProperties" in self.document):
            return self.element
        return UNTYPED if self.open else None

    def _child(self, document: Mapping[str, Any]) -> Node:
        default = document.get("default")
        own = {key: value for key, value in document.items() if key.startswith("x-kubernetes-")}
        if "$ref" not in document and len(document.get("allOf", ())) == 1 and "$ref" in document["allOf"][0]:
            document = document["allOf"][0]
        if "$ref" in document:
            name = document["$ref"].removeprefix(REF)
            target = dict(self._lookup(name)) | own
            if default is not None:
                target["default"] = default
            return Node(target, self._lookup, name, self.custom)
        return Node(document, self._lookup, "", self.custom)


UNTYPED = Node({}, lambda name: {}, custom=True)


@cache
def read_data(name: str) -> Any:
    """Data that was captured from a real API server."""
    return json.loads(read_bytes(f"{name}.json.gz"))


def read_bytes(name: str) -> bytes:
    """The same, decompressed but not decoded."""
    return gzip.decompress(files("kube_devserver.data").joinpath(name).read_bytes())


@cache
def built_in(path: str, kind: str) -> Node:
    """The schema of a built-in kind.

    Args:
        path: of its group and version, as `apis/apps/v1`.
        kind: the name.
    """
    schemas = read_data("openapi")[path]["components"]["schemas"]
    group, version = path.split("/")[1:] if path.startswith("apis/") else ("", "v1")
    wanted = {"group": group, "version": version, "kind": kind}
    for name, document in schemas.items():
        if wanted in document.get("x-kubernetes-group-version-kind", ()):
            return Node(document, schemas.__getitem__, name)
    raise LookupError(f"{path} {kind}")


def custom_node(document: dict[str, Any]) -> Node:
    """The schema of a custom kind, with metadata."""
    schemas = read_data("openapi")["api/v1"]["components"]["schemas"]
    metadata = {"allOf": [{"$ref": f"{REF}io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}]}
    own = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": metadata}
    properties = document.get("properties", {}) | own
    return Node(document | {"type": "object", "properties": properties}, schemas.__getitem__, custom=True)


def canonical(value: Any) -> bytes:
    """The canonical JSON of a value: equal values have the same.

    >>> canonical({"b": [1], "a": "x"})
    b'{"a":"x","b":[1]}'
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
