"""Pure: what the models refuse, translated error by error."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from spiko_operator.api.architecture import KIND as ARCHITECTURE
from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.api.common import ARCHITECTURE_NAME_PATTERN, MAX_ARCHITECTURE_NAME
from spiko_operator.api.fault import FaultSpec
from spiko_operator.plan.validation.findings import Finding, found, nearest, shorten

_TOP_LEVEL = {"apiVersion", "kind", "metadata", "spec", "status"}
_TYPES = {
    "int": "a whole number",
    "string": "a text (quote it if it looks like a number)",
    "bool": "true or false",
    "list": "a list",
    "model": "an object",
    "dict": "an object",
}
_FORMS = {"otlpEndpoint": "write http://HOST:PORT, with a port from 1 to 65535, and a path if there is one"}
_NAME_FIELDS = ("name", "architecture", "tier")


def name_findings(document: Mapping[str, Any], kind: str) -> list[Finding]:
    """What is wrong with the object's name and its top-level fields."""
    findings = [
        found("UnknownField", str(key), None, f"a manifest has no field {shorten(key)}", nearest(str(key), _TOP_LEVEL))
        for key in document
        if key not in _TOP_LEVEL
    ]
    metadata = document.get("metadata")
    if not isinstance(metadata, Mapping) or metadata.get("name") is None:
        if not (isinstance(metadata, Mapping) and metadata.get("generateName")):
            findings.append(found("MissingField", "metadata.name", None, "the object has no name"))
        return findings
    name = metadata["name"]
    if not isinstance(name, str):
        findings.append(found("WrongType", "metadata.name", name, f"{shorten(name)} is not {_TYPES['string']}"))
    elif kind == ARCHITECTURE:
        if len(name) > MAX_ARCHITECTURE_NAME:
            findings.append(
                found(
                    "BadObjectName", "metadata.name", name, f"{len(name)} characters, at most {MAX_ARCHITECTURE_NAME}"
                )
            )
        elif not re.fullmatch(ARCHITECTURE_NAME_PATTERN, name):
            findings.append(
                found(
                    "BadObjectName",
                    "metadata.name",
                    name,
                    f"{shorten(name)} is no name of lower-case letters, digits and -",
                )
            )
    elif not re.fullmatch(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", name):
        findings.append(
            found("BadObjectName", "metadata.name", name, f"{shorten(name)} is no object name", "use a-z, 0-9, - and .")
        )
    return findings


def shape_findings(document: Mapping[str, Any], kind: str) -> list[Finding]:
    """What is wrong with the fields of the spec, each by itself."""
    spec = document.get("spec")
    if spec is None:
        return [found("MissingField", "spec", None, "the object has no spec")]
    model: type[BaseModel] = ArchitectureSpec if kind == ARCHITECTURE else FaultSpec
    try:
        text = json.dumps(spec, default=str)  # as JSON, since the strict models take an enum's word from JSON only
        model.model_validate_json(text, strict=True)
    except ValidationError as error:
        return [_translate(item, model) for item in error.errors(include_url=False)]
    except (ValueError, TypeError, RecursionError) as error:
        return [found("WrongType", "spec", None, f"the spec cannot be read: {str(error)[:200]}")]
    return []


def render_path(parts: Sequence[str | int]) -> str:
    """A path as people write it.

    >>> render_path(["spec", "services", 2, "count"])
    'spec.services[2].count'
    """
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _translate(error: Mapping[str, Any], model: type[BaseModel]) -> Finding:
    path = render_path(["spec", *error["loc"]])
    kind, context, value = str(error["type"]), error.get("ctx") or {}, error.get("input")
    field = error["loc"][-1] if error["loc"] else "spec"
    if kind == "extra_forbidden":
        return found(
            "UnknownField",
            path,
            value,
            f"there is no field {shorten(field)} here",
            nearest(str(field), _fields_at(model, error["loc"][:-1])),
        )
    if kind == "missing":
        return found("MissingField", path, None, f"{field} is required")
    if kind in ("greater_than_equal", "less_than_equal", "greater_than", "less_than", "int_parsing_size"):
        limit = next(iter(context.values()), "")
        word = "at least" if kind.startswith("greater") else "at most"
        return found("OutOfRange", path, value, f"{shorten(value)} must be {word} {limit}")
    if kind in ("string_too_long", "too_long", "string_too_short", "too_short"):
        limit = context.get("max_length", context.get("min_length"))
        size = len(value) if isinstance(value, str | list) else context.get("actual_length", "?")
        unit = "characters" if kind.startswith("string") else "entries"
        word = "at most" if kind.endswith("long") else "at least"
        return found("TooLong", path, value, f"{size} {unit}, {word} {limit}")
    if kind == "string_pattern_mismatch":
        hint = "" if field in (*_NAME_FIELDS, "victim") else f"it must match {context.get('pattern')}"
        hint = _FORMS.get(str(field), hint)
        return found("BadName", path, value, f"{shorten(value)} does not have the right form", hint)
    if kind in ("enum", "literal_error"):
        allowed = str(context.get("expected", "")).replace("'", "")
        suggestion = nearest(str(value), re.split(r", | or ", allowed))
        if value is False and "Off" in allowed:
            suggestion = 'YAML reads a bare Off as false: write "Off"'
        return found("UnknownValue", path, value, f"{shorten(value)} is none of {allowed}", suggestion)
    wanted = next((text for word, text in _TYPES.items() if kind.startswith(word)), "what is wanted")
    return found("WrongType", path, value, f"{shorten(value)} is not {wanted}")


def _fields_at(model: type[BaseModel], where: Sequence[str | int]) -> list[str]:
    """Field names, as written, of the model at a path."""
    current: type[BaseModel] | None = model
    for part in where:
        if isinstance(part, int) or current is None:
            continue
        field = next((f for f in current.model_fields.values() if part in (f.alias, f.validation_alias)), None)
        current = _model_in(field.annotation) if field else None
    return [f.alias or name for name, f in current.model_fields.items()] if current else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((inner for argument in get_args(annotation) if (inner := _model_in(argument))), None)
