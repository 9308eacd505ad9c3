"""What a CustomResourceDefinition's schema adds to an object and removes from it: defaults, unknown fields,
nulls.
"""

from __future__ import annotations

from typing import Any

from kube_devserver.objects import schema as s
from kube_devserver.objects.schema import Node

ROOT_FIELDS = ("apiVersion", "kind", "metadata")


def prune(node: Node, value: Any, path: str, unknown: list[str]) -> Any:
    """The value without fields that the schema does not have; their paths are added to `unknown`."""
    if isinstance(value, dict) and node.kind in (s.STRUCT, s.MAP, s.ANY):
        found = {}
        for name, each in value.items():
            child = node.fields.get(name) if node.kind == s.STRUCT else node.element
            below = f"{path}.{name}" if path else name
            if child is not None:
                found[name] = prune(child, each, below, unknown)
            elif node.document.get("x-kubernetes-preserve-unknown-fields") or _embedded(node, name):
                found[name] = each
            else:
                unknown.append(below)
        return found
    if isinstance(value, list) and node.kind == s.LIST and node.element is not None:
        return [prune(node.element, each, f"{path}[{i}]", unknown) for i, each in enumerate(value)]
    return value


def _embedded(node: Node, name: str) -> bool:
    return bool(node.document.get("x-kubernetes-embedded-resource")) and name in ROOT_FIELDS


def fill_in(node: Node, value: Any) -> Any:
    """The value with defaults; a default also replaces a null that the schema does not allow."""
    if isinstance(value, dict) and node.kind in (s.STRUCT, s.MAP):
        found = dict(value)
        if node.kind == s.STRUCT:
            for name, child in node.fields.items():
                if "default" in child.document and (
                    name not in found or (found[name] is None and not child.document.get("nullable"))
                ):
                    found[name] = child.document["default"]
        for name, each in found.items():
            child_node = node.fields.get(name) if node.kind == s.STRUCT else node.element
            if child_node is not None and name != "metadata":
                found[name] = fill_in(child_node, each)
        return found
    if isinstance(value, list) and node.kind == s.LIST and node.element is not None:
        return [fill_in(node.element, each) for each in value]
    return value


def drop_nulls(node: Node, value: Any) -> Any:
    """The value without nulls that the schema does not allow."""
    if isinstance(value, dict) and node.kind in (s.STRUCT, s.MAP):
        found = {}
        for name, each in value.items():
            child = node.fields.get(name) if node.kind == s.STRUCT else node.element
            if each is None and name in node.fields and not node.fields[name].document.get("nullable"):
                continue
            found[name] = drop_nulls(child, each) if child is not None and name != "metadata" else each
        return found
    if isinstance(value, list) and node.kind == s.LIST and node.element is not None:
        return [drop_nulls(node.element, each) for each in value]
    return value
