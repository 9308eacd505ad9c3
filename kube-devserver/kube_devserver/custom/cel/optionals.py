"""Values that may be absent: `self.?field.orValue(1)`. After cel-go's cel/library.go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kube_devserver.custom.cel.faults import EvalError
from kube_devserver.custom.cel.values import NONE, Duration, Optional, Timestamp

_ZEROS: tuple[Any, ...] = (None, False, 0, "", b"", [], {}, Duration(0), Timestamp(-62135596800 * 10**9))


def _value(found: Optional) -> Any:
    if not found.present:
        raise EvalError("optional.none() dereference")
    return found.value


def _unwrap(values: list[Optional]) -> list[Any]:
    return [each.value for each in values if each.present]


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "optional.of(V) optional(V)": Optional,
    "optional.ofNonZeroValue(V) optional(V)": lambda value: NONE if value in _ZEROS else Optional(value),
    "optional.none() optional(V)": lambda: NONE,
    "optional(V).value() V": _value,
    "optional(V).hasValue() bool": lambda found: found.present,
    "optional(V).or(optional(V)) optional(V)": lambda one, other: one if one.present else other,
    "optional(V).orValue(V) V": lambda found, other: found.value if found.present else other,
    "list(V).first() optional(V)": lambda values: Optional(values[0]) if values else NONE,
    "list(V).last() optional(V)": lambda values: Optional(values[-1]) if values else NONE,
    "optional.unwrap(list(optional(V))) list(V)": _unwrap,
    "list(optional(V)).unwrapOpt() list(V)": _unwrap,
}  # fmt: skip
