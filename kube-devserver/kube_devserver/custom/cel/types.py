"""Types of expressions, how they are written, and which of them fit each other. After cel-go's checker/types.go."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Type:
    """A type: its kind, its name, and the types that it is made of."""

    kind: str
    name: str
    params: tuple[Type, ...] = ()

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        return self.name + (f"({', '.join(map(str, self.params))})" if self.params else "")

    @cached_property
    def is_concrete(self) -> bool:
        """Whether nothing of it is only known when it is there."""
        return self.kind not in (DYN.kind, ERROR.kind, PARAM) and all(each.is_concrete for each in self.params)


PARAM, STRUCT, OPAQUE = "param", "struct", "opaque"


def _simple(name: str) -> Type:
    return Type(name, name)


DYN, NULL, BOOL, INT, UINT, DOUBLE, STRING, BYTES = map(
    _simple, ("dyn", "null", "bool", "int", "uint", "double", "string", "bytes")
)
DURATION = Type("duration", "duration")
TIMESTAMP = Type("timestamp", "timestamp")
ERROR = Type("error", "!error!")
TYPE = Type("type", "type")
QUANTITY, URL, FORMAT, SEMVER = (
    Type(STRUCT, f"kubernetes.{name}") for name in ("Quantity", "URL", "NamedFormat", "Semver")
)
IP, CIDR = Type(OPAQUE, "net.IP"), Type(OPAQUE, "net.CIDR")
_NULLABLE = (OPAQUE, STRUCT, "duration", "timestamp")


def list_of(element: Type) -> Type:
    """A list's."""
    return Type("list", "list", (element,))


def map_of(key: Type, value: Type) -> Type:
    """A map's."""
    return Type("map", "map", (key, value))


def optional_of(value: Type) -> Type:
    """An optional value's."""
    return Type(OPAQUE, "optional_type", (value,))


def param(name: str) -> Type:
    """One that stands for any other."""
    return Type(PARAM, name)


def type_of(meant: Type) -> Type:
    """That of a type."""
    return Type("type", "type", (meant,))


def is_optional(found: Type) -> bool:
    """Whether it is an optional value's."""
    return found.kind == OPAQUE and found.name == "optional_type"


def unwrapped(found: Type) -> tuple[Type, bool]:
    """What an optional value would be, and whether it is one."""
    return (found.params[0], True) if is_optional(found) else (found, False)


class Bindings:
    """What type parameters stand for so far."""

    def __init__(self) -> None:
        self._found: dict[Type, Type] = {}
        self._fresh = 0

    def fresh(self) -> Type:
        """A new parameter."""
        self._fresh += 1
        return param(f"_var{self._fresh - 1}")

    def renamed(self, found: tuple[Type, ...]) -> tuple[Type, ...]:
        """Types with parameters of their own."""
        names: dict[Type, Type] = {}

        def rename(each: Type) -> Type:
            if each.kind == PARAM:
                return names.setdefault(each, self.fresh()) if each not in names else names[each]
            return Type(each.kind, each.name, tuple(map(rename, each.params))) if each.params else each

        return tuple(map(rename, found))

    def fits(self, wanted: tuple[Type, ...], given: tuple[Type, ...]) -> bool:
        """Whether types may stand in each other's place; if they may, parameters are bound by it."""
        before = dict(self._found)
        if self._all_fit(wanted, given):
            return True
        self._found = before
        return False

    def resolve(self, found: Type, dyn: bool = False) -> Type:
        """A type with what its parameters stand for; with `dyn` nothing of it stays open."""
        if found in self._found:
            return self.resolve(self._found[found], dyn)
        if found.kind == PARAM:
            return DYN if dyn else found
        if not found.params:
            return found
        return Type(found.kind, found.name, tuple(self.resolve(each, dyn) for each in found.params))

    def _all_fit(self, one: tuple[Type, ...], other: tuple[Type, ...]) -> bool:
        return len(one) == len(other) and all(map(self._fits, one, other))

    def _fits(self, one: Type, other: Type) -> bool:
        if other.kind == PARAM:
            bound = self._bind(one, other)
            if bound is not None:
                return bound
        if one.kind == PARAM:
            return bool(self._bind(other, one, final=True))
        if {one.kind, other.kind} & {DYN.kind, ERROR.kind}:
            return True
        if NULL in (one, other):
            against = other if one == NULL else one
            return against == NULL or against.kind in _NULLABLE
        if one.kind == "type":
            return other.kind == "type"
        return one.kind == other.kind and one.name == other.name and self._all_fit(one.params, other.params)

    def _bind(self, found: Type, parameter: Type, final: bool = False) -> bool | None:
        """Let a parameter stand for a type; None if it cannot, but the two may fit otherwise."""
        if found == parameter:
            return True
        before = self._found.get(parameter)
        if before is not None:
            if before == found:
                return True
            if not self._fits(found, before):
                return False
            general = found if less_specific(found, before) else before
            if self._is_free(parameter, general):
                self._found[parameter] = general
            return True
        if self._is_free(parameter, found):
            self._found[parameter] = found
            return True
        return False if final else None

    def _is_free(self, parameter: Type, within: Type) -> bool:
        if parameter == within:
            return False
        if within.kind == PARAM:
            return within not in self._found or self._is_free(parameter, self._found[within])
        return all(self._is_free(parameter, each) for each in within.params)


def less_specific(one: Type, other: Type) -> bool:
    """Whether a type is the other one, or says less.

    >>> less_specific(list_of(DYN), list_of(INT)), less_specific(INT, DYN)
    (True, False)
    """
    if one.kind in (DYN.kind, PARAM):
        return True
    if other.kind in (DYN.kind, PARAM) or one.kind != other.kind:
        return False
    if one.kind == "type":
        return True
    return (
        one.name == other.name
        and len(one.params) == len(other.params)
        and all(map(less_specific, one.params, other.params))
    )
