"""An expression's value. A checked tree becomes functions of functions, once; running them counts what they cost.

After cel-go's interpreter: `&&`, `||`, `all` and `exists` are true or false if one side says so, whatever goes wrong on the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kube_devserver.custom.cel import types as ty
from kube_devserver.custom.cel.faults import CostError, EvalError, no_overload
from kube_devserver.custom.cel.functions import Overload
from kube_devserver.custom.cel.loops import compile_loop
from kube_devserver.custom.cel.names import unescape
from kube_devserver.custom.cel.operators import index_by_number
from kube_devserver.custom.cel.runcosts import MOST_WORK, PER_CALL, Cost, cost_of, foreseen, work_of
from kube_devserver.custom.cel.state import Frame, Step
from kube_devserver.custom.cel.tree import Call, Fold, Ident, ListOf, Literal, MapOf, Node, Select
from kube_devserver.custom.cel.types import Type
from kube_devserver.custom.cel.values import NONE, Invalid, Optional, is_number, named_type, type_of

_STANDARD = ("contains", "endsWith", "startsWith", "matches")
Program = Callable[[Mapping[str, Any]], tuple[Any, int]]


def compile_program(root: Node) -> Program:
    """What finds a checked expression's value, and its cost, from variables.

    It raises EvalError, or CostError if it would take too long.
    """
    step = _compile(root)

    def run(variables: Mapping[str, Any]) -> tuple[Any, int]:
        frame = Frame(dict(variables))
        try:
            return step(frame), frame.cost
        except (TypeError, ValueError, ArithmeticError, AttributeError, RecursionError, KeyError) as error:
            raise no_overload() from error

    return run


def _compile(node: Node) -> Step:
    match node:
        case Literal(value=value):
            return lambda frame: value
        case Ident():
            return _ident(node)
        case Select():
            return _select(node)
        case Call():
            return _call(node)
        case ListOf():
            return _list(node)
        case MapOf():
            return _map(node)
        case Fold():
            return compile_loop(node, _compile)
    raise AssertionError(node)


def _ident(node: Ident) -> Step:
    name = node.name.removeprefix(".")
    if node.meant is not None:
        meant = named_type(node.meant)
        return lambda frame: meant

    def run(frame: Frame) -> Any:
        frame.cost += 1
        return frame.scope[name]

    return run


# ------------------------------------------------------------------ fields


def _select(node: Select) -> Step:
    if node.meant is not None:
        meant = named_type(node.meant)
        return lambda frame: meant
    operand, name, is_map = _compile(node.operand), _key(node.operand.type, node.name), node.operand.type.kind == "map"
    if node.test:
        return lambda frame: _has(operand(frame), name, is_map)

    def run(frame: Frame) -> Any:
        value = operand(frame)
        frame.cost += 1
        if isinstance(value, dict):
            try:
                found = value[name]
            except KeyError:
                raise EvalError(f"no such key: {node.name}") from None
            if found is None and not is_map:
                raise EvalError(f"no such key: {node.name}")
            return found if not isinstance(found, Invalid) else found.fail()
        if isinstance(value, Optional):
            return _optional_field(value, name, is_map)
        raise EvalError(f"no such key: {node.name}")

    return run


def _key(of: Type, name: str) -> str:
    """A field's name in the value: objects have theirs escaped in expressions."""
    inner = ty.unwrapped(of)[0]
    return name if inner.kind == "map" else unescape(name)


def _has(value: Any, name: str, is_map: bool) -> bool:
    if isinstance(value, Optional):
        return value.present and _has(value.value, name, is_map)
    return isinstance(value, dict) and name in value and (is_map or value[name] is not None)


def _optional_field(value: Any, name: str, is_map: bool) -> Optional:
    if isinstance(value, Optional):
        return _optional_field(value.value, name, is_map) if value.present else NONE
    return Optional(value[name]) if _has(value, name, is_map) else NONE


def _optional_select(node: Call) -> Step:
    first, literal = node.arguments
    assert isinstance(literal, Literal)
    operand, name = _compile(first), _key(first.type, literal.value)
    is_map = ty.unwrapped(first.type)[0].kind == "map"

    def run(frame: Frame) -> Any:
        frame.cost += 1
        return _optional_field(operand(frame), name, is_map)

    return run


# ------------------------------------------------------------------ lists and maps


def _list(node: ListOf) -> Step:
    items, optional = [_compile(each) for each in node.items], node.optional
    if not optional:

        def run(frame: Frame) -> Any:
            frame.cost += 10
            return [item(frame) for item in items]

        return run

    def run_optional(frame: Frame) -> Any:
        frame.cost += 10
        found = []
        for i, item in enumerate(items):
            value = item(frame)
            if i in optional:
                if value.present:
                    found.append(value.value)
            else:
                found.append(value)
        return found

    return run_optional


def _map(node: MapOf) -> Step:
    entries = [(_compile(key), _compile(value), optional) for key, value, optional in node.entries]

    def run(frame: Frame) -> Any:
        frame.cost += 30
        found = {}
        for key, value, optional in entries:
            name, each = key(frame), value(frame)
            if optional and not each.present:
                continue
            found[name] = each.value if optional else each
        return found

    return run


# ------------------------------------------------------------------ calls


