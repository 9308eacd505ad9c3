"""Lists and sets: sorting, sums, slices, what is in what. After k8s.io/apiserver's and cel-go's libraries of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cmp_to_key
from itertools import pairwise
from typing import Any

from kube_devserver.custom.cel.faults import CostError, EvalError
from kube_devserver.custom.cel.functions import COMPARABLE
from kube_devserver.custom.cel.operators import as_duration, as_int, as_uint
from kube_devserver.custom.cel.values import Duration, Uint, compare, equal, type_of

MOST_ITEMS = 1_000_000  # of a list that an expression makes at once


def _least(name: str, sign: int) -> Callable[[list[Any]], Any]:
    def find(values: list[Any]) -> Any:
        if not values:
            raise EvalError(f"{name} called on empty list")
        found = values[0]
        for each in values[1:]:
            if _order(found, each) == sign:
                found = each
        return found

    return find


def _order(one: Any, other: Any) -> int:
    """As `compare`; what has no order is in the right one, as in Kubernetes."""
    try:
        return compare(one, other)
    except EvalError:
        return 0


def _is_sorted(values: list[Any]) -> bool:
    return all(_order(one, other) <= 0 for one, other in pairwise(values))


def _sum_ints(values: list[int]) -> int:
    found = 0
    for each in values:
        found = as_int(found + each)
    return found


def _sum_uints(values: list[int]) -> Uint:
    return as_uint(sum(values))


def _sum_durations(values: list[Duration]) -> Duration:
    return as_duration(sum(each.ns for each in values))


def _index(values: list[Any], wanted: Any) -> int:
    return next((i for i, each in enumerate(values) if equal(each, wanted)), -1)


def _last_index(values: list[Any], wanted: Any) -> int:
    return next((i for i in range(len(values) - 1, -1, -1) if equal(values[i], wanted)), -1)


def _slice(values: list[Any], start: int, end: int) -> list[Any]:
    call = f"cannot slice({start}, {end}), "
    if start < 0 or end < 0:
        raise EvalError(f"{call}negative indexes not supported")
    if start > end:
        raise EvalError(f"{call}start index must be less than or equal to end index")
    if end > len(values):
        raise EvalError(f"{call}list is length {len(values)}")
    return list(values[start:end])


def _flatten(values: list[Any], depth: int = 1) -> list[Any]:
    if depth < 0:
        raise EvalError("level must be non-negative")
    found: list[Any] = []
    for each in values:
        found += _flatten(each, depth - 1) if isinstance(each, list) and depth > 0 else [each]
    return found


def _sort(values: list[Any]) -> list[Any]:
    return _sort_by(values, values)


def _sort_by(values: list[Any], keys: list[Any]) -> list[Any]:
    if any(type_of(each) != type_of(keys[0]) for each in keys):
        raise EvalError("list elements must have the same type")

    def by_key(one: tuple[Any, Any], other: tuple[Any, Any]) -> int:
        return compare(one[0], other[0])

    return [value for _, value in sorted(zip(keys, values, strict=True), key=cmp_to_key(by_key))]


def _range(count: int) -> list[int]:
    if count > MOST_ITEMS:
        raise CostError
    return list(range(count))


def _distinct(values: list[Any]) -> list[Any]:
    if all(isinstance(each, str) for each in values):
        return list(dict.fromkeys(values))
    found: list[Any] = []
    for value in values:
        if not any(equal(value, each) for each in found):
            found.append(value)
    return found


def contains_all(values: list[Any], wanted: list[Any]) -> bool:
    """Whether all of a list are in another one."""
    if all(isinstance(each, str) for each in (*values, *wanted)):
        return set(wanted) <= set(values)
    return all(any(equal(each, value) for value in values) for each in wanted)


def _intersects(one: list[Any], other: list[Any]) -> bool:
    return any(equal(each, value) for each in one for value in other)


def _insert(values: dict[Any, Any], *more: Any) -> dict[Any, Any]:
    """A map with more in it; a key may not come twice."""
    pairs = [more] if len(more) == 2 else more[0].items()
    for key, value in pairs:
        if key in values:
            raise EvalError(f"insert failed: key {key} already exists")
        values[key] = value  # the loop's own map: nobody else has it
    return values


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{f"list({kind}).isSorted() bool": _is_sorted for kind in COMPARABLE},
    "list(int).sum() int": _sum_ints, "list(uint).sum() uint": _sum_uints, "list(double).sum() double": lambda values: sum(values, 0.0),
    "list(duration).sum() duration": _sum_durations,
    **{f"list({kind}).max() {kind}": _least("max", -1) for kind in COMPARABLE},
    **{f"list({kind}).min() {kind}": _least("min", 1) for kind in COMPARABLE},
    "list(A).indexOf(A) int": _index, "list(A).lastIndexOf(A) int": _last_index,
    "list(T).slice(int, int) list(T)": _slice, "list(list(T)).flatten() list(T)": _flatten, "list(dyn).flatten(int) list(dyn)": _flatten,
    **{f"list({kind}).sort() list({kind})": _sort for kind in COMPARABLE},
    **{f"list(T).@sortByAssociatedKeys(list({kind})) list(T)": _sort_by for kind in COMPARABLE},
    "lists.range(int) list(int)": _range, "list(T).reverse() list(T)": lambda values: list(values[::-1]),
    "list(T).distinct() list(T)": _distinct,
    "sets.contains(list(T), list(T)) bool": contains_all, "sets.intersects(list(T), list(T)) bool": _intersects,
    "sets.equivalent(list(T), list(T)) bool": lambda one, other: contains_all(one, other) and contains_all(other, one),
    "cel.@mapInsert(map(K, V), K, V) map(K, V)": _insert, "cel.@mapInsert(map(K, V), map(K, V)) map(K, V)": _insert,
}  # fmt: skip
