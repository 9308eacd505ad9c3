"""What an expression may cost at most, before there is a value. After cel-go's checker/cost.go; calls are in `callcosts`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kube_devserver.custom.cel import types as ty
from kube_devserver.custom.cel.callcosts import Argument, Estimate, call_cost
from kube_devserver.custom.cel.sizes import MOST, ONE, UNKNOWN, ZERO, Range, exactly
from kube_devserver.custom.cel.tree import Call, Fold, Ident, ListOf, Literal, MapOf, Node, Select
from kube_devserver.custom.cel.types import Type, is_optional

Path = tuple[str, ...]
# the size of what stands at a path of variables' values; None if nothing is known
SizeOf = Callable[[Path], Range | None]
LIST_COST, MAP_COST, MESSAGE_COST = exactly(10), exactly(30), exactly(40)
_SCALARS = ("bool", "double", "duration", "int", "timestamp", "uint")


@dataclass(frozen=True)
class Entries:
    """The sizes of a list's indices and items, or of a map's keys and values."""

    kind: str
    key: Range
    value: Range

    def union(self, other: Entries | None) -> Entries | None:
        """Those of either."""
        return None if other is None else Entries(self.kind, self.key.union(other.key), self.value.union(other.value))


@dataclass(frozen=True)
class _Local:
    path: Path
    size: Range | None
    entries: Entries | None


def estimate(root: Node, size_of: SizeOf) -> int:
    """The most that an expression, which is checked, can cost.

    Args:
        root: of the expression.
        size_of: what is known of the values of its variables.
    """
    return _Estimator(size_of).cost(root).most


class _Estimator:
    def __init__(self, size_of: SizeOf) -> None:
        self._size_of = size_of
        self._paths: dict[Node, Path] = {}
        self._locals: dict[str, list[_Local]] = {}
        self._sizes: dict[Node, Range] = {}
        self._entries: dict[Node, Entries] = {}

    def cost(self, node: Node) -> Range:
        """What a part costs, with all below it."""
        match node:
            case Literal():
                return ZERO
            case Ident(name=name):
                local = self._local(name)
                self._paths[node] = local.path if local is not None else (name,)
                return ONE
            case Select(meant=None):
                return self._select(node)
            case Select(name=name):  # the dotted name of a type
                self._paths[node] = (name,)
                return ONE
            case Call():
                return self._call(node)
            case ListOf():
                return self._list(node)
            case MapOf():
                return self._map(node)
            case Fold():
                return self._bind(node) if node.is_binding else self._fold(node)
        return ZERO

    # ------------------------------------------------------------------ parts

    def _select(self, node: Select) -> Range:
        found = self.cost(node.operand)
        if node.test:
            return found
        self._paths[node] = (*self._path(node.operand), node.name)
        return found.plus(ONE) if node.operand.type.kind in ("map", ty.STRUCT) else found

    def _list(self, node: ListOf) -> Range:
        total, items = LIST_COST, Range(MOST if node.items else 0, 0)
        for each in node.items:
            total = total.plus(self.cost(each))
            items = items.union(self._known(each))
        self._entries[node] = Entries("list", ONE, items)
        return total

    def _map(self, node: MapOf) -> Range:
        least = MOST if node.entries else 0
        total, keys, values = MAP_COST, Range(least, 0), Range(least, 0)
        for key, value, _ in node.entries:
            total = total.plus(self.cost(key)).plus(self.cost(value))
            keys, values = keys.union(self._known(key)), values.union(self._known(value))
        self._entries[node] = Entries("map", keys, values)
        return total

    def _call(self, node: Call) -> Range:
        if node.name == "dyn" and node.target is None:
            found = self.cost(node.arguments[0])
            self._copy(node, node.arguments[0])
            return found.plus(ONE)
        costs = [self.cost(each) for each in node.arguments]
        arguments = [self._argument(each) for each in node.arguments]
        total, target = ZERO, None
        if node.target is not None:
            total = self.cost(node.target)
            target = self._argument(node.target)
        signatures = ["select_optional_field"] if node.name == "_?._" else [each.signature for each in node.overloads]
        if not signatures:
            return ZERO
        return total.plus(self._overloads(node, signatures, target, arguments, costs))

    def _overloads(
        self, node: Call, signatures: list[str], target: Argument | None, arguments: list[Argument], costs: list[Range]
    ) -> Range:
        cost, size = Range(MOST, 0), None
        for signature in signatures:
            found = self._overload(node, signature, target, arguments, costs)
            cost = cost.union(found.cost)
            if found.size is not None:
                size = found.size if size is None else size.union(found.size)
            if signature in ("_[_](list(A), int)", "_[_](map(A, B), A)"):
                entries = self._entries_of(node.arguments[0])
                size = entries.value if entries is not None else None
                step = "@items" if signature.startswith("_[_](list") else "@values"
                self._paths[node] = (*self._path(node.arguments[0]), step)
            if size is None:
                size = self._size(node)
        if size is not None:
            self._sizes[node] = size
        return cost

    def _overload(
        self, node: Call, signature: str, target: Argument | None, arguments: list[Argument], costs: list[Range]
    ) -> Estimate:
        if node.name in ("_&&_", "_||_"):
            return Estimate(Range(costs[0].least, costs[0].plus(costs[1]).most))
        if node.name == "_?_:_":
            yes, no = self._entries_of(node.arguments[1]), self._entries_of(node.arguments[2])
            if yes is not None and (both := yes.union(no)) is not None:
                self._entries[node] = both
            size = self._known(node.arguments[1]).union(self._known(node.arguments[2]))
            return Estimate(costs[0].plus(costs[1].union(costs[2])), size)
        own = call_cost(node.name, signature, target, arguments, self._element)
        for cost in costs:
            own = Estimate(own.cost.plus(cost), own.size)
        if signature.startswith("_+_(") and own.size is not None:
            one, other = self._entries_of(node.arguments[0]), self._entries_of(node.arguments[1])
            if one is not None and (both := one.union(other)) is not None:
                self._entries[node] = both
        return own

    def _fold(self, node: Fold) -> Range:
        total = self.cost(node.over).plus(self.cost(node.begin))
        self._push(node.accumulator, self._local_of(node.begin))
        names = self._loop_variables(node)
        for name, local in names:
            self._push(name, local)
        step = self.cost(node.condition).plus(self.cost(node.step))
        for name, _ in names:
            self._locals[name].pop()
        total = total.plus(self.cost(node.result))
        self._locals[node.accumulator].pop()
        count = self._known(node.over)
        if isinstance(node.begin, Literal):
            if (size := self._size(node.begin)) is not None:
                self._sizes[node] = size
        elif isinstance(node.begin, ListOf | MapOf):
            self._sizes[node] = count
            if (entries := self._entries_of(node.step)) is not None:
                self._entries[node] = entries
        return total.plus(count.times(step))

    def _bind(self, node: Fold) -> Range:
        total = self.cost(node.over).plus(self.cost(node.begin))
        self._push(node.accumulator, self._local_of(node.begin))
        total = total.plus(self.cost(node.result))
        self._locals[node.accumulator].pop()
        self._copy(node, node.result)
        return total

    # ------------------------------------------------------------------ what is known of them

    def _push(self, name: str, local: _Local) -> None:
        self._locals.setdefault(name, []).append(local)

    def _local(self, name: str) -> _Local | None:
        found = self._locals.get(name)
        return found[-1] if found else None

    def _local_of(self, node: Node) -> _Local:
        return _Local(self._path(node), self._size(node), self._entries_of(node))

    def _loop_variables(self, node: Fold) -> list[tuple[str, _Local]]:
        entries, path = self._entries_of(node.over), self._path(node.over)
        is_list = (entries.kind if entries is not None else node.over.type.kind) == "list"
        key = _Local((*path, "@indices" if is_list else "@keys"), entries.key if entries is not None else None, None)
        value = _Local(
            (*path, "@items" if is_list else "@values"), entries.value if entries is not None else None, None
        )
        if len(node.variables) == 2:
            return [(node.variables[0], key), (node.variables[1], value)]
        return [(node.variables[0], value if is_list else key)]

    def _path(self, node: Node) -> Path:
        if isinstance(node, Ident) and (local := self._local(node.name)) is not None:
            return local.path
        return self._paths.get(node, ())

    def _argument(self, node: Node) -> Argument:
        path = self._path(node)
        path = () if path and path[0].startswith("@result") else path
        return Argument(node, node.type, path, self._size(node) or self._at(path))

    def _element(self, argument: Argument) -> Argument | None:
        """What a list holds."""
        if not argument.type.params:
            return None
        path = (*argument.path, "@items") if argument.path else ()
        return Argument(None, argument.type.params[0], path, self._at(path))

    def _at(self, path: Path) -> Range | None:
        return self._size_of(path) if path else None

    def _known(self, node: Node) -> Range:
        return self._size(node) or UNKNOWN

    def _size(self, node: Node) -> Range | None:
        if node in self._sizes:
            return self._sizes[node]
        if (size := _written(node)) is not None:
            return size
        if (size := self._at(self._path(node))) is not None:
            self._sizes[node] = size
            return size
        if _is_scalar(node.type):
            return ONE
        local = self._local(node.name) if isinstance(node, Ident) else None
        return local.size if local is not None else None

    def _entries_of(self, node: Node) -> Entries | None:
        if node in self._entries:
            return self._entries[node]
        local = self._local(node.name) if isinstance(node, Ident) else None
        return local.entries if local is not None else None

    def _copy(self, node: Node, source: Node) -> None:
        if (size := self._size(source)) is not None:
            self._sizes[node] = size
        if (entries := self._entries_of(source)) is not None:
            self._entries[node] = entries


def _written(node: Node) -> Range | None:
    """The size of what is written out."""
    match node:
        case Literal(value=str() | bytes() as value):
            return exactly(len(value))
        case Literal():
            return ONE
        case ListOf(items=items):
            return exactly(len(items))
        case MapOf(entries=entries):
            return exactly(len(entries))
    return None


def _is_scalar(found: Type) -> bool:
    return found.kind in _SCALARS or (is_optional(found) and _is_scalar(found.params[0]))
