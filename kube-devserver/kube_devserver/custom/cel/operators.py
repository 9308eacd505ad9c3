"""Operators, and `size` and the few functions of text that belong to the language itself. After cel-go's common/stdlib."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from itertools import product
from typing import Any

from kube_devserver.custom.cel.faults import EvalError, no_overload
from kube_devserver.custom.cel.patterns import matches
from kube_devserver.custom.cel.values import (
    LEAST_INT,
    MOST_INT,
    MOST_UINT,
    NONE,
    Duration,
    KeyedList,
    Optional,
    SetList,
    Timestamp,
    Uint,
    compare,
    equal,
    key_of,
)

LEAST_TIME, MOST_TIME = -62135596800 * 10**9, 253402300799 * 10**9 + 999999999


def as_int(value: int) -> int:
    """An int, if it is in range.

    Raises:
        EvalError: it is not.
    """
    if not LEAST_INT <= value <= MOST_INT:
        raise EvalError("integer overflow")
    return value


def as_uint(value: int) -> Uint:
    """A uint, if it is in range."""
    if not 0 <= value <= MOST_UINT:
        raise EvalError("unsigned integer overflow")
    return Uint(value)


def as_duration(ns: int) -> Duration:
    """A duration, if it is in range."""
    if not LEAST_INT <= ns <= MOST_INT:
        raise EvalError("duration overflow")
    return Duration(ns)


def as_timestamp(ns: int, offset_s: int = 0) -> Timestamp:
    """A moment, if it is in the years 1 to 9999."""
    if not LEAST_TIME <= ns <= MOST_TIME:
        raise EvalError("timestamp overflow")
    return Timestamp(ns, offset_s)


def _quotient(one: int, other: int) -> int:
    """Towards zero, as in Go."""
    found = abs(one) // abs(other)
    return found if (one < 0) == (other < 0) else -found


def _divide(one: int, other: int) -> int:
    if other == 0:
        raise EvalError("division by zero")
    return _quotient(one, other)


def _modulo(one: int, other: int) -> int:
    if other == 0:
        raise EvalError("modulus by zero")
    return one - other * _quotient(one, other)


def _divide_doubles(one: float, other: float) -> float:
    if other != 0:
        return one / other
    return math.nan if one == 0 else math.copysign(math.inf, other) * one


def _checked(make: Callable[[int], Any], function: Callable[..., int]) -> Callable[..., Any]:
    return lambda *values: make(function(*values))


def add_lists(one: list[Any], other: list[Any]) -> list[Any]:
    """Two lists as one; of sets and keyed lists what is new, or replaces what has its key."""
    if isinstance(one, SetList):
        return SetList([*one, *(each for i, each in enumerate(other) if each not in one and each not in other[:i])])
    if isinstance(one, KeyedList):
        found = {key_of(each, one.keys): each for each in one} | {key_of(each, one.keys): each for each in other}
        merged = KeyedList(found.values())
        merged.keys = one.keys
        return merged
    return one + other


def _index_list(values: list[Any], at: Any) -> Any:
    if not 0 <= at < len(values):
        raise EvalError(f"index out of bounds: {at}")
    return values[int(at)]


def index_by_number(values: list[Any], at: float) -> Any:
    """An item of a list whose place is a number of another type than int."""
    if at != int(at):
        raise EvalError(f"unsupported index value {at} in list")
    return _index_list(values, int(at))


def _index_map(values: dict[Any, Any], key: Any) -> Any:
    try:
        return values[key]
    except (KeyError, TypeError) as error:
        raise EvalError(f"no such key: {key}") from error


def _optional_index(values: Any, at: Any) -> Optional:
    if isinstance(values, Optional):
        return _optional_index(values.value, at) if values.present else NONE
    found = 0 <= at < len(values) if isinstance(values, list) else at in values
    return Optional(values[at]) if found else NONE


def _in_list(value: Any, values: list[Any]) -> bool:
    if isinstance(value, str):
        return value in values
    return any(equal(value, each) for each in values)


def _unused(*_: Any) -> Any:
    raise no_overload()  # what is not strict is done in `run`


_ORDER = {"_<_": operator.lt, "_<=_": operator.le, "_>_": operator.gt, "_>=_": operator.ge}
_NUMBERS = ("int", "uint", "double")


def _ordered(name: str) -> dict[str, Callable[..., Any]]:
    holds = _ORDER[name]
    pairs = [(each, each) for each in ("bool", "int", "uint", "double", "string", "bytes", "timestamp", "duration")] + [
        pair for pair in product(_NUMBERS, _NUMBERS) if pair[0] != pair[1]
    ]
    return {f"{name}({one}, {other}) bool": lambda a, b: holds(compare(a, b), 0) for one, other in pairs}


def _arithmetic(name: str, function: Callable[..., int], doubles: Callable[..., float] | None) -> Any:
    found: dict[str, Callable[..., Any]] = {
        f"{name}(int, int) int": _checked(as_int, function),
        f"{name}(uint, uint) uint": _checked(as_uint, function),
    }
    return found | ({f"{name}(double, double) double": doubles} if doubles is not None else {})


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "_?_:_(bool, A, A) A": _unused, "_&&_(bool, bool) bool": _unused, "_||_(bool, bool) bool": _unused,
    "@not_strictly_false(bool) bool": _unused, "!_(bool) bool": operator.not_,
    "_==_(A, A) bool": equal, "_!=_(A, A) bool": lambda a, b: not equal(a, b),
    "_+_(bytes, bytes) bytes": operator.add, "_+_(string, string) string": operator.add, "_+_(list(A), list(A)) list(A)": add_lists,
    "_+_(duration, duration) duration": lambda a, b: as_duration(a.ns + b.ns),
    "_+_(duration, timestamp) timestamp": lambda a, b: as_timestamp(a.ns + b.ns, b.offset_s),
    "_+_(timestamp, duration) timestamp": lambda a, b: as_timestamp(a.ns + b.ns, a.offset_s),
    "_-_(duration, duration) duration": lambda a, b: as_duration(a.ns - b.ns),
    "_-_(timestamp, duration) timestamp": lambda a, b: as_timestamp(a.ns - b.ns, a.offset_s),
    "_-_(timestamp, timestamp) duration": lambda a, b: as_duration(a.ns - b.ns),
    **_arithmetic("_+_", operator.add, operator.add), **_arithmetic("_-_", operator.sub, operator.sub),
    **_arithmetic("_*_", operator.mul, operator.mul), **_arithmetic("_/_", _divide, _divide_doubles),
    **_arithmetic("_%_", _modulo, None),
    "-_(int) int": _checked(as_int, operator.neg), "-_(double) double": operator.neg,
    **{text: call for name in _ORDER for text, call in _ordered(name).items()},
    "_[_](list(A), int) A": _index_list, "_[_](map(A, B), A) B": _index_map,
    "_[_](optional(list(V)), int) optional(V)": _optional_index, "_[_](optional(map(K, V)), K) optional(V)": _optional_index,
    "_[?_](list(V), int) optional(V)": _optional_index, "_[?_](optional(list(V)), int) optional(V)": _optional_index,
    "_[?_](map(K, V), K) optional(V)": _optional_index, "_[?_](optional(map(K, V)), K) optional(V)": _optional_index,
    "@in(A, list(A)) bool": _in_list, "@in(A, map(A, B)) bool": lambda key, values: key in values,
    **{f"size({kind}) int": len for kind in ("bytes", "list(A)", "map(A, B)", "string")},
    **{f"{kind}.size() int": len for kind in ("bytes", "list(A)", "map(A, B)", "string")},
    "string.contains(string) bool": lambda text, part: part in text, "string.endsWith(string) bool": str.endswith,
    "string.startsWith(string) bool": str.startswith,
    "matches(string, string) bool": matches, "string.matches(string) bool": matches,
}  # fmt: skip
