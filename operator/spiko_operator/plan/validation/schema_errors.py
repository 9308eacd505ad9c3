"""Pure: findings from the errors of the pydantic models."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from spiko_operator.api.architecture import KIND as ARCHITECTURE
from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.api.common import ARCHITECTURE_NAME_PATTERN, MAX_ARCHITECTURE_NAME
from spiko_operator.api.fault import FaultSpec
from spiko_operator.plan.validation.findings import Finding, found, nearest, shorten

_TOP_LEVEL = {"apiVersion", "kind", "metadata", "spec", "status"}
_TYPES = {
    "int": "an integer",
    "string": "a string (quote it if it looks like a number)",
    "bool": "true or false",
    "list": "a list",
    "model": "an object",
    "dict": "an object",
}
_OBJECT_NAME = "use lower-case letters, digits, - and . only, starting and ending with a letter or digit"
_FORMS = {
    "otlpEndpoint": "use http://HOST:PORT or https://HOST:PORT with a port from 1 to 65535, optionally with "
    "a path",
    "priorityClassName": _OBJECT_NAME,
    "otlpSecretName": _OBJECT_NAME,
}
_LABEL_MAPS = frozenset({"labels", "nodeSelector"})
_NAME_FIELDS = ("name", "architecture", "tier", "victim")
_RANGE_ERRORS = ("greater_than_equal", "less_than_equal", "greater_than", "less_than", "int_parsing_size")
_LENGTH_ERRORS = ("string_too_long", "too_long", "string_too_short", "too_short")


def name_findings(document: Mapping[str, Any], kind: str) -> list[Finding]:
    """Return the findings about the object's name and its top-level fields."""
    findings = [
        found("UnknownField", str(key), None, f"unknown field {shorten(key)}", nearest(str(key), _TOP_LEVEL))
        for key in document
        if key not in _TOP_LEVEL
    ]
    metadata = document.get("metadata")
    if isinstance(metadata, Mapping) and metadata.get("name") is not None:
        findings += _object_name(metadata["name"], kind)
    elif not (isinstance(metadata, Mapping) and metadata.get("generateName")):
        findings.append(found("MissingField", "metadata.name", None, "metadata.name is required"))
    if isinstance(metadata, Mapping) and metadata.get("namespace") is not None:
        findings += _namespace(metadata["namespace"])
    return findings


def _namespace(name: Any) -> Iterator[Finding]:
    path = "metadata.namespace"
    if not isinstance(name, str):
        yield found("WrongType", path, name, f"{shorten(name)}: must be {_TYPES['string']}")
    elif not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?|", name):
        text = f"{shorten(name)}: must have at most 63 lower-case letters, digits and - only"
        yield found("BadName", path, name, text, "use the name of a namespace")


