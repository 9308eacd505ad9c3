"""Macros: calls that are short for a loop, or for a question whether a field is there. After cel-go's parser/macro.go and ext/."""

from __future__ import annotations

import copy
from collections.abc import Callable

from kube_devserver.custom.cel.faults import Fault
from kube_devserver.custom.cel.tree import ACCUMULATOR, Call, Fold, Ident, ListOf, Literal, MapOf, Node, Select, walk

Macro = Callable[[str, int, Node, list[Node]], Node]
SORT_INPUT = "@__sortBy_input__"
MOST_COPIED = 2_000  # parts of an expression


class MacroError(Exception):
    """A macro cannot be made of these arguments."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def expand(name: str, at: int, target: Node | None, arguments: list[Node]) -> Node | None:
    """What a call stands for; None if it is no macro.

    Raises:
        MacroError: its arguments do not fit.
    """
    if target is None:
        return _has(at, arguments[0]) if name == "has" and len(arguments) == 1 else None
    macro = _MACROS.get((name, len(arguments)))
    return macro(name, at, target, arguments) if macro is not None else None


def _has(at: int, argument: Node) -> Node:
    if isinstance(argument, Select) and not argument.test:
        return Select(at, argument.operand, argument.name, test=True)
    raise MacroError(Fault(argument.at, "invalid argument to has() macro"))


def _variable(argument: Node, text: str) -> str:
    if not isinstance(argument, Ident) or argument.name.startswith("."):
        raise MacroError(Fault(argument.at, text))
    if argument.name in (ACCUMULATOR, "__result__"):
        raise MacroError(Fault(argument.at, "iteration variable overwrites accumulator variable"))
    return argument.name


def _variables(arguments: list[Node], count: int, text: str) -> tuple[str, ...]:
    found = tuple(_variable(each, text) for each in arguments[:count])
    if len(set(found)) < len(found):
        raise MacroError(Fault(arguments[1].at, f"duplicate variable name: {found[0]}"))
    return found


def _fold(name: str, at: int, over: Node, variables: tuple[str, ...], begin: Node, condition: Node, step: Node) -> Fold:
    return Fold(at, name, over, variables, ACCUMULATOR, begin, condition, step, Ident(at, ACCUMULATOR))


def _quantifier(count: int) -> Macro:
    def make(name: str, at: int, target: Node, arguments: list[Node]) -> Node:
        variables = _variables(arguments, count, "argument must be a simple name")
        name = "exists_one" if name == "existsOne" else name
        body, accumulator = arguments[count], Ident(at, ACCUMULATOR)
        if name == "exists_one":
            step = _when(at, body, _call(at, "_+_", accumulator, Literal(at, 1)))
            found = _fold(name, at, target, variables, Literal(at, 0), Literal(at, True), step)
            found.result = _call(at, "_==_", Ident(at, ACCUMULATOR), Literal(at, 1))
            return found
        is_all = name == "all"
        goes_on = accumulator if is_all else _call(at, "!_", accumulator)
        step = _call(at, "_&&_" if is_all else "_||_", Ident(at, ACCUMULATOR), body)
        condition = _call(at, "@not_strictly_false", goes_on)
        return _fold(name, at, target, variables, Literal(at, is_all), condition, step)

    return make


def _collect(count: int, text: str) -> Macro:
    """`map`, `filter` and `transformList`."""

    def make(name: str, at: int, target: Node, arguments: list[Node]) -> Node:
        variables = _variables(arguments, count, text)
        filtered = name == "filter" or len(arguments) == count + 2
        item = arguments[0] if name == "filter" else arguments[-1]
        step: Node = _call(at, "_+_", Ident(at, ACCUMULATOR), ListOf(at, [copy.deepcopy(item)]))
        if filtered:
            step = _when(at, arguments[count], step)
        return _fold(name, at, target, variables, ListOf(at, []), Literal(at, True), step)

    return make


def _insert(count: int) -> Macro:
    """`transformMap` and `transformMapEntry`."""

    def make(name: str, at: int, target: Node, arguments: list[Node]) -> Node:
        variables = _variables(arguments, 2, "argument must be a simple name")
        more: list[Node] = [Ident(at, variables[0])] if name == "transformMap" else []
        step: Node = _call(at, "cel.@mapInsert", Ident(at, ACCUMULATOR), *more, arguments[-1])
        if count == 4:
            step = _when(at, arguments[2], step)
        return _fold(name, at, target, variables, MapOf(at, []), Literal(at, True), step)

    return make


def _sort(name: str, at: int, target: Node, arguments: list[Node]) -> Node:
    if not isinstance(target, ListOf | Select | Ident | Fold | Call):
        text = "sortBy can only be applied to a list, identifier, comprehension, call or select expression"
        raise MacroError(Fault(target.at, text))
    keys = _collect(1, "argument is not an identifier")("map", at, Ident(at, SORT_INPUT), arguments)
    return bind(at, SORT_INPUT, target, Call(at, "@sortByAssociatedKeys", Ident(at, SORT_INPUT), [keys]))


def _optional(name: str, at: int, target: Node, arguments: list[Node]) -> Node:
    """`optMap` and `optFlatMap`."""
    variable = _variable(arguments[0], f"{name}() variable name must be a simple identifier")
    if sum(1 for _ in walk(target)) > MOST_COPIED:  # each one in a chain of them doubles it
        raise MacroError(Fault(at, f"{name}() is applied to too large an expression"))
    value = Call(at, "value", copy.deepcopy(target), [])
    found: Node = bind(at, variable, value, arguments[1])
    if name == "optMap":
        found = _call(at, "optional.of", found)
    return _call(at, "_?_:_", Call(at, "hasValue", target, []), found, _call(at, "optional.none"))


def bind(at: int, name: str, value: Node, result: Node) -> Fold:
    """A value with a name: a loop that is never run."""
    nothing = (ListOf(at, []), Literal(at, False), Ident(at, name))
    return Fold(at, "bind", nothing[0], ("#unused",), name, value, nothing[1], nothing[2], result)


def _call(at: int, name: str, *arguments: Node) -> Call:
    return Call(at, name, None, list(arguments))


def _when(at: int, condition: Node, then: Node) -> Call:
    return _call(at, "_?_:_", condition, then, Ident(at, ACCUMULATOR))


_SIMPLE, _NO_IDENT = "argument must be a simple name", "argument is not an identifier"
_MACROS: dict[tuple[str, int], Macro] = {
    **{(name, 2): _quantifier(1) for name in ("all", "exists", "exists_one")},
    **{(name, 3): _quantifier(2) for name in ("all", "exists", "exists_one", "existsOne")},
    ("map", 2): _collect(1, _NO_IDENT), ("map", 3): _collect(1, _NO_IDENT), ("filter", 2): _collect(1, _NO_IDENT),
    ("transformList", 3): _collect(2, _SIMPLE), ("transformList", 4): _collect(2, _SIMPLE),
    **{(name, count): _insert(count) for name in ("transformMap", "transformMapEntry") for count in (3, 4)},
    ("sortBy", 2): _sort, ("optMap", 2): _optional, ("optFlatMap", 2): _optional,
}  # fmt: skip
