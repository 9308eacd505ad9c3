"""Loops: what the macros `all`, `exists`, `map` and the like do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kube_devserver.custom.cel.faults import CostError, EvalError, no_overload
from kube_devserver.custom.cel.runcosts import PER_CALL
from kube_devserver.custom.cel.state import Frame, Step
from kube_devserver.custom.cel.tree import ACCUMULATOR, Call, Fold, Ident, ListOf, Node
from kube_devserver.custom.cel.values import type_of

Compile = Callable[[Node], Step]
_NOTHING = object()
QUANTIFIED, COUNTED, COLLECTED, INSERTED = 4, 3, 12, 33  # what a step costs besides its own expressions


def compile_loop(node: Fold, compile_node: Compile) -> Step:
    """A loop, or a value with a name."""
    if node.is_binding:
        return _binding(node, compile_node)
    match node.macro:
        case "all" | "exists":
            return _quantifier(node, compile_node)
        case "exists_one":
            return _count(node, compile_node)
        case "map" | "filter" | "transformList":
            return _collection(node, compile_node)
    return _insertion(node, compile_node)


@contextmanager
def _named(frame: Frame, names: tuple[str, ...]) -> Iterator[None]:
    """What variables of the same names were before, they are again afterwards."""
    before = [frame.scope.get(name, _NOTHING) for name in names]
    try:
        yield
    finally:
        for name, value in zip(names, before, strict=True):
            if value is _NOTHING:
                frame.scope.pop(name, None)
            else:
                frame.scope[name] = value


def _binding(node: Fold, compile_node: Compile) -> Step:
    begin, result, name = compile_node(node.begin), compile_node(node.result), node.accumulator

    def run(frame: Frame) -> Any:
        value = begin(frame)
        with _named(frame, (name,)):
            frame.scope[name] = value
            return result(frame)

    return run


def _steps(frame: Frame, over: Any, names: tuple[str, ...], cost: int) -> Iterator[None]:
    """One step for each item, its variables set and paid for."""
    if not isinstance(over, list | dict):
        raise EvalError(f"got 'types.{type_of(over).kind.capitalize()}', expected iterable type")
    scope = frame.scope
    if len(names) == 1:
        name = names[0]
        for item in over:
            frame.cost += cost
            if frame.cost > PER_CALL:
                raise CostError
            scope[name] = item
            yield
        return
    for item in over.items() if isinstance(over, dict) else enumerate(over):
        frame.cost += cost
        if frame.cost > PER_CALL:
            raise CostError
        scope[names[0]], scope[names[1]] = item
        yield


def _quantifier(node: Fold, compile_node: Compile) -> Step:
    assert isinstance(node.step, Call)
    over, body, names = compile_node(node.over), compile_node(node.step.arguments[1]), node.variables
    decisive = node.macro == "exists"

    def run(frame: Frame) -> Any:
        values = over(frame)
        fault: EvalError | None = None
        with _named(frame, names):
            for found in _answers(frame, values, names, body):
                if found is decisive:
                    return decisive
                if isinstance(found, EvalError):
                    fault = fault or found
                elif not isinstance(found, bool):
                    fault = fault or no_overload()
        if fault is not None:
            raise fault
        return not decisive

    return run


def _answers(frame: Frame, values: Any, names: tuple[str, ...], body: Step) -> Iterator[Any]:
    """What a condition says of each item, or what goes wrong with it."""
    for _ in _steps(frame, values, names, QUANTIFIED):
        try:
            found = body(frame)
        except CostError:
            raise
        except EvalError as error:
            found = error
        yield found


def _count(node: Fold, compile_node: Compile) -> Step:
    assert isinstance(node.step, Call)
    over, body, names = compile_node(node.over), compile_node(node.step.arguments[0]), node.variables

    def run(frame: Frame) -> Any:
        values, count = over(frame), 0
        with _named(frame, names):
            for _ in _steps(frame, values, names, COUNTED):
                found = body(frame)
                if not isinstance(found, bool):
                    raise no_overload()
                count += found
        return count == 1

    return run


def _guarded(step: Node) -> tuple[Node | None, Call]:
    """A step's condition, if it has one, and what it does."""
    assert isinstance(step, Call)
    if step.name != "_?_:_":
        return None, step
    then = step.arguments[1]
    assert isinstance(then, Call)
    return step.arguments[0], then


def _holds(condition: Step | None, frame: Frame) -> bool:
    if condition is None:
        return True
    found = condition(frame)
    if not isinstance(found, bool):
        raise no_overload()
    return found


def _collection(node: Fold, compile_node: Compile) -> Step:
    guard, call = _guarded(node.step)
    made = call.arguments[1]
    assert isinstance(made, ListOf)
    over, item, names = compile_node(node.over), compile_node(made.items[0]), node.variables
    condition = compile_node(guard) if guard is not None else None

    def run(frame: Frame) -> Any:
        values, found = over(frame), []
        with _named(frame, names):
            for _ in _steps(frame, values, names, COLLECTED if condition is None else 1):
                if _holds(condition, frame):
                    found.append(item(frame))
                    frame.cost += COLLECTED if condition is not None else 0
        return found

    return run


def _insertion(node: Fold, compile_node: Compile) -> Step:
    guard, call = _guarded(node.step)
    insert = call.overloads[0].call
    over, names = compile_node(node.over), node.variables
    parts = [compile_node(each) for each in call.arguments[1:]]
    condition = compile_node(guard) if guard is not None else None
    assert isinstance(call.arguments[0], Ident)
    assert call.arguments[0].name == ACCUMULATOR

    def run(frame: Frame) -> Any:
        values = over(frame)
        found: dict[Any, Any] = {}
        with _named(frame, names):
            for _ in _steps(frame, values, names, INSERTED):
                if _holds(condition, frame):
                    insert(found, *[part(frame) for part in parts])
        return found

    return run
