"""Sets of fields for server-side apply: which fields an object has, and how objects are compared, merged and
reduced.

After the structured-merge-diff library. A path is a tuple of elements as FieldsV1 writes them (`f:spec`,
`k:{"name":"a"}`, `v:"x"`); a set of fields is a frozenset of paths. Maps are sets of keys unless they are
atomic; lists are atomic unless the schema says otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import orjson

from kube_devserver.objects import schema as s
from kube_devserver.objects.exact_json import exact_json
from kube_devserver.objects.schema import Node

Path = tuple[str, ...]
Fields = frozenset[Path]
NOTHING: Fields = frozenset()
# Objects that were made alike have equal sets, and each write reads and writes all sets of its object.
MOST_SETS = 256


def field_set(node: Node, value: Any) -> Fields:
    """The fields of a value."""
    found: set[Path] = set()
    _collect(node, value, (), found)
    return frozenset(found)


def places(node: Node, value: Any, path: Path = ()) -> dict[Path, Any]:
    """Every path of a value, with the value of a leaf, and None for maps, structs and items.

    Args:
        node: the schema of the value.
        value: of an object, or a part of one.
        path: of the value.
    """
    found: dict[Path, Any] = {}
    _visit(node, value, path, found)
    return found


def _visit(node: Node, value: Any, path: Path, found: dict[Path, Any]) -> None:
    if _is_divided(node, value):
        found[path] = None
        for element, each in _parts(node, value).items():
            _visit(_below(node, element), each, (*path, element), found)
    else:
        found[path] = value


def _collect(node: Node, value: Any, path: Path, found: set[Path]) -> None:
    if isinstance(value, dict) and not (node.kind != s.LIST and node.relation == s.ATOMIC):
        structural = node.kind == s.STRUCT
        for name, each in value.items():
            child = node.field(name) or s.UNTYPED
            below = (*path, f"f:{name}")
            _collect(child, each, below, found)
            if each is None or each == {} or not (structural and name in node.fields):
                found.add(below)
        return
    if isinstance(value, list) and node.kind == s.LIST and node.relation in (s.SET, s.KEYED):
        element = node.element or s.UNTYPED
        for key, items in _by_key(node, value).items():
            below = (*path, key)
            if node.relation == s.KEYED and len(items) == 1:
                _collect(element, items[0], below, found)
            found.add(below)
        return
    found.add(path)


def _by_key(node: Node, value: list[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for item in value:
        found.setdefault(element_of(node, item), []).append(item)
    return found


def element_of(node: Node, item: Any) -> str:
    """The path element of an item of a set or of a keyed list."""
    if node.relation == s.SET:
        return "v:" + _dump(item)
    assert node.element is not None
    found = {}
    for key in node.keys:
        value = item.get(key) if isinstance(item, dict) else None
        if value is None:
            child = node.element.fields.get(key)
            value = child.document.get("default") if child is not None else None
        if value is not None:
            found[key] = value
    return "k:" + _dump(dict(sorted(found.items())))


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def find_fault(node: Node, value: Any, path: Path = ()) -> str:
    """Why a configuration cannot be applied; empty if it can.

    Reasons are an unknown field, a string in the place of a number, an item without its key, or a repeated
    item.
    """
    if isinstance(value, dict) and node.kind == s.STRUCT and node.relation != s.ATOMIC:
        for name, each in value.items():
            child = node.field(name)
            below = (*path, f"f:{name}")
            if child is None:
                return f"{spell(below)}: field not declared in schema"
            if fault := find_fault(child, each, below):
                return fault
    elif isinstance(value, dict) and node.kind == s.MAP and node.element is not None:
        for name, each in value.items():
            if fault := find_fault(node.element, each, (*path, f"f:{name}")):
                return fault
    elif isinstance(value, list) and node.kind == s.LIST and node.element is not None:
        return _find_list_fault(node, value, path)
    elif node.kind == s.SCALAR and node.scalar in ("integer", "number") and isinstance(value, str):
        return f"{spell(path)}: expected numeric (int or float), got string"
    return ""


def _find_list_fault(node: Node, value: list[Any], path: Path) -> str:
    seen: set[str] = set()
    assert node.element is not None
    for i, item in enumerate(value):
        below = (*path, f"i:{i}")
        if node.relation in (s.SET, s.KEYED):
            element = element_of(node, item)
            if node.relation == s.KEYED and element == "k:{}":
                return (
                    f"{spell(path)}: element {i}: associative list with keys has an element that omits all"
                    f" key fields {' '.join(_dump(key) for key in node.keys)}"
                    " (and doesn't have default values for any key fields)"
                )
            if element in seen:
                return f"{spell(path)}: duplicate entries for key {spell((element,))}"
            seen.add(element)
            below = (*path, element)
        if fault := find_fault(node.element, item, below):
            return fault
    return ""


# ------------------------------------------------------------------ FieldsV1


@lru_cache(MOST_SETS)
def encode(fields: Fields) -> dict[str, Any]:
    """A set of fields as FieldsV1; equal sets share it, so that it must not be changed.

    >>> encode(frozenset({("f:a",), ("f:a", "f:b")}))
    {'f:a': {'.': {}, 'f:b': {}}}
    """
    tree: dict[str, Any] = {}
    for path in sorted(fields):
        at = tree
        for element in path:
            at = at.setdefault(element, {})
        at["."] = {}
    return _trim(tree)


def _trim(tree: dict[str, Any]) -> dict[str, Any]:
    return {key: {} if list(below) == ["."] or key == "." else _trim(below) for key, below in tree.items()}


def read(tree: dict[str, Any]) -> Fields:
    """A set of fields from FieldsV1.

    >>> sorted(read({"f:a": {".": {}, "f:b": {}}}))
    [('f:a',), ('f:a', 'f:b')]
    """
    return _read(exact_json(tree))


@lru_cache(MOST_SETS)
def _read(text: bytes) -> Fields:
    found: set[Path] = set()

    def walk(below: dict[str, Any], path: Path) -> None:
        for key, each in below.items():
            if key == ".":
                found.add(path)
            elif each:
                walk(each, (*path, key))
            else:
                found.add((*path, key))

    walk(orjson.loads(text), ())
    return frozenset(found)


def spell(path: Path) -> str:
    """A path as messages show it: `.spec.containers[name="a"].image`."""
    text = ""
    for element in path:
        kind, rest = element[:2], element[2:]
        if kind == "f:":
            text += f".{rest}"
        elif kind == "k:":
            text += "[" + ",".join(f"{key}={_dump(value)}" for key, value in json.loads(rest).items()) + "]"
        else:
            text += f"[={rest}]" if kind == "v:" else f"[{rest}]"
    return text


def under(fields: Fields, prefixes: Iterable[Path]) -> Fields:
    """The fields at or below one of some paths."""
    wanted = tuple(prefixes)
    return frozenset(path for path in fields if any(path[: len(prefix)] == prefix for prefix in wanted))


def closed(node: Node, fields: Fields) -> set[Path]:
    """The fields, with the struct fields that contain them: a removal treats these as owned, too.

    Items of lists and keys of maps are not added: a manager that owns a field inside an item does not keep
    the item.
    """
    found = set(fields)
    nodes: dict[Path, Node] = {(): node}
    for path in fields:
        for length in range(1, len(path)):
            prefix = path[:length]
            if prefix in nodes:
                continue
            above, element = nodes[path[: length - 1]], prefix[-1]
            name = element.removeprefix("f:")
            if element.startswith("f:") and above.kind == s.STRUCT and name in above.fields:
                found.add(prefix)
                nodes[prefix] = above.fields[name]
            else:
                below = above.field(name) if element.startswith("f:") else above.element
                nodes[prefix] = below or s.UNTYPED
    return found


# ------------------------------------------------------------------ compare, merge, remove


def changed(node: Node, old: Any, new: Any) -> tuple[Fields, Fields]:
    """The fields that were added or modified, and the fields that were removed."""
    touched: set[Path] = set()
    removed: set[Path] = set()
    _compare(node, (old, new), (), touched, removed)
    return frozenset(touched) - {()}, frozenset(removed)


def _compare(node: Node, values: tuple[Any, Any], path: Path, touched: set[Path], removed: set[Path]) -> None:
    """Add the differences of two values; a part that is the same object in both is not read."""
    old, new = values
    divided = (_is_divided(node, old), _is_divided(node, new))
    if not any(divided):
        if not _same(old, new):
            touched.add(path)
        return
    if not all(divided) or type(old) is not type(new):
        before, after = places(node, old, path), places(node, new, path)
        touched.update(p for p, value in after.items() if p not in before or not _same(before[p], value))
        removed.update(before.keys() - after.keys())
        return
    parts, others = _parts(node, old), _parts(node, new)
    for element, each in others.items():
        if element not in parts:
            touched.update(places(_below(node, element), each, (*path, element)))
        elif parts[element] is not each:
            pair = (parts[element], each)
            _compare(_below(node, element), pair, (*path, element), touched, removed)
    for element in parts.keys() - others.keys():
        removed.update(places(_below(node, element), parts[element], (*path, element)))


def _is_divided(node: Node, value: Any) -> bool:
    """Whether the fields or items of a value have owners of their own."""
    if isinstance(value, list):
        return node.kind == s.LIST and node.relation in (s.SET, s.KEYED)
    return isinstance(value, dict) and (node.kind == s.LIST or node.relation != s.ATOMIC)


def _parts(node: Node, value: Any) -> dict[str, Any]:
    """The fields or items of a divided value by their path element; the items of a set have no values."""
    if isinstance(value, dict):
        return {f"f:{name}": each for name, each in value.items()}
    keyed = _by_key(node, value)
    if node.relation == s.SET:
        return dict.fromkeys(keyed)
    # Items of the same key are owned together.
    return {key: items[0] if len(items) == 1 else items for key, items in keyed.items()}


def _below(node: Node, element: str) -> Node:
    """The schema of a part."""
    if element.startswith("f:"):
        return node.field(element[2:]) or s.UNTYPED
    return s.UNTYPED if node.relation == s.SET else node.element or s.UNTYPED


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal; true does not equal 1."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def merge(node: Node, live: Any, config: Any) -> Any:
    """Merge a configuration into a live value: its fields win, other fields stay."""
    if config is None or live is None:
        return config
    is_atomic = node.relation == s.ATOMIC
    if isinstance(config, dict) and isinstance(live, dict) and not (node.kind != s.LIST and is_atomic):
        found = dict(live)
        for name, value in config.items():
            child = node.field(name) or s.UNTYPED
            found[name] = merge(child, live[name], value) if name in live else value
        return found
    if isinstance(config, list) and isinstance(live, list) and node.kind == s.LIST and not is_atomic:
        return _merge_lists(node, live, config)
    return config


def _merge_lists(node: Node, live: list[Any], config: list[Any]) -> list[Any]:
    """Merge two lists in the configuration's order; others stay before the item they preceded."""
    element = node.element or s.UNTYPED
    left = [(element_of(node, item), item) for item in live]
    right = [(element_of(node, item), item) for item in config]
    known, wanted = dict(left), dict(right)
    shared = [key for key, _ in right if key in known]
    found: list[Any] = []
    i = j = at = 0
    while i < len(left) or j < len(right):
        if i < len(left) and j < len(right) and left[i][0] == right[j][0]:
            found.append(merge(element, left[i][1], right[j][1]))
            i, j = i + 1, j + 1
            at += 1
            continue
        if i < len(left):
            key, item = left[i]
            if key not in wanted:
                found.append(item)
                i += 1
                continue
            if at >= len(shared) or shared[at] != key:
                i += 1  # a shared item that is not the next one in the configuration
                continue
        if j < len(right):
            key, item = right[j]
            j += 1
            if key in known:
                found.append(merge(element, known[key], item))
                at += 1
            else:
                found.append(item)
    return found


def remove(node: Node, value: Any, paths: set[Path], at: Path = ()) -> Any:
    """A value without some fields and everything below them."""
    if isinstance(value, dict) and not (node.kind != s.LIST and node.relation == s.ATOMIC):
        found = {}
        for name, each in value.items():
            below = (*at, f"f:{name}")
            if below in paths:
                continue
            left = remove(node.field(name) or s.UNTYPED, each, paths, below)
            found[name] = left if left or left == each else None  # a field that became empty is null
        return found
    if isinstance(value, list) and node.kind == s.LIST and node.relation in (s.SET, s.KEYED):
        element = node.element or s.UNTYPED
        kept = []
        for item in value:
            below = (*at, element_of(node, item))
            if below not in paths:
                kept.append(remove(element, item, paths, below) if node.relation == s.KEYED else item)
        return kept
    return value
