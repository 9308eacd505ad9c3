"""What can be said of an expression's literals before there is a value: patterns, times, formats, and lists of one type only. After cel/validator.go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from kube_devserver.custom.cel import types as ty
from kube_devserver.custom.cel.faults import EvalError, Fault
from kube_devserver.custom.cel.patterns import find_fault
from kube_devserver.custom.cel.texts import clause_fault, clause_refusal, clauses
from kube_devserver.custom.cel.times import parse_duration, parse_timestamp
from kube_devserver.custom.cel.tree import Call, ListOf, Literal, MapOf, Node, children, walk
from kube_devserver.custom.cel.types import Type, unwrapped


def literal_faults(root: Node) -> list[Fault]:
    """Every fault of an expression's literals; its types are known."""
    found = []
    for node in walk(root):
        if isinstance(node, Call):
            found += _argument_faults(node)
            if node.name == "format" and isinstance(node.target, Literal):
                found += _format_faults(node, node.target)
    return found + list(_mixed(root, False))


def _argument_faults(node: Call) -> list[Fault]:
    check = _CHECKS.get(node.name)
    argument = node.arguments[0] if node.arguments else None
    if check is None or not isinstance(argument, Literal) or check(argument.value):
        return []
    return [Fault(argument.at, f"invalid {node.name} argument")]


def _goes(parse: Callable[[Any], Any], numbers: bool) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        if not isinstance(value, str):
            return numbers
        try:
            parse(value)
        except EvalError:
            return False
        return True

    return check


_CONVERSIONS = ("bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint")
_CHECKS: dict[str, Callable[[Any], bool]] = {
    "duration": _goes(parse_duration, numbers=False), "timestamp": _goes(parse_timestamp, numbers=True),
    "matches": lambda value: not isinstance(value, str) or not find_fault(value),
}  # fmt: skip


def _format_faults(node: Call, target: Literal) -> list[Fault]:
    values = node.arguments[0] if node.arguments else None
    if not isinstance(values, ListOf) or not isinstance(target.value, str):
        return []
    wanted = clauses(target.value)
    for i, clause in enumerate(wanted):
        if i >= len(values.items):
            return [Fault(node.at, f"index {i} out of range")]
        if clause[0] == "%":
            return [Fault(node.at, "unexpected end of string")]
        if fault := clause_fault(clause):
            return [Fault(node.at, fault)]
        for given in _written(values.items[i]) if clause[3] == "s" else (values.items[i],):
            if given.type.kind != ty.DYN.kind and (refusal := clause_refusal(clause[3], given.type, constant=True)):
                return [Fault(given.at, f"error during formatting: {refusal}")]
    if len(values.items) > len(wanted):
        text = f"too many arguments supplied to string.format (expected {len(wanted)}, got {len(values.items)})"
        return [Fault(node.at, text)]
    return []


def _written(node: Node) -> Iterator[Node]:
    """A value, and all that is written out within it."""
    yield node
    for child in children(node) if isinstance(node, ListOf | MapOf) else ():
        yield from _written(child)


def program_fault(root: Node) -> str:
    """What keeps an expression without faults from being run: a pattern that is none, or a literal that cannot be converted."""
    for node in walk(root):
        if not isinstance(node, Call) or len(node.overloads) != 1 or not node.arguments:
            continue
        argument = node.arguments[0]
        if not isinstance(argument, Literal):
            continue
        if node.name in ("find", "findAll") and (fault := find_fault(argument.value)):
            return fault
        if node.name in _CONVERSIONS:
            try:
                node.overloads[0].call(argument.value)
            except EvalError as error:
                return str(error)
    return ""


def _mixed(node: Node, exempt: bool) -> Iterator[Fault]:
    """Lists and maps whose parts are of several types; those that are formatted may be."""
    exempt = exempt or (isinstance(node, Call) and node.name == "format")
    if not exempt and isinstance(node, ListOf):
        yield from _differing([(each, i in node.optional) for i, each in enumerate(node.items)], True)
    if not exempt and isinstance(node, MapOf):
        yield from _differing([(key, False) for key, _, _ in node.entries], False)
        yield from _differing([(value, optional) for _, value, optional in node.entries], False)
    for child in children(node):
        yield from _mixed(child, exempt)


def _differing(parts: list[tuple[Node, bool]], once: bool) -> Iterator[Fault]:
    types: list[Type] = [unwrapped(part.type)[0] if optional else part.type for part, optional in parts]
    for (part, _), found in zip(parts, types, strict=True):
        if found != types[0]:
            yield Fault(part.at, f"expected type '{types[0]}' but found '{found}'")
            if once:
                return
