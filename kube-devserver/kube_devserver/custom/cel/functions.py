"""What functions and operators there are: their overloads, declared as text, `string.charAt(int) string`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from kube_devserver.custom.cel import types as ty
from kube_devserver.custom.cel.types import Type, list_of, map_of, optional_of, param, type_of

LIBRARIES = (
    "operators",
    "conversions",
    "times",
    "texts",
    "lists",
    "optionals",
    "quantities",
    "addresses",
    "urls",
    "formats",
    "semvers",
)
COMPARABLE = ("int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes")
Table = Mapping[str, Callable[..., Any]]
_WORDS = {
    "dyn": ty.DYN, "null": ty.NULL, "bool": ty.BOOL, "int": ty.INT, "uint": ty.UINT, "double": ty.DOUBLE, "string": ty.STRING,
    "bytes": ty.BYTES, "duration": ty.DURATION, "timestamp": ty.TIMESTAMP, "type": ty.TYPE, "Quantity": ty.QUANTITY, "URL": ty.URL,
    "Format": ty.FORMAT, "Semver": ty.SEMVER, "IP": ty.IP, "CIDR": ty.CIDR,
}  # fmt: skip
_MAKERS: dict[str, Callable[..., Type]] = {"list": list_of, "map": map_of, "optional": optional_of, "type": type_of}


@dataclass(frozen=True)
class Overload:
    """One way to call a function: its name, what it takes (the target first), what it returns, and what it does."""

    name: str
    member: bool
    arguments: tuple[Type, ...]
    result: Type
    call: Callable[..., Any]

    @property
    def signature(self) -> str:
        """As it was declared, without the result: what costs are known by."""
        shown = list(map(str, self.arguments))
        head = f"{shown.pop(0)}." if self.member else ""
        return f"{head}{self.name}({', '.join(shown)})"


@cache
def functions() -> dict[str, list[Overload]]:
    """All of them, by name."""
    found: dict[str, list[Overload]] = {}
    for name in LIBRARIES:
        table: Table = import_module(f"kube_devserver.custom.cel.{name}").FUNCTIONS
        for text, call in table.items():
            overload = read_overload(text, call)
            found.setdefault(overload.name, []).append(overload)
    return found


def read_overload(text: str, call: Callable[..., Any]) -> Overload:
    """An overload from its declaration.

    >>> read_overload("list(T).slice(int, int) list(T)", len).signature
    'list(T).slice(int, int)'
    """
    reader = _Reader(text)
    target = reader.target()
    name = reader.name()
    arguments = reader.arguments()
    return Overload(
        name, target is not None, ((target,) if target is not None else ()) + arguments, reader.type(), call
    )


class _Reader:
    def __init__(self, text: str) -> None:
        self._rest = text

    def target(self) -> Type | None:
        before = self._rest
        found = self._try_type()
        if found is None or not self._rest.startswith("."):
            self._rest = before
            return None
        self._rest = self._rest[1:]
        return found

    def name(self) -> str:
        name, self._rest = self._rest.split("(", 1)
        return name

    def arguments(self) -> tuple[Type, ...]:
        found = []
        while not self._rest.startswith(")"):
            found.append(self.type())
            self._rest = self._rest.removeprefix(", ")
        self._rest = self._rest[1:]
        return tuple(found)

    def type(self) -> Type:
        self._rest = self._rest.lstrip()
        found = self._try_type()
        assert found is not None, self._rest
        return found

    def _try_type(self) -> Type | None:
        match = re.match(r"[A-Za-z]+", self._rest)
        if match is None:
            return None
        word, rest = match[0], self._rest[match.end() :]
        if word in _MAKERS and rest.startswith("("):
            self._rest = rest[1:]
            return _MAKERS[word](*self.arguments())
        if word in _WORDS or len(word) == 1:
            self._rest = rest
            return _WORDS.get(word) or param(word)
        return None


TYPE_NAMES: dict[str, Type] = {
    **{name: _WORDS[name] for name in ("bool", "int", "uint", "double", "string", "bytes")},
    "null_type": ty.NULL, "list": list_of(ty.DYN), "map": map_of(ty.DYN, ty.DYN), "type": ty.TYPE, "dyn": ty.DYN,
    "google.protobuf.Duration": ty.DURATION, "google.protobuf.Timestamp": ty.TIMESTAMP,
    "optional_type": optional_of(ty.DYN), "net.IP": ty.IP, "net.CIDR": ty.CIDR,
    "kubernetes.Quantity": ty.QUANTITY, "kubernetes.URL": ty.URL, "kubernetes.NamedFormat": ty.FORMAT, "kubernetes.Semver": ty.SEMVER,
}  # fmt: skip
