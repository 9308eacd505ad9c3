"""The schemas of CustomResourceDefinitions: structural, or refused. After k8s.io/apiextensions-apiserver's validation."""

from __future__ import annotations

from typing import Any

from spiko_local.apiserver import expressions as e
from spiko_local.apiserver.statuses import Cause, prohibited, required, unsupported_value, wrong

TYPES = ("array", "boolean", "integer", "number", "object", "string")
REASONS = ("FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired", "FieldValueDuplicate")
_WITHOUT_TYPE = ("x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields")
MOST_FAULTS = 50


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
    _check(schema, path, "", found)
    return found[:MOST_FAULTS]


def _check(schema: dict[str, Any], path: str, place: str, found: list[Cause]) -> None:
    if len(found) >= MOST_FAULTS:
        return
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
    for i, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        _check_rule(rule, f"{path}.x-kubernetes-validations[{i}]", found)
    for name, child in (schema.get("properties") or {}).items():
        if isinstance(child, dict):
            _check(child, f"{path}.properties[{name}]", "object fields", found)
    if isinstance(schema.get("additionalProperties"), dict):
        _check(schema["additionalProperties"], f"{path}.additionalProperties", "object fields", found)
    if isinstance(schema.get("items"), dict):
        _check(schema["items"], f"{path}.items", "array items", found)


def _check_pattern(pattern: str, path: str, found: list[Cause]) -> None:
    try:
        e.matches(pattern, "")
    except e.RuleError as error:
        found.append(wrong(f"{path}.pattern", pattern, f"must be a valid regular expression, but isn't: {error}"))


def _check_rule(rule: dict[str, Any], path: str, found: list[Cause]) -> None:
    text = rule.get("rule") or ""
    if not text.strip():
        found.append(required(f"{path}.rule", "rule is not specified"))
        return
    for name in ("rule", "messageExpression"):
        if name in rule:
            try:
                e.compile_rule(rule[name])
            except e.RuleError as error:
                found.append(wrong(f"{path}.{name}", rule[name], f"compilation failed: {error}"))
    if rule.get("reason") and rule["reason"] not in REASONS:
        found.append(unsupported_value(f"{path}.reason", rule["reason"], REASONS))
