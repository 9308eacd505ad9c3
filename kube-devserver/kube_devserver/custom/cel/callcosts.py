"""What one call may cost, and how large its result may be. After cel-go's checker/cost.go and ext/, and k8s.io/apiserver's library/cost.go."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from kube_devserver.custom.cel import types as ty
from kube_devserver.custom.cel.sizes import MOST, ONE, UNKNOWN, Range, exactly
from kube_devserver.custom.cel.tree import Literal, Node
from kube_devserver.custom.cel.types import Type

TEXT, PATTERN, MOST_FORMAT, MOST_PATTERN = 0.1, 0.25, 64, 128  # costs of a character; characters
LIST_COST = exactly(10)


@dataclass(frozen=True)
class Argument:
    """A call's argument: its type, where its value comes from, and its size as far as it is known."""

    node: Node | None
    type: Type
    path: tuple[str, ...]
    known: Range | None

    @property
    def size(self) -> Range:
        """Its size; anything if it is not known."""
        return self.known if self.known is not None else UNKNOWN


@dataclass(frozen=True)
class Estimate:
    """A call's cost, and its result's size if it is known."""

    cost: Range
    size: Range | None = None


Element = Callable[[Argument], Argument | None]


def call_cost(
    name: str, signature: str, target: Argument | None, arguments: list[Argument], element: Element
) -> Estimate:
    """A call's, without that of its arguments.

    Args:
        name: of the function.
        signature: of the overload.
        target: what it is a method of.
        arguments: the others.
        element: what a list holds.
    """
    operands = [*([target] if target is not None else []), *arguments]
    found = None
    if signature in _BY_SIGNATURE:
        found = _BY_SIGNATURE[signature](operands)
    elif name in _LISTS:
        found = _list_cost(name, operands)
    elif name in _TRAVERSED and target is not None:
        found = _traversal(target, element(target))
    elif name == "join" and target is not None:
        found = _join(target, element(target), arguments)
    elif name in _BY_NAME:
        found = _BY_NAME[name](operands)
    elif name == "_==_":
        found = _opaque_equality(operands)
    if found is not None:
        return found
    if name in ("_==_", "_!=_") or (
        name in _ORDERS and signature in (f"{name}(string, string)", f"{name}(bytes, bytes)")
    ):
        return _comparison(operands)
    return Estimate(ONE)


def _comparison(operands: list[Argument]) -> Estimate:
    most = min(operands[0].size.most, operands[1].size.most)
    return Estimate(Range(1 if most > 0 else 0, most).scaled(TEXT))


def _opaque_equality(operands: list[Argument]) -> Estimate | None:
    one, other = operands
    if one.type != other.type:
        return None
    if one.type in (ty.IP, ty.CIDR, ty.QUANTITY, ty.SEMVER):
        return Estimate(ONE)
    if one.type == ty.FORMAT:
        return Estimate(Range(1, MOST_FORMAT).scaled(TEXT))
    if one.type == ty.URL:
        return Estimate(Range(1, other.known.most if other.known is not None else 1).scaled(TEXT))
    return None


# ------------------------------------------------------------------ text


def _first(factor: float, sized: bool = False) -> Callable[[list[Argument]], Estimate]:
    """So much for each character of the first operand."""
    return lambda operands: Estimate(operands[0].size.scaled(factor), operands[0].size if sized else None)


def _second(factor: float) -> Callable[[list[Argument]], Estimate]:
    return lambda operands: Estimate(operands[1].size.scaled(factor))


def _pattern(sized: bool) -> Callable[[list[Argument]], Estimate]:
    def find(operands: list[Argument]) -> Estimate:
        text, pattern = operands[0].size, operands[1].size
        cost = text.plus(ONE).scaled(TEXT).times(pattern.scaled(PATTERN))
        return Estimate(cost, Range(0, text.most) if sized else None)

    return find


def _contains(operands: list[Argument]) -> Estimate:
    return Estimate(operands[0].size.scaled(TEXT).times(operands[1].size.scaled(TEXT)))


def _concatenation(operands: list[Argument]) -> Estimate:
    size = operands[0].size.plus(operands[1].size)
    return Estimate(size.scaled(TEXT), size)


def _list_concatenation(operands: list[Argument]) -> Estimate:
    return Estimate(ONE, operands[0].size.plus(operands[1].size))


def _replace(operands: list[Argument]) -> Estimate:
    text, old, new = (each.size for each in operands[:3])
    most, kept_most = _replaced(text.most, old.least, new.most <= old.least)
    least, kept_least = _replaced(text.least, old.most, old.most <= new.least)
    size = Range(least, most).times(new).plus(Range(kept_least, kept_most))
    return Estimate(text.scaled(2 * TEXT), size)


def _replaced(text: int, old: int, stays: bool) -> tuple[int, int]:
    """How often, and how much is left."""
    if old == 0:
        return min(text + 1, MOST), text
    return (0, text) if stays else (min(math.ceil(float(text) / float(old)), MOST), 0)


def _split(operands: list[Argument]) -> Estimate:
    text, most = operands[0].size, operands[0].size.most
    node = operands[2].node if len(operands) > 2 else None
    if isinstance(node, Literal) and isinstance(node.value, int):
        most = node.value & MOST
    return Estimate(text.scaled(2 * TEXT), Range(0, most))


