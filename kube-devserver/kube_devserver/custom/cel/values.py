"""Values of expressions that Python has no type of its own for; and when values are equal, or one less than the other.

An int is an `int`, a uint a `Uint`, a list a `list`, a map a `dict`, null is None.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any

from kube_devserver.custom.cel import types as ty
from kube_devserver.custom.cel.faults import EvalError, no_overload
from kube_devserver.custom.cel.types import Type

LEAST_INT, MOST_INT, MOST_UINT = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1
Address = IPv4Address | IPv6Address
Network = IPv4Interface | IPv6Interface  # an address and the length of its prefix


class Uint(int):
    """An unsigned integer."""


@dataclass(frozen=True, order=True)
class Duration:
    """A span of time, in nanoseconds."""

    ns: int


@dataclass(frozen=True, order=True)
class Timestamp:
    """A moment, in nanoseconds since 1970; the offset in which it was written, in seconds, says nothing but how to write it again."""

    ns: int
    offset_s: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Optional:
    """A value that may be absent."""

    value: Any = None
    present: bool = True


NONE = Optional(None, False)


@dataclass(frozen=True)
class Quantity:
    """An amount of Kubernetes.

    Args:
        value: exact.
        scale: the power of ten that Go counts it in, if it fits 64 bits.
        made: by adding or subtracting; Kubernetes then refuses it to the right of `==`.
    """

    value: Decimal
    scale: int | None = None
    made: bool = False


@dataclass(frozen=True)
class Url:
    """The parts of a URL."""

    scheme: str
    host: str
    path: str  # escaped
    query: str


@dataclass(frozen=True)
class Format:
    """A format that texts can be held against."""

    name: str
    faults: Callable[[str], list[str]]
    cost: int  # characters of a pattern that would do the same


@dataclass(frozen=True)
class Semver:
    """A semantic version."""

    numbers: tuple[int, int, int]
    pre: tuple[str, ...] = ()
    build: tuple[str, ...] = ()


@dataclass(frozen=True)
class Invalid:
    """What a field holds whose text is not of its format."""

    message: str

    def fail(self) -> Any:
        """It cannot be read."""
        raise EvalError(self.message)


class SetList(list[Any]):
    """A list whose order says nothing."""


class KeyedList(list[Any]):
    """A list of maps that are told apart by keys, whose order says nothing."""

    keys: tuple[str, ...] = ()


_TYPES: dict[type, Type] = {
    bool: ty.BOOL, int: ty.INT, Uint: ty.UINT, float: ty.DOUBLE, str: ty.STRING, bytes: ty.BYTES, type(None): Type("null", "null_type"),
    Duration: Type("duration", "google.protobuf.Duration"), Timestamp: Type("timestamp", "google.protobuf.Timestamp"),
    Type: ty.TYPE, Optional: Type(ty.OPAQUE, "optional_type"), Quantity: ty.QUANTITY, Url: ty.URL, Format: ty.FORMAT, Semver: ty.SEMVER,
    IPv4Address: ty.IP, IPv6Address: ty.IP, IPv4Interface: ty.CIDR, IPv6Interface: ty.CIDR,
    list: Type("list", "list"), SetList: Type("list", "list"), KeyedList: Type("list", "list"), dict: Type("map", "map"),
}  # fmt: skip


def type_of(value: Any) -> Type:
    """A value's type, without what it holds."""
    return _TYPES[type(value)]


def named_type(meant: Type) -> Type:
    """A type that is named in an expression, as `type_of` says it.

    >>> named_type(ty.list_of(ty.DYN)) == type_of([1]), named_type(ty.NULL) == type_of(None)
    (True, True)
    """
    plain = Type(meant.kind, meant.name)
    if plain.kind in (ty.STRUCT, ty.OPAQUE):
        return plain
    return next((each for each in _TYPES.values() if each.kind == plain.kind), plain)


def is_number(value: Any) -> bool:
    """Whether it is an int, a uint or a double."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def equal(one: Any, other: Any) -> bool:
    """Whether two values are equal; numbers of different types may be."""
    if type(one) is str and type(other) is str:
        return one == other
    if isinstance(one, str) or one is None:
        return type(other) is type(one) and bool(one == other)
    if is_number(one):
        return is_number(other) and bool(one == other)
    if isinstance(one, list):
        return isinstance(other, list) and _lists_equal(one, other)
    if isinstance(one, dict):
        if not isinstance(other, dict) or len(one) != len(other):
            return False
        return all(key in other and equal(value, other[key]) for key, value in one.items())
    if isinstance(one, Optional):
        if not isinstance(other, Optional):
            return False
        return one.present == other.present and equal(one.value, other.value)
    if isinstance(one, Quantity) and isinstance(other, Quantity):
        if other.made:
            raise no_overload()
        return one.value == other.value
    if isinstance(one, Semver) and isinstance(other, Semver):
        return (one.numbers, one.pre) == (other.numbers, other.pre)
    return type(one) is type(other) and bool(one == other)


def _lists_equal(one: list[Any], other: list[Any]) -> bool:
    if len(one) != len(other):
        return False
    if isinstance(one, SetList):
        try:
            return set(other) <= set(one)
        except TypeError:  # maps and lists are found by looking
            return all(any(equal(each, found) for found in one) for each in other)
    if isinstance(one, KeyedList):
        known = {key_of(each, one.keys): each for each in one}
        return all(equal(known.get(key_of(each, one.keys), NONE), each) for each in other)
    return all(map(equal, one, other))


def key_of(item: Any, keys: tuple[str, ...]) -> tuple[Any, ...]:
    """What an item of a keyed list is known by."""
    return tuple(item.get(key) for key in keys) if isinstance(item, dict) else (id(item),)


_COMPARABLE = (str, bytes, Duration, Timestamp, bool)


def compare(one: Any, other: Any) -> int:
    """-1, 0 or 1.

    Raises:
        EvalError: they have no order.
    """
    if (is_number(one) and is_number(other)) or (isinstance(one, _COMPARABLE) and type(one) is type(other)):
        if one != one or other != other:  # noqa: PLR0124 - NaN
            raise EvalError("NaN values cannot be ordered")
        return int(one > other) - int(one < other)
    raise no_overload()


def weigh(value: Any) -> int:
    """How much work it is to look at all of a value.

    >>> weigh([1, {"a": [2]}])
    7
    """
    if isinstance(value, dict):
        return 1 + sum(map(weigh, value.values())) + len(value)
    if isinstance(value, list):
        return 1 + len(value) + sum(weigh(each) for each in value if isinstance(each, dict | list))
    return len(value) // 64 + 1 if isinstance(value, str | bytes) else 1
