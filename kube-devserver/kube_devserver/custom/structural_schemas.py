"""The schemas of CustomResourceDefinitions: structural, or refused. After k8s.io/apiextensions-apiserver's
validation.
"""

from __future__ import annotations

from typing import Any

from kube_devserver.api_errors import Cause, prohibited, required, unsupported_value, wrong
from kube_devserver.custom.patterns import find_fault
from kube_devserver.custom.rule_checks import compile_faults, text_faults

TYPES = ("array", "boolean", "integer", "number", "object", "string")
_WITHOUT_TYPE = ("x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields")
MOST_FAULTS = 1000


def schema_faults(schema: Any, path: str) -> list[Cause]:
    """Every error of a version's schema.

    Args:
        schema: its `openAPIV3Schema`.
        path: of the schema, for messages.
    """
    checker = _Checker()
    if schema.get("type") != "object":
        kind = schema.get("type")
        checker.found.append(
            required(f"{path}.type", "must not be empty at the root") if not kind
            else wrong(f"{path}.type", kind, "must be object at the root")
        )  # fmt: skip
    checker.check(schema, path, "", "")
    return [*checker.found, *checker.of_rules][:MOST_FAULTS]


class _Checker:
    """Collects errors: those of the schema first, then those of its rules."""

    def __init__(self) -> None:
        self.found: list[Cause] = []
        self.of_rules: list[Cause] = []

    def check(self, schema: dict[str, Any], path: str, place: str, uncorrelated: str) -> None:
        """Check a schema and those below it.

        Args:
            schema: the schema.
            path: of it.
            place: what it describes: "object fields" or "array items"; empty at the root.
            uncorrelated: the path of the list above whose items have no old values, or empty.
        """
        if len(self.found) >= MOST_FAULTS:
            return
        before = len(self.found)
        self._check_own(schema, path, place)
        self.found += text_faults(schema, path)
        for name, child in (schema.get("properties") or {}).items():
            if isinstance(child, dict):
                self.check(child, f"{path}.properties[{name}]", "object fields", uncorrelated)
        if isinstance(schema.get("additionalProperties"), dict):
            below = f"{path}.additionalProperties"
            self.check(schema["additionalProperties"], below, "object fields", uncorrelated)
        if isinstance(schema.get("items"), dict):
            is_keyed = schema.get("x-kubernetes-list-type") == "map"
            lost = uncorrelated or ("" if is_keyed else path)
            self.check(schema["items"], f"{path}.items", "array items", lost)
        # The rules of a schema that is not right would fail for that reason alone.
        if len(self.found) == before:
            self.of_rules += compile_faults(schema, path, uncorrelated)

    def _check_own(self, schema: dict[str, Any], path: str, place: str) -> None:
        kind, found = schema.get("type"), self.found
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
            text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
            found.append(prohibited(f"{path}.uniqueItems", text))
        pattern = schema.get("pattern")
        if isinstance(pattern, str) and (fault := find_fault(pattern)):
            text = f"must be a valid regular expression, but isn't: {fault}"
            found.append(wrong(f"{path}.pattern", pattern, text))
