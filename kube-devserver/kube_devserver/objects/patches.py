"""JSON patches (RFC 6902), merge patches (RFC 7386), and strategic merge patches of built-in kinds."""

from __future__ import annotations

import json
from typing import Any

import jsonpatch
import orjson
from jsonpointer import JsonPointerException, resolve_pointer

from kube_devserver.api_errors import StatusError, bad_request
from kube_devserver.objects import schema as s
from kube_devserver.objects.schema import Node, canonical

MOST_OPERATIONS = 10_000
MOST_COPIED_BYTES = 3 << 20
DIRECTIVE, RETAIN = "$patch", "$retainKeys"
ORDER, DELETE_LIST = "$setElementOrder/", "$deleteFromPrimitiveList/"
_DELETED: Any = object()  # an item of a list that a patch has deleted
NOT_A_MAP = "error decoding patch: json: cannot unmarshal {} into Go value of type map[string]interface {{}}"


def go_type(value: Any) -> str:
    """A JSON value's type as Go's messages name it."""
    names = {dict: "object", list: "array", str: "string", bool: "bool", type(None): "null"}
    return names.get(type(value), "number")


def go_map(value: Any) -> str:
    """A map as Go prints it."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{go_map(each)}" for key, each in sorted(value.items())) + "]"
    return str(value)


def json_patch(body: dict[str, Any], patch: Any) -> Any:
    """Apply a JSON patch.

    Raises:
        StatusError: 400, it is not a JSON patch; 422, it does not fit the object; 413, it has too many
            operations.
    """
    if not isinstance(patch, list) or not all(isinstance(each, dict) for each in patch):
        raise bad_request(
            f"error decoding patch: json: cannot unmarshal {go_type(patch)} into Go value of type"
            " []handlers.jsonPatchOp"
        )
    if len(patch) > MOST_OPERATIONS:
        raise StatusError(
            413,
            "RequestEntityTooLarge",
            f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {len(patch)}",
        )
    try:
        if not any(each.get("op") == "copy" for each in patch):
            return jsonpatch.apply_patch(body, patch)
        return _patch_with_copies(body, patch)
    except (jsonpatch.JsonPatchTestFailed, jsonpatch.JsonPatchConflict, JsonPointerException) as error:
        raise StatusError(
            422, "Invalid", "the server rejected our request due to an error in our request", {}
        ) from error
    except (jsonpatch.JsonPatchException, TypeError, KeyError, ValueError) as error:
        raise bad_request(f"error decoding patch: {error}") from error


def _patch_with_copies(body: dict[str, Any], patch: list[Any]) -> Any:
    """Apply a patch step by step and bound its copies, which could fill the memory."""
    found: Any = orjson.loads(orjson.dumps(body))
    copied = 0
    for step in patch:
        if step.get("op") == "copy":
            copied += len(orjson.dumps(resolve_pointer(found, str(step.get("from", "")))))
            if copied > MOST_COPIED_BYTES:
                raise jsonpatch.JsonPatchConflict(f"copies of more than {MOST_COPIED_BYTES} bytes")
            value = orjson.loads(orjson.dumps(resolve_pointer(found, step["from"])))
            step = step | {"op": "add", "value": value}
        found = jsonpatch.JsonPatch([step]).apply(found, in_place=True)
    return found


def merge_patch(body: Any, patch: Any) -> Any:
    """Apply a merge patch.

    >>> merge_patch({"a": {"b": 1, "c": 2}}, {"a": {"b": None}, "d": {"e": None}})
    {'a': {'c': 2}, 'd': {}}
    """
    if not isinstance(patch, dict):
        return patch
    found = dict(body) if isinstance(body, dict) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = merge_patch(found.get(name), value)
    return found


def strategic_patch(node: Node, body: dict[str, Any], patch: Any) -> dict[str, Any]:
    """Apply a strategic merge patch: lists with a merge key are merged item by item.

    Raises:
        StatusError: 400, the patch does not fit the schema.
    """
    if not isinstance(patch, dict):
        raise bad_request(NOT_A_MAP.format(go_type(patch)))
    return _merge_map(node, body, patch)


def _merge_map(node: Node, body: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    directive = patch.get(DIRECTIVE)
    plain = {key: value for key, value in patch.items() if key != DIRECTIVE}
    if directive == "replace":
        return plain
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise bad_request(f"Unknown patch type found: {directive}")
    found = dict(body)
    if RETAIN in plain:
        if not isinstance(plain[RETAIN], list) or not all(isinstance(each, str) for each in plain[RETAIN]):
            raise bad_request(f"{RETAIN} of a strategic merge patch is a list of names")
        keep = set(plain.pop(RETAIN))
        found = {key: value for key, value in found.items() if key in keep}
    for key, value in plain.items():
        if key.startswith(("$setElementOrder/", "$deleteFromPrimitiveList/")) and not isinstance(value, list):
            raise bad_request(f"{key} of a strategic merge patch is a list")
    orders = {key.removeprefix(ORDER): plain.pop(key) for key in list(plain) if key.startswith(ORDER)}
    for key in [key for key in plain if key.startswith(DELETE_LIST)]:
        name, gone = key.removeprefix(DELETE_LIST), {canonical(each) for each in plain.pop(key)}
        found[name] = [each for each in found.get(name, ()) if canonical(each) not in gone]
    for name, value in plain.items():
        if value is None:
            found.pop(name, None)
            continue
        child = node.field(name) or s.UNTYPED
        found[name] = _merge_value(child, found.get(name), value, orders.pop(name, None))
    for name, order in orders.items():
        if isinstance(found.get(name), list):
            found[name] = _sort(node.field(name) or s.UNTYPED, found[name], order, found[name])
    return found


def _merge_value(node: Node, old: Any, new: Any, order: list[Any] | None) -> Any:
    if isinstance(new, dict):
        replaced = "replace" in node.strategies and DIRECTIVE not in new
        return _merge_map(node, old if isinstance(old, dict) and not replaced else {}, new)
    if isinstance(new, list) and "merge" in node.strategies:
        before = old if isinstance(old, list) else []
        if node.merge_key is None:
            known = {canonical(each) for each in before}
            merged = before + [each for each in new if canonical(each) not in known]
        else:
            merged = _merge_items(node, before, new, node.merge_key)
        return _sort(node, merged, order if order is not None else new, before)
    return new


def _merge_items(node: Node, old: list[Any], new: list[Any], key: str) -> list[Any]:
    element = node.element or s.UNTYPED
    found = list(old)
    if {DIRECTIVE: "replace"} in new:
        return [item for item in new if DIRECTIVE not in item]
    places: dict[bytes, list[int]] = {}  # indices of items by their key; an invalid list may repeat one
    for i, each in enumerate(found):
        places.setdefault(canonical(each.get(key)), []).append(i)
    for item in new:
        if not isinstance(item, dict) or key not in item:
            raise StatusError(500, "", f"map: {go_map(item)} does not contain declared merge key: {key}")
        there = places.get(canonical(item[key]))
        if item.get(DIRECTIVE) == "delete":
            for i in places.pop(canonical(item[key]), ()):
                found[i] = _DELETED
        elif there is None:
            places[canonical(item[key])] = [len(found)]
            found.append(_merge_map(element, {}, item))
        else:
            found[there[0]] = _merge_map(element, found[there[0]], item)
    return [each for each in found if each is not _DELETED]


def _sort(node: Node, items: list[Any], order: list[Any], before: list[Any]) -> list[Any]:
    """Sort items by the patch's order; the server's own stay before the item that followed them."""
    key = node.merge_key

    def name(item: Any) -> str:
        return json.dumps(item.get(key) if key is not None and isinstance(item, dict) else item)

    wanted = {name(item): number for number, item in enumerate(order)}
    patched = sorted((item for item in items if name(item) in wanted), key=lambda item: wanted[name(item)])
    server = [item for item in items if name(item) not in wanted]
    places = {name(item): number for number, item in enumerate(before)}
    found: list[Any] = []
    i = j = 0
    while i < len(patched) and j < len(server):
        mine, theirs = places.get(name(patched[i])), places.get(name(server[j]))
        if mine is not None and theirs is not None and theirs < mine:
            found.append(server[j])
            j += 1
        else:
            found.append(patched[i])
            i += 1
    return [*found, *patched[i:], *server[j:]]
