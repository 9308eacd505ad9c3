"""The `fieldPath` of a rule: `.spec.names['a.b']`, which must lead to a field of the schema. After apiextensions' ValidFieldPath."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_PART = re.compile(r"\.([^.\[\]]+)|\['((?:[^'\\]|\\.)*)'\]", re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "'": "'", "\\": "\\"}


class PathError(Exception):
    """It leads nowhere."""


def normalized(path: str, schema: Mapping[str, Any]) -> str:
    """A path as causes name it.

    Args:
        path: of a rule.
        schema: that the rule belongs to.

    Raises:
        PathError: it leads to no field.

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