def _object_name(name: Any, kind: str) -> Iterator[Finding]:
    path = "metadata.name"
    if not isinstance(name, str):
        yield found("WrongType", path, name, f"{shorten(name)}: must be {_TYPES['string']}")
    elif kind == ARCHITECTURE and len(name) > MAX_ARCHITECTURE_NAME:
        text = f"{shorten(name)}: {len(name)} characters, must have at most {MAX_ARCHITECTURE_NAME}"
        yield found("BadObjectName", path, name, text)
    elif kind == ARCHITECTURE and not re.fullmatch(ARCHITECTURE_NAME_PATTERN, name):
        text = f"{shorten(name)}: must have lower-case letters, digits and - only, and start with a letter"
        yield found("BadObjectName", path, name, text)
    elif not re.fullmatch(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", name):
        text = f"{shorten(name)}: must have lower-case letters, digits, - and . only"
        yield found("BadObjectName", path, name, text, "use a-z, 0-9, - and .")


def shape_findings(document: Mapping[str, Any], kind: str) -> list[Finding]:
    """Return the findings about single fields of the spec."""
    spec = document.get("spec")
    if spec is None:
        return [found("MissingField", "spec", None, "spec is required")]
    model: type[BaseModel] = ArchitectureSpec if kind == ARCHITECTURE else FaultSpec
    try:
        # In JSON, since the strict models accept the values of an enum from JSON only.
        text = json.dumps(spec, default=str)
        model.model_validate_json(text, strict=True)
    except ValidationError as error:
        return [_translate(item, model) for item in error.errors(include_url=False)]
    except (ValueError, TypeError, RecursionError) as error:
        return [found("WrongType", "spec", None, f"the spec is not readable: {str(error)[:200]}")]
    return []


def render_path(parts: Sequence[str | int]) -> str:
    """Return a path in the notation of kubectl.

    >>> render_path(["spec", "services", 2, "count"])
    'spec.services[2].count'
    >>> render_path(["spec", "runtime", "nodeSelector", "kubernetes.io/arch"])
    'spec.runtime.nodeSelector[kubernetes.io/arch]'
    """
    text = ""
    for part in parts:
        is_bare = isinstance(part, str) and "." not in part and "/" not in part
        text += f"[{part}]" if not is_bare else f".{part}" if text else str(part)
    return text


def _translate(error: Mapping[str, Any], model: type[BaseModel]) -> Finding:
    """Return the finding for one error of pydantic."""
    path = render_path(["spec", *error["loc"]])
    kind, context, value = str(error["type"]), error.get("ctx") or {}, error.get("input")
    field = error["loc"][-1] if error["loc"] else "spec"
    if kind == "extra_forbidden":
        suggestion = nearest(str(field), _fields_at(model, error["loc"][:-1]))
        return found("UnknownField", path, value, f"unknown field {shorten(field)}", suggestion)
    if kind == "missing":
        return found("MissingField", path, None, f"{field} is required")
    if kind in _RANGE_ERRORS:
        limit = next(iter(context.values()), "")
        word = "at least" if kind.startswith("greater") else "at most"
        return found("OutOfRange", path, value, f"{shorten(value)}: must be {word} {limit}")
    if kind in _LENGTH_ERRORS:
        return _length(kind, path, value, context)
    if kind == "string_pattern_mismatch" and _LABEL_MAPS.intersection(error["loc"][-2:-1]):
        text = f"{shorten(value)}: not a valid label value"
        hint = "use letters, digits, -, _ and ., starting and ending with a letter or digit"
        return found("BadName", path, value, text, hint)
    if kind == "string_pattern_mismatch":
        hint = "" if field in _NAME_FIELDS else f"it must match {context.get('pattern')}"
        text = f"{shorten(value)}: not a valid {'name' if field in _NAME_FIELDS else field}"
        return found("BadName", path, value, text, _FORMS.get(str(field), hint))
    if kind in ("enum", "literal_error"):
        return _unknown_value(path, value, str(context.get("expected", "")).replace("'", ""))
    allowed = next((text for word, text in _TYPES.items() if kind.startswith(word)), "of another type")
    return found("WrongType", path, value, f"{shorten(value)}: must be {allowed}")


def _length(kind: str, path: str, value: Any, context: Mapping[str, Any]) -> Finding:
    limit = context.get("max_length", context.get("min_length"))
    size = len(value) if isinstance(value, str | list | dict) else context.get("actual_length", "?")
    unit = "characters" if kind.startswith("string") else "entries"
    word = "at most" if kind.endswith("long") else "at least"
    return found("TooLong", path, value, f"{size} {unit}: must have {word} {limit}")


def _unknown_value(path: str, value: Any, allowed: str) -> Finding:
    suggestion = nearest(str(value), re.split(r", | or ", allowed))
    if value is False and "Off" in allowed:
        suggestion = 'YAML reads a bare Off as false: write "Off"'
    return found("UnknownValue", path, value, f"{shorten(value)}: must be {allowed}", suggestion)


def _fields_at(model: type[BaseModel], where: Sequence[str | int]) -> list[str]:
    """Return the JSON names of the fields of the model at a path."""
    current: type[BaseModel] | None = model
    for part in where:
        if isinstance(part, int) or current is None:
            continue
        field = next(
            (f for f in current.model_fields.values() if part in (f.alias, f.validation_alias)), None
        )
        current = _model_in(field.annotation) if field else None
    return [f.alias or name for name, f in current.model_fields.items()] if current else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((inner for argument in get_args(annotation) if (inner := _model_in(argument))), None)
