"""Validation of custom objects against their structural schema.

Messages are those of k8s.io/kube-openapi and k8s.io/apiextensions-apiserver.
"""

from __future__ import annotations

import math
import re
from typing import Any

from kube_devserver.api_errors import Cause, required, show, unsupported_value, wrong
from kube_devserver.custom.patterns import matches
from kube_devserver.custom.pruning import ROOT_FIELDS
from kube_devserver.objects import schema as s
from kube_devserver.objects.schema import Node, canonical

MOST_CAUSES = 100
LARGEST_WHOLE = 2**53
_FORMATS = {
    "date-time": re.compile(r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)\Z", re.ASCII),
    "date": re.compile(r"^\d{4}-\d\d-\d\d\Z", re.ASCII),
    "uuid": re.compile(r"^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\Z"),
    "ipv4": re.compile(r"^(\d{1,3}\.){3}\d{1,3}\Z", re.ASCII),
    "byte": re.compile(r"^[A-Za-z0-9+/]*={0,2}\Z"),
}


ABSENT: Any = object()  # the old object has no value at this place


def check(node: Node, value: Any, old: Any = ABSENT) -> list[Cause]:
    """Every error of an object against its schema.

    Values that did not change are accepted, so that an object can be changed and deleted after its schema has
    become stricter. Kubernetes calls that ratcheting.

    Args:
        node: the schema.
        value: the object.
        old: the object that it replaces; ABSENT for a create.
    """
    found: list[Cause] = []
    _check(node, value, "", found, old)
    repeated: list[Cause] = []
    _find_repeated(node, value, "", repeated)
    if repeated and old is not ABSENT:
        known: list[Cause] = []
        _find_repeated(node, old, "", known)
        repeated = [] if known else repeated
    return found + repeated


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are equal and of the same types.

    >>> is_same({"a": [1]}, {"a": [1]}), is_same({"a": 1}, {"a": True}), 1 == True
    (True, False, True)
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(is_same(each, other[key]) for key, each in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return bool(one == other)


def _check(node: Node, value: Any, path: str, found: list[Cause], old: Any = ABSENT) -> None:
    before = len(found)
    _check_value(node, value, path, found, old)
    if len(found) > before and old is not ABSENT and is_same(value, old):
        del found[before:]


def _check_value(node: Node, value: Any, path: str, found: list[Cause], old: Any) -> None:
    document = node.document
    if value is None and document.get("nullable"):
        return
    if not _typed(node, value):
        wanted = document.get("type", "")
        wanted = "integer,string" if document.get("x-kubernetes-int-or-string") else wanted
        was = show(_type(value))
        text = f"Invalid value: {was}: {path} in body must be of type {wanted}: {was}"
        found.append(Cause(path, "FieldValueTypeInvalid", text))
        return
    if "enum" in document and value not in document["enum"]:
        found.append(unsupported_value(path, value, document["enum"]))
    if isinstance(value, str):
        _check_text(document, value, path, found)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _check_number(document, value, path, found)
    elif isinstance(value, list):
        _check_list(node, value, path, found, old)
    elif isinstance(value, dict):
        _check_map(node, value, path, found, old)
    for branch in ("allOf", "anyOf", "oneOf", "not"):
        if branch in document and not (branch != "not" and document.get("x-kubernetes-int-or-string")):
            _check_branches(node, branch, value, path, found)


def _typed(node: Node, value: Any) -> bool:
    document = node.document
    if document.get("x-kubernetes-int-or-string"):
        return isinstance(value, str | int) and not isinstance(value, bool)
    match document.get("type"):
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return not isinstance(value, bool) and (
                isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            )
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
    return True


def _type(value: Any) -> str:
    names = {str: "string", bool: "boolean", dict: "object", list: "array", int: "integer", float: "number"}
    return names.get(type(value), "null")


def _check_text(document: Any, value: str, path: str, found: list[Cause]) -> None:
    if "maxLength" in document and len(value) > document["maxLength"]:
        text = f"Too long: may not be more than {document['maxLength']} bytes"
        found.append(Cause(path, "FieldValueTooLong", text))
    if "minLength" in document and len(value) < document["minLength"]:
        text = f"{path} in body should be at least {document['minLength']} chars long"
        found.append(wrong(path, value, text))
    if "pattern" in document and not matches(value, document["pattern"]):
        found.append(wrong(path, value, f"{path} in body should match '{document['pattern']}'"))
    form = document.get("format")
    if form in _FORMATS and not _FORMATS[form].match(value):
        found.append(wrong(path, value, f"{path} in body must be of type {form}: {show(value)}"))


def _check_number(document: Any, value: float, path: str, found: list[Cause]) -> None:
    if "maximum" in document:
        most, exclusive = document["maximum"], document.get("exclusiveMaximum")
        if value > most or (exclusive and value == most):
            bound = f"less than {'' if exclusive else 'or equal to '}{_number(most)}"
            found.append(wrong(path, value, f"{path} in body should be {bound}"))
    if "minimum" in document:
        least, exclusive = document["minimum"], document.get("exclusiveMinimum")
        if value < least or (exclusive and value == least):
            bound = f"greater than {'' if exclusive else 'or equal to '}{_number(least)}"
            found.append(wrong(path, value, f"{path} in body should be {bound}"))
    if document.get("multipleOf", 1) <= 0:
        factor = document["multipleOf"]
        text = f"factor MultipleOf declared for {path} must be positive: {_number(factor)}"
        found.append(wrong(path, factor, text))
    elif "multipleOf" in document and not _is_multiple(value, document["multipleOf"]):
        text = f"{path} in body should be a multiple of {_number(document['multipleOf'])}"
        found.append(wrong(path, value, text))


def _is_multiple(value: float, factor: float) -> bool:
    """Whether a value is a multiple, as kube-openapi defines it: rounding errors of binary fractions are
    ignored.

    >>> _is_multiple(0.3, 0.1), _is_multiple(0.35, 0.1), _is_multiple(6, 3), _is_multiple(1e300, 0.1)
    (True, False, True, False)
    """
    times = 1 / factor * value if factor < 1 else value / factor
    return abs(times) < LARGEST_WHOLE and math.isclose(times, round(times), rel_tol=1e-9)


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)


