"""Makes answers of two servers comparable: values that differ by nature get names."""

from __future__ import annotations

import re
from typing import Any

_UID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CLUSTER_ADDRESS = re.compile(r"^10\.96\.\d+\.\d+$")
_AGE = re.compile(r"^\d+s$")
_SHOWN = re.compile(r'Invalid value: "(\{.*\}|map\[.*\])": ')
_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")


class Plain:
    """Makes answers of one server comparable: what may differ by nature gets a name by the order of its
    appearance.
    """

    def __init__(self) -> None:
        self._names: dict[str, dict[str, str]] = {}

    def name(self, kind: str, value: str) -> str:
        """The same value, the same name."""
        known = self._names.setdefault(kind, {})
        return known.setdefault(value, f"<{kind} {len(known)}>")

    def __call__(self, value: Any, key: str = "") -> Any:
        """The value with names."""
        if isinstance(value, dict):
            return {each: self(value[each], each) for each in sorted(value)}
        if key == "managedFields" and isinstance(value, list):  # controllers write when they come to it
            value = [each for each in value if each.get("manager") != "kube-controller-manager"]
            # their order is that of their times, and a second may end between two writes on one server only
            value.sort(
                key=lambda each: [
                    str(each.get(name)) for name in ("operation", "manager", "subresource", "apiVersion")
                ]
            )
        if isinstance(value, list):
            return [self(each, key) for each in value]
        if not isinstance(value, str):
            return value
        if key == "uid" and value:
            return self.name("uid", value)
        if key == "token" and value:
            return "<token>"
        if key == "resourceVersion" and value:
            return "<version>"
        if _TIME.match(value):
            return "<time>"
        if key == "cells" and _AGE.match(value):
            return "<age>"
        if _CLUSTER_ADDRESS.match(value):
            return self.name("address", value)
        value = _SHOWN.sub('Invalid value: "<object>": ', value)  # whole, in the order of a Go struct or map
        return _UID.sub(lambda match: self.name("uid", match[0]), value)
