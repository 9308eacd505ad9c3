"""The schemas of CustomResourceDefinitions: structural, or refused. After k8s.io/apiextensions-apiserver's validation."""

from __future__ import annotations

from typing import Any

from kube_devserver.api_errors import Cause, prohibited, required, unsupported_value, wrong
from kube_devserver.custom.cel.patterns import find_fault
from kube_devserver.custom.rule_checks import Place, Total, compile_faults, text_faults

TYPES = ("array", "boolean", "integer", "number", "object", "string")
_WITHOUT_TYPE = ("x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields")
MOST_FAULTS = 1000


def schema_faults(schema: Any, path: str) -> list[Cause]:
    """Every fault of a version's schema.

    Args:
        schema: its `openAPIV3Schema`.
        path: of it, for messages.
    """
    found: list[Cause] = []
    if schema.get("type") != "object":
        kind = schema.get("type")
        found.append(
            required(f"{path}.type", "must not be empty at the root") if not kind
            else wrong(f"{path}.type", kind, "must be object at the root")
        )  # fmt: skip
    total = Total()
    of_rules: list[Cause] = []
    _check(schema, Place(path, True, 1, "", total), "", found, of_rules)
    return [*found, *of_rules, *total.faults(path)][:MOST_FAULTS]


def _check(schema: dict[str, Any], at: Place, place: str, found: list[Cause], of_rules: list[Cause]) -> None:
    if len(found) >= MOST_FAULTS:
        return
    before, path = len(found), at.path
    kind = schema.get("type")
    if kind and kind not in TYPES:
        found.append(unsupported_value(f"{path}.type", kind, TYPES))
    if not kind and place and not any(schema.get(name) for name in _WITHOUT_TYPE):
        found.append(required(f"{path}.type", f"must not be empty for specified {place}"))
    if schema.get("$ref"):
        found.append(prohibited(f"{path}.$ref", "$ref is not supported"))
    if schema.get("properties") and schema.get("additionalProperties"):
        text = "additionalProperties and properties are mutual exclusive"
        found.append(prohibited(f"{path}.additionalProperties", text))
    if kind == "array" and not isinstance(schema.get("items"), dict):
        found.append(required(f"{path}.items", "must be specified"))
    if schema.get("uniqueItems"):
        found.append(
            prohibited(
                f"{path}.uniqueItems",
                "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
            )
        )
    if isinstance(schema.get("pattern"), str):
        _check_pattern(schema["pattern"], path, found)
    found += text_faults(schema, path)
    for name, child in (schema.get("properties") or {}).items():
        if isinstance(child, dict):
            _check(child, at.below(schema, f"{path}.properties[{name}]"), "object fields", found, of_rules)
    if isinstance(schema.get("additionalProperties"), dict):
        below = at.below(schema, f"{path}.additionalProperties")
        _check(schema["additionalProperties"], below, "object fields", found, of_rules)
    if isinstance(schema.get("items"), dict):
        is_keyed = schema.get("x-kubernetes-list-type") == "map"
        below = at.below(schema, f"{path}.items", "" if is_keyed else path)
        _check(schema["items"], below, "array items", found, of_rules)
    if len(found) == before:  # rules of a schema that is not right would be told to be wrong for no reason of their own
        of_rules += compile_faults(schema, at)


def _check_pattern(pattern: str, path: str, found: list[Cause]) -> None:
    if fault := find_fault(pattern):
        found.append(wrong(f"{path}.pattern", pattern, f"must be a valid regular expression, but isn't: {fault}"))