def _join(target: Argument, element: Argument | None, arguments: list[Argument]) -> Estimate:
    count = target.size
    size = count.times(element.size) if element is not None else exactly(0)
    if arguments:
        size = size.plus(arguments[0].size.times(Range(max(count.least - 1, 0), max(count.most - 1, 0))))
    return Estimate(size.scaled(TEXT), size)


def _to_bytes(operands: list[Argument]) -> Estimate:
    size = operands[0].size
    return Estimate(
        size.scaled(TEXT), Range(size.least, min(size.most * 4, MOST) if size.most < MOST else size.most * 4 & MOST)
    )


def _from_bytes(operands: list[Argument]) -> Estimate:
    size = operands[0].size
    return Estimate(size.scaled(TEXT), Range(size.least // 4, size.most))


def _quote(operands: list[Argument]) -> Estimate:
    size = operands[0].size
    return Estimate(size.scaled(TEXT), Range(size.least + 2 & MOST, size.most * 2 + 2 & MOST))


def _validate(operands: list[Argument]) -> Estimate:
    return Estimate(operands[1].size.scaled(TEXT).scaled(MOST_PATTERN * PATTERN))


# ------------------------------------------------------------------ lists


def _traversal(target: Argument, element: Argument | None) -> Estimate:
    if element is None:
        return Estimate(target.size.scaled(TEXT))
    each = ONE.plus(element.size.scaled(TEXT)) if element.type in (ty.STRING, ty.BYTES) else ONE
    return Estimate(target.size.times(each))


def _allocated(factor: float, size: Range) -> Estimate:
    return Estimate(size.scaled(factor).plus(ONE).plus(LIST_COST), size)


def _number(argument: Argument, default: int) -> int:
    node = argument.node
    if not isinstance(node, Literal) or type(node.value) is not int:
        return default
    return max(node.value, 0)


def _list_cost(name: str, operands: list[Argument]) -> Estimate:
    size = operands[0].size
    match name:
        case "slice":
            return _allocated(1, exactly(_number(operands[2], size.most) - _number(operands[1], 0) & MOST))
        case "lists.range":
            return _allocated(1, exactly(_number(operands[0], MOST)))
        case "flatten":
            return _allocated(float(_number(operands[1], MOST)) if len(operands) > 1 else 1, size)
        case "distinct":
            return _allocated(2, size.times(size))
        case "sort" | "@sortByAssociatedKeys":
            keys = operands[-1]
            textual = bool(keys.type.params) and keys.type.params[0] in (ty.STRING, ty.BYTES)
            return _allocated(2 + (TEXT if textual else 0), keys.size.times(keys.size))
    return _allocated(1, size)


def _sets(factor: float) -> Callable[[list[Argument]], Estimate]:
    return lambda operands: Estimate(operands[0].size.times(operands[1].size).scaled(factor).plus(ONE))


# ------------------------------------------------------------------ addresses

_ADDRESS = Range(4, 16)


def _contains_ip(text: bool) -> Callable[[list[Argument]], Estimate]:
    def find(operands: list[Argument]) -> Estimate:
        cost = _ADDRESS.plus(_ADDRESS).scaled(TEXT)
        return Estimate(cost.plus(operands[1].size.scaled(TEXT)) if text else cost)

    return find


def _contains_network(text: bool) -> Callable[[list[Argument]], Estimate]:
    def find(operands: list[Argument]) -> Estimate:
        cost = _ADDRESS.plus(_ADDRESS).scaled(TEXT).plus(_ADDRESS.scaled(TEXT)).plus(ONE)
        return Estimate(cost.plus(operands[1].size.scaled(TEXT)) if text else cost)

    return find


_ORDERS = ("_<_", "_<=_", "_>_", "_>=_")
_LISTS = ("slice", "lists.range", "flatten", "distinct", "sort", "@sortByAssociatedKeys", "reverse")
_TRAVERSED = ("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf")
_BY_SIGNATURE: dict[str, Callable[[list[Argument]], Estimate]] = {
    "string.startsWith(string)": _second(TEXT), "string.endsWith(string)": _second(TEXT), "string.format(list(dyn))": _first(TEXT),
    "bytes(string)": _to_bytes, "string(bytes)": _from_bytes, "strings.quote(string)": _quote, "@in(A, list(A))": _second(1),
    "string.matches(string)": _pattern(False), "string.contains(string)": _contains,
    "_+_(string, string)": _concatenation, "_+_(bytes, bytes)": _concatenation, "_+_(list(A), list(A))": _list_concatenation,
    "net.CIDR.ip()": lambda operands: Estimate(ONE),
    "net.CIDR.containsIP(string)": _contains_ip(True), "net.CIDR.containsIP(net.IP)": _contains_ip(False),
    "net.CIDR.containsCIDR(string)": _contains_network(True), "net.CIDR.containsCIDR(net.CIDR)": _contains_network(False),
    "sets.contains(list(T), list(T))": _sets(1), "sets.intersects(list(T), list(T))": _sets(1), "sets.equivalent(list(T), list(T))": _sets(2),
}  # fmt: skip
_BY_NAME: dict[str, Callable[[list[Argument]], Estimate]] = {
    **{name: _first(TEXT, sized=True) for name in ("url", "lowerAscii", "upperAscii", "substring", "trim")},
    "replace": _replace, "split": _split, "find": _pattern(True), "findAll": _pattern(True), "validate": _validate,
    **{name: _first(TEXT) for name in ("cidr", "isIP", "isCIDR", "ip", "quantity", "isQuantity", "semver", "isSemver")},
    "ip.isCanonical": _first(2 * TEXT),
}  # fmt: skip
