"""Validation rules of a schema that is being defined: each must compile. After apiextensions' validation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kube_devserver.api_errors import Cause, required, unsupported_value, wrong
from kube_devserver.custom.expressions import Expression, ExpressionError, compile_expression, with_optional
from kube_devserver.custom.field_paths import PathError, normalized
from kube_devserver.custom.validation_rules import RULES

Schema = Mapping[str, Any]
REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_NEWLINE = re.compile(r"[\n\r]")


def text_faults(schema: Schema, path: str) -> list[Cause]:
    """Errors in the texts of one place's rules, before they are compiled."""
    found = []
    for i, rule in enumerate(schema.get(RULES) or ()):
        found += _text_faults(rule, schema, f"{path}.{RULES}[{i}]")
    return found


def _text_faults(rule: Schema, schema: Schema, path: str) -> list[Cause]:
    text, message, expression, where = (
        str(rule.get(name) or "") for name in ("rule", "message", "messageExpression", "fieldPath")
    )
    found = []
    if not text.strip():
        found.append(required(f"{path}.rule", "rule is not specified"))
    elif message and not message.strip():
        found.append(wrong(f"{path}.message", message, "must be non-empty if specified"))
    elif _NEWLINE.search(message.strip()):
        found.append(wrong(f"{path}.message", message, "must not contain line breaks"))
    elif _NEWLINE.search(text.strip()) and not message.strip():
        found.append(required(f"{path}.message", "message must be specified if rule contains line breaks"))
    if expression and not expression.strip():
        text = "messageExpression must be non-empty if specified"
        found.append(required(f"{path}.messageExpression", text))
    if rule.get("reason") is not None and rule["reason"] not in REASONS:
        found.append(unsupported_value(f"{path}.reason", rule["reason"], REASONS))
    if where and not where.strip():
        found.append(wrong(f"{path}.fieldPath", where, "must be non-empty if specified"))
    if _NEWLINE.search(where):
        found.append(wrong(f"{path}.fieldPath", where, "must not contain line breaks"))
    if where and not _is_path(where, schema):
        found.append(wrong(f"{path}.fieldPath", where, "must be a valid path"))
    return found


def _is_path(path: str, schema: Schema) -> bool:
    try:
        normalized(path, schema)
    except PathError:
        return False
    return True


def compile_faults(schema: Schema, path: str, uncorrelated: str) -> list[Cause]:
    """Errors of compiling one place's rules.

    Args:
        schema: of the place.
        path: of the schema, for messages.
        uncorrelated: the path of the list above whose items have no old values, or empty.
    """
    found = []
    for i, rule in enumerate(schema.get(RULES) or ()):
        found += _compile_faults(rule, f"{path}.{RULES}[{i}]", uncorrelated)
    return found


def _compile_faults(rule: Schema, path: str, uncorrelated: str) -> list[Cause]:
    text, is_optional = str(rule["rule"]), rule.get("optionalOldSelf") is not None
    shown = with_optional(text, True) if rule.get("optionalOldSelf") else text
    holds, found = _compiled(shown, f"{path}.rule")
    if holds is not None and holds.type not in ("BOOL", "DYN"):
        found.append(wrong(f"{path}.rule", text, "cel expression must evaluate to a bool"))
    if holds is not None and rule.get("messageExpression"):
        message, faults = _compiled(str(rule["messageExpression"]), f"{path}.messageExpression")
        found += faults
        if message is not None and message.type not in ("STRING", "DYN"):
            where = f"{path}.messageExpression"
            text = "messageExpression must evaluate to a string"
            found.append(wrong(where, rule["messageExpression"], text))
    if holds is not None and holds.uses_old and uncorrelated:
        why = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelated}"
        found.append(wrong(f"{path}.rule", text, why))
    elif holds is not None and is_optional and not holds.uses_old:
        why = "may not be set if oldSelf is not used in rule"
        found.append(wrong(f"{path}.optionalOldSelf", rule["optionalOldSelf"], why))
    return found


def _compiled(text: str, path: str) -> tuple[Expression | None, list[Cause]]:
    try:
        return compile_expression(text), []
    except ExpressionError as error:
        return None, [wrong(path, text, f"compilation failed: {error}")]