def _check_list(node: Node, value: list[Any], path: str, found: list[Cause], old: Any) -> None:
    document = node.document
    if "maxItems" in document and len(value) > document["maxItems"]:
        text = f"Too many: {len(value)}: must have at most {document['maxItems']} items"
        found.append(Cause(path, "FieldValueTooMany", text))
    if "minItems" in document and len(value) < document["minItems"]:
        text = f"{path} in body should have at least {document['minItems']} items"
        found.append(wrong(path, len(value), text))
    if document.get("uniqueItems") and len({canonical(each) for each in value}) < len(value):
        found.append(wrong(path, value, f"{path} in body shouldn't contain duplicates"))
    if node.element is not None:
        known = by_key(node, old)
        for i, each in enumerate(value):
            if len(found) >= MOST_CAUSES:
                return
            was = known.get(key_of(node, each), ABSENT) if known else ABSENT
            _check(node.element, each, f"{path}[{i}]", found, was)


def _find_repeated(node: Node, value: Any, path: str, found: list[Cause]) -> None:
    """Collect items that a set or a keyed list repeats."""
    if not _has_relations(node) or len(found) >= MOST_CAUSES:
        return
    if isinstance(value, dict):
        for name, each in value.items():
            child = node.fields.get(name) if node.kind == s.STRUCT else node.element
            if child is not None and (path or name not in ROOT_FIELDS):
                _find_repeated(child, each, f"{path}.{name}" if path else name, found)
    elif isinstance(value, list):
        seen: set[bytes] = set()
        for i, item in enumerate(value if node.relation in (s.SET, s.KEYED) else ()):
            is_keyed = node.relation == s.KEYED and isinstance(item, dict)
            key = {k: item[k] for k in node.keys if k in item} if is_keyed else item
            text = canonical(key)
            if text in seen and len(found) < MOST_CAUSES:
                found.append(Cause(f"{path}[{i}]", "FieldValueDuplicate", f"Duplicate value: {show(key)}"))
            seen.add(text)
        for i, each in enumerate(value):
            if node.element is not None:
                _find_repeated(node.element, each, f"{path}[{i}]", found)


def _check_map(node: Node, value: dict[str, Any], path: str, found: list[Cause], old: Any) -> None:
    document = node.document
    for name in document.get("required", ()):
        if name not in value:
            found.append(required(f"{path}.{name}" if path else name))
    if "maxProperties" in document and len(value) > document["maxProperties"]:
        text = f"Too many: {len(value)}: must have at most {document['maxProperties']} items"
        found.append(Cause(path, "FieldValueTooMany", text))
    if "minProperties" in document and len(value) < document["minProperties"]:
        text = f"{path} in body should have at least {document['minProperties']} properties"
        found.append(wrong(path, len(value), text))
    for name, each in value.items():
        if len(found) >= MOST_CAUSES:
            return
        if not path and name in ROOT_FIELDS:
            continue
        child = node.fields.get(name) if node.kind == s.STRUCT else node.element
        if child is not None:
            was = old.get(name, ABSENT) if isinstance(old, dict) else ABSENT
            _check(child, each, f"{path}.{name}" if path else name, found, was)


def _check_branches(node: Node, branch: str, value: Any, path: str, found: list[Cause]) -> None:
    def faults(document: Any) -> list[Cause]:
        causes: list[Cause] = []
        _check(Node(document, lambda name: {}, custom=True), value, path, causes)
        return causes

    match branch:
        case "allOf":
            for each in node.document["allOf"]:
                found.extend(faults(each))
        case "anyOf":
            if all(faults(each) for each in node.document["anyOf"]):
                found.append(wrong(path, value, f"{path} in body must validate at least one schema (anyOf)"))
        case "oneOf":
            if sum(not faults(each) for each in node.document["oneOf"]) != 1:
                text = f"{path} in body must validate one and only one schema (oneOf)"
                found.append(wrong(path, value, text))
        case "not":
            if not faults(node.document["not"]):
                found.append(wrong(path, value, f"{path} in body must not validate the schema (not)"))


def _has_relations(node: Node) -> bool:
    """Whether a set or a keyed list stands at this place of a schema or below it."""
    found = node.__dict__.get("_has_relations")
    if found is None:
        node.__dict__["_has_relations"] = False  # ends the recursion of a schema that contains itself
        fields = node.fields.values() if node.kind == s.STRUCT else ()
        below = [*fields, *([node.element] if node.element else ())]
        found = node.relation in (s.SET, s.KEYED) or any(_has_relations(each) for each in below)
        node.__dict__["_has_relations"] = found
    return bool(found)


def key_of(node: Node, item: Any) -> str | None:
    """The identity of a keyed list's item; None for an item of another list."""
    if node.relation == s.KEYED and isinstance(item, dict):
        return show([item.get(key) for key in node.keys])
    return None


def by_key(node: Node, old: Any) -> dict[str | None, Any]:
    """The items of a keyed list by their identity; empty for another list."""
    if node.relation != s.KEYED or not isinstance(old, list):
        return {}
    return {key: item for item in old if (key := key_of(node, item)) is not None}
