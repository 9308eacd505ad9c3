"""The `fieldPath` of a rule, as `.spec.names['a.b']`. After apiextensions' ValidFieldPath."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kube_devserver.errors import DevServerError

_PART = re.compile(r"\.([^.\[\]]+)|\['((?:[^'\\]|\\.)*)'\]", re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "'": "'", "\\": "\\"}


class PathError(DevServerError):
    """The schema has no field at this path."""


def normalized(path: str, schema: Mapping[str, Any]) -> str:
    """A path as the causes of an error write it.

    Args:
        path: the rule's fieldPath.
        schema: that has the rule.

    Raises:
        PathError: the schema has no field at this path.

    >>> normalized(".a['b-c']", {"properties": {"a": {"additionalProperties": {"type": "string"}}}})
    'a[b-c]'
    """
    found, at, here = "", 0, schema
    while at < len(path):
        match = _PART.match(path, at)
        if match is None:
            raise PathError(path)
        name = match[1] if match[1] is not None else _unescape(match[2])
        more = here.get("additionalProperties")
        if here.get("properties"):
            if name not in here["properties"]:
                raise PathError(path)
            here = here["properties"][name]
            found += f".{name}" if found else name
        elif isinstance(more, Mapping):
            here = more
            found += f"[{name}]"
        else:
            raise PathError(path)
        at = match.end()
    return found


def _unescape(text: str) -> str:
    def replace(match: re.Match[str]) -> str:
        if match[1] not in _ESCAPES:
            raise PathError(text)
        return _ESCAPES[match[1]]

    return re.sub(r"\\(.)", replace, text, flags=re.DOTALL)
