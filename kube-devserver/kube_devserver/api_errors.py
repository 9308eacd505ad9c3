"""Errors of requests in Kubernetes' words: exceptions that carry the `Status` object of the answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kube_devserver.errors import DevServerError


class StatusError(DevServerError):
    """A request that is answered with a `Status` of failure.

    Args:
        code: of HTTP.
        reason: one of Kubernetes' reasons, as NotFound.
        message: for people.
        details: name, group, kind, causes, retryAfterSeconds.
    """

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.details = code, reason, details

    def body(self) -> dict[str, Any]:
        """The `Status` object."""
        found: dict[str, Any] = {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": str(self),
            "reason": self.reason,
        }  # fmt: skip
        if not self.reason:
            del found["reason"]
        if self.details is not None:
            found["details"] = self.details
        return found | {"code": self.code}


@dataclass(frozen=True)
class Cause:
    """One error of one field, as k8s.io/apimachinery's field.Error."""

    field: str
    reason: str  # FieldValueRequired, FieldValueInvalid, ...
    text: str


def named(group: str, plural: str) -> str:
    """`deployments.apps`, or `pods`."""
    return f"{plural}.{group}" if group else plural


def _details(group: str, kind: str, name: str = "") -> dict[str, Any]:
    return {key: value for key, value in (("name", name), ("group", group), ("kind", kind)) if value}


def not_found(group: str, plural: str, name: str) -> StatusError:
    """404: an object does not exist."""
    text = f"{named(group, plural)} {show(name)} not found"
    return StatusError(404, "NotFound", text, _details(group, plural, name))


def no_path() -> StatusError:
    """404: nothing serves a path."""
    return StatusError(404, "NotFound", "the server could not find the requested resource", {})


def no_method() -> StatusError:
    """405: the resource does not support the method."""
    text = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", text, {})


def already_exists(group: str, plural: str, name: str, is_going: bool = False) -> StatusError:
    """409: a create found the name in use."""
    state = "object is being deleted: " if is_going else ""
    message = f"{state}{named(group, plural)} {show(name)} already exists"
    return StatusError(409, "AlreadyExists", message, _details(group, plural, name))


IMMUTABLE = "field is immutable"
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(group: str, plural: str, name: str, why: str = MODIFIED) -> StatusError:
    """409: a precondition does not hold."""
    message = f"Operation cannot be fulfilled on {named(group, plural)} {show(name)}: {why}"
    return StatusError(409, "Conflict", message, _details(group, plural, name))


def apply_conflict(causes: Sequence[tuple[str, str]]) -> StatusError:
    """409: a server-side apply conflicts; `causes` are sorted pairs of manager and field."""
    managers = sorted({manager for manager, _ in causes})
    if len(causes) == 1:
        message = f"Apply failed with 1 conflict: conflict with {causes[0][0]}: {causes[0][1]}"
    else:
        lines = []
        for manager in managers:
            fields = [field for who, field in causes if who == manager]
            lines += [f"conflicts with {manager}:" if len(fields) > 1 else f"conflict with {manager}:"]
            lines += [f"- {field}" for field in fields]
        message = f"Apply failed with {len(causes)} conflicts: " + "\n".join(lines)
    details = {
        "causes": [
            {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": field}
            for manager, field in causes
        ]
    }
    return StatusError(409, "Conflict", message, details)


def invalid(group: str, kind: str, name: str, causes: Iterable[Cause]) -> StatusError:
    """422: an object is not valid; all errors are reported at once."""
    found = list(causes)
    # The message repeats no text, the causes may.
    texts = list(dict.fromkeys(f"{c.field}: {c.text}" if c.field else c.text for c in found))
    what = f"{named(group, kind) if group else kind} {show(name)} is invalid"
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details = _details(group, kind, name)
    details["causes"] = [
        {k: v for k, v in (("reason", c.reason), ("message", c.text), ("field", c.field)) if v} for c in found
    ]
    return StatusError(422, "Invalid", f"{what}: {joined}", details)


def bad_request(message: str) -> StatusError:
    """400: a request cannot be understood."""
    return StatusError(400, "BadRequest", message)


def expired(message: str) -> StatusError:
    """410: a version is too old; the client has to list again."""
    return StatusError(410, "Expired", message)


def too_large_version(version: int, current: int) -> StatusError:
    """504: a version does not exist yet."""
    details = {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }
    text = f"Timeout: Too large resource version: {version}, current: {current}"
    return StatusError(504, "Timeout", text, details)


def forbidden(group: str, plural: str, name: str, why: str) -> StatusError:
    """403: a request is not allowed."""
    text = f"{named(group, plural)} {show(name)} is forbidden: {why}"
    return StatusError(403, "Forbidden", text, _details(group, plural, name))


def terminating(group: str, plural: str, namespace: str) -> StatusError:
    """403: a create in a namespace that is being deleted."""
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    error = forbidden(group, plural, "", why)
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    error.details = (error.details or {}) | {"causes": [cause]}
    return error


def unsupported(content: str, accepted: Iterable[str]) -> StatusError:
    """415: a media type is not supported."""
    known = ", ".join(accepted)
    message = f"the body of the request was in an unknown format - accepted media types include: {known}"
    return StatusError(415, "UnsupportedMediaType", message)


# ------------------------------------------------------------------ causes


def required(field: str, detail: str = "") -> Cause:
    """A field is missing."""
    return Cause(field, "FieldValueRequired", f"Required value: {detail}" if detail else "Required value")


def wrong(field: str, value: Any, detail: str) -> Cause:
    """A value is not acceptable."""
    return Cause(field, "FieldValueInvalid", f"Invalid value: {show(value)}: {detail}")


def prohibited(field: str, detail: str) -> Cause:
    """A field must not be set or changed."""
    return Cause(field, "FieldValueForbidden", f"Forbidden: {detail}")


def unsupported_value(field: str, value: Any, allowed: Iterable[Any]) -> Cause:
    """A value is not one of the allowed ones."""
    names = ", ".join(show(each) for each in allowed)
    text = f"Unsupported value: {show(value)}: supported values: {names}"
    return Cause(field, "FieldValueNotSupported", text)


def show(value: Any) -> str:
    """A value as Go's messages show it."""
    if value is None:
        return "null"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if isinstance(value, str) else _plain(text)


def _plain(text: str) -> str:
    """JSON as Go writes it: with the characters of HTML escaped."""
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
