"""What an expression is made of. `check` writes types and overloads into it; macros are comprehensions here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kube_devserver.custom.cel.types import DYN, Type

if TYPE_CHECKING:
    from kube_devserver.custom.cel.functions import Overload

ACCUMULATOR = "@result"


@dataclass(eq=False)
class Node:
    """Any part: where it stands (for messages), and its type once it is checked."""

    at: int
    type: Type = field(default=DYN, kw_only=True)


@dataclass(eq=False)
class Literal(Node):
    """A value."""

    value: Any


@dataclass(eq=False)
class Ident(Node):
    """A variable, or a type's name."""

    name: str
    meant: Type | None = field(default=None, kw_only=True)


@dataclass(eq=False)
class Select(Node):
    """A field; or, with `test`, whether it is there."""

    operand: Node
    name: str
    test: bool = False
    meant: Type | None = field(default=None, kw_only=True)  # what a dotted name of a type means


@dataclass(eq=False)
class Call(Node):
    """A function or an operator with its arguments."""

    name: str
    target: Node | None
    arguments: list[Node]
    overloads: list[Overload] = field(default_factory=list)

    @property
    def operands(self) -> list[Node]:
        """Target and arguments."""
        return [*([self.target] if self.target is not None else []), *self.arguments]


@dataclass(eq=False)
class ListOf(Node):
    """A list; some of its items are there only if an optional value is."""

    items: list[Node]
    optional: frozenset[int] = frozenset()


@dataclass(eq=False)
class MapOf(Node):
    """A map; keys, values and whether a value is optional."""

    entries: list[tuple[Node, Node, bool]]


@dataclass(eq=False)
class Message(Node):
    """A message with fields, which no type of Kubernetes can be made as."""

    name: str
    values: list[Node]


@dataclass(eq=False)
class Fold(Node):
    """A loop: `accumulator` begins as `begin` and becomes `step` for each of `over`, while `condition` holds; `result` is made of it.

    A loop over nothing whose condition is false gives a name to a value.
    """

    macro: str
    over: Node
    variables: tuple[str, ...]
    accumulator: str
    begin: Node
    condition: Node
    step: Node
    result: Node

    @property
    def is_binding(self) -> bool:
        """Whether it only names a value."""
        return self.accumulator != ACCUMULATOR


def children(node: Node) -> Iterator[Node]:
    """The parts of a part."""
    match node:
        case Select(operand=operand):
            yield operand
        case Call():
            yield from node.operands
        case ListOf(items=items):
            yield from items
        case MapOf(entries=entries):
            for key, value, _ in entries:
                yield key
                yield value
        case Message(values=values):
            yield from values
        case Fold():
            yield from (node.over, node.begin, node.condition, node.step, node.result)


def walk(node: Node) -> Iterator[Node]:
    """A part and all parts below it."""
    yield node
    for child in children(node):
        yield from walk(child)
