"""What a call has cost, once its arguments are there. After cel-go's interpreter/runtimecost.go and k8s.io/apiserver's library/cost.go."""

from __future__ import annotations

import math
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any

from kube_devserver.custom.cel.callcosts import PATTERN, TEXT
from kube_devserver.custom.cel.functions import Overload
from kube_devserver.custom.cel.types import Type
from kube_devserver.custom.cel.values import Optional, weigh

PER_CALL = 1_000_000  # the most that one expression may cost; Kubernetes' own
# parts of values that are looked at meanwhile: comparing large ones costs next to nothing otherwise
MOST_WORK = 2_000_000
Cost = Callable[[list[Any], Any], int]
_SIZES: dict[type, int] = {IPv4Address: 4, IPv4Interface: 4, IPv6Address: 16, IPv6Interface: 16}


def size(value: Any) -> int:
    """Of what has a length that; 1 of everything else."""
    if isinstance(value, str | bytes | list | dict):
        return len(value)
    if isinstance(value, Optional) and value.present:
        return size(value.value)
    return _SIZES.get(type(value), 1)


def cost_of(overload: Overload) -> Cost | None:
    """How the cost of a call is found; None if it is always 1."""
    return _BY_SIGNATURE.get(overload.signature) or _BY_NAME.get(overload.name)


def foreseen(name: str) -> Callable[[list[Any]], int] | None:
    """What a call is going to cost at least, if that could be too much to begin it at all."""
    if name not in ("sort", "@sortByAssociatedKeys", "distinct"):
        return None
    return lambda values: size(values[-1]) ** 2 * 2


def work_of(name: str, types: list[Type]) -> Callable[[list[Any]], int] | None:
    """How many parts of values a call looks at; None if they are few, or paid for by its cost."""
    if name not in _HEAVY or all(each.kind in _LIGHT for each in types):
        return None
    times = 10 if name == "format" else 1
    return lambda values: times * sum(weigh(each) for each in values if isinstance(each, list | dict))


def _ceil(number: float) -> int:
    return math.ceil(number)


def _text(factor: float = TEXT) -> Cost:
    return lambda values, _: _ceil(size(values[0]) * factor)


def _smaller(values: list[Any], _: Any) -> int:
    return _ceil(min(size(values[0]), size(values[1])) * TEXT)


def _both(values: list[Any], _: Any) -> int:
    return _ceil((size(values[0]) + size(values[1])) * TEXT)


def _pattern(values: list[Any], _: Any) -> int:
    return _ceil((1 + size(values[0])) * TEXT) * _ceil(size(values[1]) * PATTERN)


def _contains(values: list[Any], _: Any) -> int:
    return _ceil(size(values[0]) * TEXT) * _ceil(size(values[1]) * TEXT)


def _validated(values: list[Any], _: Any) -> int:
    return _ceil((1 + size(values[1])) * TEXT) * _ceil(values[0].cost * PATTERN)


def _traversed(value: Any) -> int:
    if isinstance(value, str | bytes):
        return int(len(value) * TEXT)
    if isinstance(value, list):
        return sum(map(_traversed, value))
    if isinstance(value, dict):
        return sum(_traversed(key) + _traversed(each) for key, each in value.items())
    return 1


def _compared(values: list[Any], _: Any) -> int:
    keys = values[-1]
    factor = 2 + (TEXT if keys and isinstance(keys[0], str | bytes) else 0)
    return int(len(keys) ** 2 * factor) + 11


def _inside(network: bool) -> Cost:
    def cost(values: list[Any], _: Any) -> int:
        own, other = size(values[0]), values[1]
        found = _ceil(2 * own * TEXT) + (_ceil(own * TEXT) + 1 if network else 0)
        return found + (_ceil(size(other) * TEXT) if isinstance(other, str) else 0)

    return cost


def _sets(factor: int) -> Cost:
    return lambda values, _: 1 + size(values[0]) * size(values[1]) * factor


_LIGHT = ("string", "bytes", "int", "bool", "double", "uint", "duration", "timestamp", "null", "type")
_HEAVY = (
    "_==_", "_!=_", "@in", "_+_", "sets.contains", "sets.intersects", "sets.equivalent", "indexOf", "lastIndexOf", "distinct", "flatten",
    "reverse", "slice", "format", "join", "isSorted", "sum", "min", "max", "optional.ofNonZeroValue",
)  # fmt: skip
_ORDERED = [f"{name}({kind}, {kind})" for name in ("_<_", "_<=_", "_>_", "_>=_") for kind in ("string", "bytes")]
_BY_SIGNATURE: dict[str, Cost] = {
    **dict.fromkeys(["string.startsWith(string)", "string.endsWith(string)", "bytes(string)", "string(bytes)", "strings.quote(string)",
                     "string.format(list(dyn))"], _text()),
    **dict.fromkeys([*_ORDERED, "_==_(A, A)", "_!=_(A, A)"], _smaller), "@in(A, list(A))": lambda values, _: size(values[1]),
    "_+_(string, string)": _both, "_+_(bytes, bytes)": _both, "string.matches(string)": _pattern, "matches(string, string)": _pattern,
    "string.contains(string)": _contains, "sets.contains(list(T), list(T))": _sets(1), "sets.intersects(list(T), list(T))": _sets(1),
    "sets.equivalent(list(T), list(T))": _sets(2), "net.CIDR.ip()": lambda values, _: 1,
}  # fmt: skip
_BY_NAME: dict[str, Cost] = {
    **dict.fromkeys(["url", "lowerAscii", "upperAscii", "substring", "trim", "cidr", "isIP", "isCIDR", "ip", "quantity", "isQuantity",
                     "semver", "isSemver"], _text()),
    **dict.fromkeys(["replace", "split", "ip.isCanonical"], _text(2 * TEXT)),
    **dict.fromkeys(["isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"], lambda values, _: _traversed(values[0])),
    **dict.fromkeys(["slice", "lists.range", "reverse"], lambda _, result: size(result) + 11),
    **dict.fromkeys(["distinct", "sort", "@sortByAssociatedKeys"], _compared),
    "flatten": lambda values, _: int(size(values[0]) * (values[1] if len(values) > 1 else 1)) + 11,
    "join": lambda _, result: _ceil(size(result) * 2 * TEXT), "find": _pattern, "findAll": _pattern, "validate": _validated,
    "containsIP": _inside(False), "containsCIDR": _inside(True),
}  # fmt: skip
