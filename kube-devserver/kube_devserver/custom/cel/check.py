"""Types of an expression's parts, and which overloads its calls mean. After cel-go's checker/checker.go and cel/validator.go."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from kube_devserver.custom.cel import types as ty
from kube_devserver.custom.cel.faults import CompileError, Fault
from kube_devserver.custom.cel.functions import TYPE_NAMES, Overload, functions
from kube_devserver.custom.cel.literals import literal_faults
from kube_devserver.custom.cel.syntax import parse
from kube_devserver.custom.cel.tree import Call, Fold, Ident, ListOf, Literal, MapOf, Message, Node, Select, walk
from kube_devserver.custom.cel.types import Bindings, Type, list_of, map_of, optional_of, type_of, unwrapped
from kube_devserver.custom.cel.values import type_of as type_of_value

Fields = Mapping[str, Mapping[str, Type]]  # of each type of objects, by its name
MOST_FAULTS = 100
_HALVES = re.compile("[\ud800-\udfff]")  # of characters; JSON can have them, UTF-8 cannot


@dataclass(frozen=True)
class Environment:
    """What an expression may speak of: variables, and the fields of objects."""

    variables: Mapping[str, Type]
    fields: Fields = field(default_factory=dict)


def compile_expression(source: str, environment: Environment) -> Node:
    """The tree of an expression with types.

    Raises:
        CompileError: it is none, or its types do not fit.

    >>> str(compile_expression("a.size() > 1", Environment({"a": ty.STRING})).type)
    'bool'
    """
    source = _HALVES.sub("\ufffd", source)
    try:
        found = parse(source)
        checker = _Checker(environment)
        checker.check(found)
        if not checker.faults:
            for node in walk(found):
                node.type = checker.bindings.resolve(node.type, dyn=True)
            checker.faults = literal_faults(found)
    except RecursionError as error:
        raise CompileError(source, [Fault(0, "expression recursion limit exceeded: 250")]) from error
    if checker.faults:
        raise CompileError(source, checker.faults[:MOST_FAULTS])
    return found


class _Checker:
    def __init__(self, environment: Environment) -> None:
        self._fields, self.bindings, self._functions = environment.fields, Bindings(), functions()
        self._scopes: list[Mapping[str, Type]] = [environment.variables]
        self.faults: list[Fault] = []

    def _fail(self, at: int, message: str) -> Type:
        self.faults.append(Fault(at, message))
        return ty.ERROR

    def _undeclared(self, at: int, name: str) -> Type:
        return self._fail(at, f"undeclared reference to '{name}' (in container '')")

    def _mismatch(self, at: int, wanted: Type, found: Type) -> Type:
        return self._fail(at, f"expected type '{wanted}' but found '{found}'")

    def check(self, node: Node) -> Type:
        """Find a part's type and those of all below it."""
        match node:
            case Literal():
                node.type = ty.NULL if node.value is None else type_of_value(node.value)
            case Ident():
                node.type = self._ident(node)
            case Select():
                node.type = self._select(node)
            case Call():
                node.type = self._call(node)
            case ListOf():
                node.type = self._list(node)
            case MapOf():
                node.type = self._map(node)
            case Message():
                node.type = self._message(node)
            case Fold():
                node.type = self._fold(node)
        return node.type

    def _ident(self, node: Ident) -> Type:
        name = node.name.removeprefix(".")
        found = next((scope[name] for scope in reversed(self._scopes) if name in scope), None)
        if found is not None:
            return found
        if name not in TYPE_NAMES:
            return self._undeclared(node.at, node.name)
        node.meant = TYPE_NAMES[name]
        return type_of(node.meant)

    def _select(self, node: Select) -> Type:
        name = _qualified(node)
        if name is not None and name in TYPE_NAMES:
            node.meant = TYPE_NAMES[name]
            return type_of(node.meant)
        found = self._field(node.at, node.operand, node.name)
        return ty.BOOL if node.test else self.bindings.resolve(found)

    def _field(self, at: int, operand: Node, name: str, optional: bool = False) -> Type:
        target, was_optional = unwrapped(self.bindings.resolve(self.check(operand)))
        found = ty.DYN
        match target.kind:
            case "map":
                found = target.params[1]
            case ty.STRUCT:
                fields = self._fields.get(target.name, {})
                found = fields[name] if name in fields else self._fail(at, f"undefined field '{name}'")
            case ty.PARAM:
                self.bindings.fits((ty.DYN,), (target,))
            case "dyn" | "error":
                pass
            case _:
                self._fail(at, f"type '{target}' does not support field selection")
        return optional_of(found) if optional or was_optional else found

    def _call(self, node: Call) -> Type:
        if node.name == "_?._":
            name = node.arguments[1]
            assert isinstance(name, Literal)
            name.type = ty.STRING
            return self.bindings.resolve(self._field(node.at, node.arguments[0], name.value, optional=True))
        for argument in node.arguments:
            self.check(argument)
        if node.target is not None:
            prefix = _qualified(node.target)
            if prefix is not None and f"{prefix}.{node.name}" in self._functions:
                node.name, node.target = f"{prefix}.{node.name}", None
            else:
                self.check(node.target)
        overloads = self._functions.get(node.name.removeprefix("."))
        return self._resolve(node, overloads) if overloads is not None else self._undeclared(node.at, node.name)

    def _resolve(self, node: Call, overloads: list[Overload]) -> Type:
        given = tuple(each.type for each in node.operands)
        if node.name in ("_&&_", "_||_"):
            return self._logical(node, overloads)
        result: Type | None = None
        node.overloads = []
        for overload in overloads:
            if overload.member != (node.target is not None):
                continue
            returned, *wanted = self.bindings.renamed((overload.result, *overload.arguments))
            if not self.bindings.fits(given, tuple(wanted)):
                continue
            node.overloads.append(overload)
            returned = self.bindings.resolve(returned)
            result = returned if result is None or result == returned or result == ty.DYN else ty.DYN
        if result is not None:
            return result
        shown = [str(self.bindings.resolve(each, dyn=True)) for each in given]
        head = f"{shown.pop(0)}." if node.target is not None else ""
        text = f"found no matching overload for '{node.name}' applied to '{head}({', '.join(shown)})'"
        return self._fail(node.at, text)

    def _logical(self, node: Call, overloads: list[Overload]) -> Type:
        node.overloads, is_good = overloads, True
        for each in node.arguments:
            if not self.bindings.fits((each.type,), (ty.BOOL,)):
                self._mismatch(each.at, ty.BOOL, each.type)
                is_good = False
        return ty.BOOL if is_good else ty.ERROR

    def _join(self, before: Type | None, found: Type) -> Type:
        """The type of a list's items or a map's values; `literals` finds those that are of several ones."""
        if before is None:
            return found
        if self.bindings.fits((before,), (found,)):
            return before if ty.less_specific(before, found) else found
        return ty.DYN

    def _present(self, node: Node, optional: bool) -> Type:
        found = node.type
        if not optional:
            return found
        inner, was_optional = unwrapped(found)
        if not was_optional and found.kind not in ("dyn", "error"):
            self._mismatch(node.at, optional_of(found), found)
        return inner

    def _list(self, node: ListOf) -> Type:
        found: Type | None = None
        for i, item in enumerate(node.items):
            self.check(item)
            found = self._join(found, self._present(item, i in node.optional))
        return list_of(found if found is not None else self.bindings.fresh())

    def _map(self, node: MapOf) -> Type:
        keys: Type | None = None
        values: Type | None = None
        for key, value, optional in node.entries:
            keys = self._join(keys, self.check(key))
            self.check(value)
            values = self._join(values, self._present(value, optional))
        return map_of(keys or self.bindings.fresh(), values or self.bindings.fresh())

    def _message(self, node: Message) -> Type:
        for value in node.values:
            self.check(value)
        if node.name not in TYPE_NAMES:
            return self._undeclared(node.at, node.name)
        return self._fail(node.at, f"'{TYPE_NAMES[node.name]}' is not a message type")

    def _fold(self, node: Fold) -> Type:
        over, begin = self.bindings.resolve(self.check(node.over)), self.check(node.begin)
        self._scopes.append({node.accumulator: begin})
        self._scopes.append(dict(zip(node.variables, self._items(node, over), strict=True)))
        self.check(node.condition)
        self._assert(node.condition, ty.BOOL)
        self.check(node.step)
        self._assert(node.step, begin)
        self._scopes.pop()
        found = self.check(node.result)
        self._scopes.pop()
        return self.bindings.resolve(found)

    def _items(self, node: Fold, over: Type) -> tuple[Type, ...]:
        two = len(node.variables) == 2
        match over.kind:
            case "list":
                return (ty.INT, over.params[0]) if two else over.params
            case "map":
                return over.params if two else over.params[:1]
            case "dyn" | "error" | ty.PARAM:
                self.bindings.fits((ty.DYN,), (over,))
                found = ty.DYN
            case _:
                text = f"expression of type '{over}' cannot be range of a comprehension (must be list, map, or dynamic)"
                found = self._fail(node.over.at, text)
        return (found,) * len(node.variables)

    def _assert(self, node: Node, wanted: Type) -> None:
        if not self.bindings.fits((wanted,), (node.type,)):
            self._mismatch(node.at, wanted, node.type)


def _qualified(node: Node) -> str | None:
    """A dotted name, if a part is nothing else."""
    if isinstance(node, Ident):
        return node.name
    if isinstance(node, Select) and not node.test:
        prefix = _qualified(node.operand)
        return f"{prefix}.{node.name}" if prefix is not None else None
    return None


def variables_of(node: Node) -> set[str]:
    """The variables that an expression speaks of."""
    return {each.name for each in walk(node) if isinstance(each, Ident)}