def _call(node: Call) -> Step:
    match node.name:
        case "_&&_":
            return _logical(node, False)
        case "_||_":
            return _logical(node, True)
        case "_?_:_":
            return _conditional(node)
        case "_?._":
            return _optional_select(node)
        case "or" | "orValue":
            return _alternative(node)
    operands = [_compile(each) for each in node.operands]
    if len(node.overloads) == 1 and all(_is_sure(each.type) for each in node.operands):
        return _direct(node.overloads[0], operands, [each.type for each in node.operands])
    return _dispatched(node, operands)


def _is_sure(found: Type) -> bool:
    return found.kind not in ("dyn", "error")


def _direct(overload: Overload, operands: list[Step], types: list[Type]) -> Step:
    """A call of which it is known what it means."""
    call, cost, work, least = overload.call, cost_of(overload), work_of(overload.name, types), foreseen(overload.name)
    if len(operands) == 2 and work is None and least is None:
        texts = overload.name in ("_==_", "_!=_") and types == [ty.STRING, ty.STRING]
        return _binary(call, cost, operands[0], operands[1], texts)

    def run(frame: Frame) -> Any:
        values = [each(frame) for each in operands]
        if least is not None and frame.cost + least(values) > PER_CALL:
            raise CostError
        if work is not None:
            frame.work += work(values)
            if frame.work > MOST_WORK:
                raise CostError
        found = call(*values)
        frame.cost += cost(values, found) if cost is not None else 1
        if frame.cost > PER_CALL:
            raise CostError
        return found

    return run


def _binary(call: Callable[..., Any], cost: Cost | None, one: Step, other: Step, texts: bool) -> Step:
    """A call of two values, as most are."""

    def run_texts(frame: Frame) -> Any:
        left, right = one(frame), other(frame)
        shorter = min(len(right), len(left))
        frame.cost += (shorter + 9) // 10
        return call(left, right)

    def run_one(frame: Frame) -> Any:
        found = call(one(frame), other(frame))
        frame.cost += 1
        return found

    def run(frame: Frame) -> Any:
        left, right = one(frame), other(frame)
        found = call(left, right)
        assert cost is not None
        frame.cost += cost([left, right], found)
        if frame.cost > PER_CALL:
            raise CostError
        return found

    return run_texts if texts else run_one if cost is None else run


def _dispatched(node: Call, operands: list[Step]) -> Step:
    """A call whose meaning depends on its values."""
    boxes: list[list[Any]] = [[None] for _ in operands]
    types = [ty.DYN] * len(operands)
    choices = [(each, _direct(each, [_reader(box) for box in boxes], types)) for each in node.overloads]

    def run(frame: Frame) -> Any:
        values = [each(frame) for each in operands]
        for overload, step in choices:
            if all(map(_accepts, overload.arguments, values)):
                for box, value in zip(boxes, values, strict=True):
                    box[0] = value
                return step(frame)
        if node.name == "_[_]" and isinstance(values[0], list) and is_number(values[1]):
            return index_by_number(values[0], values[1])
        raise _refusal(node.name, values)

    return run


def _refusal(name: str, values: list[Any]) -> EvalError:
    """Kubernetes' words for a function that does not take these values."""
    if name in ("_[_]", "_[?_]"):
        if isinstance(values[0], list):
            return EvalError(f"unsupported index type '{type_of(values[1]).name}' in list")
        return no_overload() if isinstance(values[0], dict) else EvalError(f"no such key: {values[1]}")
    if name == "size":
        return EvalError("no such overload: size")
    if name[0] in "_!-@" or name in _STANDARD:
        return no_overload()
    return EvalError(f"no such overload: {name}({', '.join(type_of(value).name for value in values)})")


def _reader(box: list[Any]) -> Step:
    return lambda frame: box[0]


def _accepts(wanted: Type, value: Any) -> bool:
    if wanted.kind in ("dyn", ty.PARAM):
        return True
    found = type_of(value)
    if wanted.kind == ty.STRUCT or wanted.kind == ty.OPAQUE:
        if found.name != wanted.name:
            return False
        inner = wanted.params[0] if wanted.params else None
        return inner is None or not isinstance(value, Optional) or not value.present or _accepts(inner, value.value)
    if found.kind != wanted.kind:
        return False
    if isinstance(value, list) and value:
        return _accepts(wanted.params[0], value[0])
    if isinstance(value, dict) and value:
        return all(map(_accepts, wanted.params, next(iter(value.items()))))
    return True


def _logical(node: Call, decisive: bool) -> Step:
    """`&&`, which false decides, and `||`, which true does."""
    one, other = map(_compile, node.arguments)

    def run(frame: Frame) -> Any:
        fault: EvalError | None = None
        try:
            found = one(frame)
            if found is decisive:
                return decisive
            if not isinstance(found, bool):
                fault = no_overload()
        except CostError:
            raise
        except EvalError as error:
            fault = error
        found = other(frame)
        if found is decisive:
            return decisive
        if not isinstance(found, bool):
            raise no_overload()
        if fault is not None:
            raise fault
        return not decisive

    return run


def _conditional(node: Call) -> Step:
    condition, yes, no = map(_compile, node.arguments)

    def run(frame: Frame) -> Any:
        found = condition(frame)
        if not isinstance(found, bool):
            raise no_overload()
        return yes(frame) if found else no(frame)

    return run


def _alternative(node: Call) -> Step:
    """`or` and `orValue`: the second value is found only if the first one is absent."""
    one, other = map(_compile, node.operands)
    unwrap = node.name == "orValue"

    def run(frame: Frame) -> Any:
        found = one(frame)
        if not isinstance(found, Optional):
            return found
        if found.present:
            return found.value if unwrap else found
        return other(frame)

    return run
