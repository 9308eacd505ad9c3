"""Pure: Kubernetes objects as plain dictionaries, and the few functions that all modules share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]


def labels_of(body: Mapping[str, Any]) -> Mapping[str, str]:
    """Return an object's labels; empty if it has none."""
    labels: Mapping[str, str] = body["metadata"].get("labels") or {}
    return labels


def status_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an object's status; empty before a controller has written it."""
    status: Mapping[str, Any] = body.get("status") or {}
    return status


def has_condition(body: Mapping[str, Any], kind: str) -> bool:
    """Return whether the condition of this type is True.

    >>> ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    >>> has_condition({"status": ready}, "Ready"), has_condition({}, "Ready")
    (True, False)
    """
    conditions = status_of(body).get("conditions") or ()
    return any(condition["type"] == kind and condition["status"] == "True" for condition in conditions)


def shorten(text: str, most: int) -> str:
    """Return a text of at most `most` characters; a longer one is cut and ends with an ellipsis.

    >>> shorten("refused", 10), shorten("refused", 4)
    ('refused', 'ref…')
    """
    return text if len(text) <= most else text[: most - 1] + "…"
