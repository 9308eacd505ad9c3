"""CEL expressions of validation rules, compiled and evaluated by Google's library.

The library bounds what it parses (100,000 characters, 32 levels) and how often an evaluation loops (10,000
times). It does not bound what one step of a loop may do, and it cannot be interrupted. `estimate_cost`
therefore bounds an evaluation before it begins, from the sizes of the values and from what stands in the
expression.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from cel_expr_python import cel

from kube_devserver.errors import DevServerError

SELF, OLD = "self", "oldSelf"
MOST_COST = 200_000_000  # of one evaluation, in bytes that are looked at: two seconds
MOST_LOOPS = 10_000  # the library's own limit
CHEAP_MATCH, DEAR_MATCH = 1_000, 1_000_000  # bytes that one use of a regular expression is worth

_TEXTS = re.compile(r"""r?(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")""", re.DOTALL)
_OLD = re.compile(rf"(?<![\w.]){OLD}\b")
_LOOPS = re.compile(r"\.(?:all|exists|exists_one|map|filter)\s*\(")
_SQUARES = re.compile(
    r"\.(?:replace|join)\s*\(|(?<!'')\.format\s*\("
)  # a result may be as long as the operands' product
_ADDS = re.compile(r"\+")  # a result may be as long as the sum of the operands
_LISTS = re.compile(r"\.(?:split)\s*\(")  # a list may be as long as a text
_MATCHES = re.compile(r"\bmatches\s*\(|\.matches\s*\(")
_LITERAL_MATCHES = re.compile(r"\.matches\s*\(\s*r?['\"]")
_LIST_LENGTH = re.compile(r",")


class ExpressionError(DevServerError):
    """An expression cannot be compiled or evaluated; the message is the library's."""


class CostError(DevServerError):
    """Evaluating an expression could take too long."""


@dataclass(frozen=True)
class Sizes:
    """How large the values are that an expression can read.

    Args:
        total: their length as JSON, in bytes.
        longest: the length of the longest list, map or string in them.
    """

    total: int
    longest: int


def measure(*values: Any) -> Sizes:
    """The sizes of some values together.

    >>> measure({"a": [1, 2, 3]})
    Sizes(total=13, longest=3)
    """
    total, longest, level = 0, 0, list(values)
    for value in values:
        total += len(orjson.dumps(value))
    while level:
        below: list[Any] = []
        for each in level:
            if isinstance(each, dict | list):
                longest = max(longest, len(each))
                below += each.values() if isinstance(each, dict) else each
        level = below
    return Sizes(total, longest)


@dataclass(frozen=True)
class _Shape:
    """What of an expression's text decides its cost."""

    loops: int
    squares: int
    adds: int
    lists: int
    matches: int
    is_match_dear: bool
    longest_literal: int
    growth: int  # how often an argument of format() may appear in its result
    length: int


class Expression:
    """A compiled expression.

    Args:
        text: as the rule has it.
        compiled: by the library.
    """

    def __init__(self, text: str, compiled: Any) -> None:
        code, literals = _TEXTS.sub("''", text), _TEXTS.findall(text)
        self.uses_old = _OLD.search(code) is not None
        self.type: str = compiled.return_type().name()
        self._compiled = compiled
        matches = len(_MATCHES.findall(code))
        self._shape = _Shape(
            loops=len(_LOOPS.findall(code)),
            squares=len(_SQUARES.findall(code)),
            adds=len(_ADDS.findall(code)),
            lists=len(_LISTS.findall(code)),
            matches=matches,
            is_match_dear="{" in "".join(literals) or len(_LITERAL_MATCHES.findall(text)) < matches,
            longest_literal=max([len(_LIST_LENGTH.findall(code)) + 1, *map(len, literals)]),
            growth=1 + "".join(literals).count("%"),
            length=len(text),
        )

    @property
    def is_costly(self) -> bool:
        """Whether the cost can be more than the size of the values."""
        shape = self._shape
        return bool(shape.loops or shape.squares or shape.adds)

    def estimate_cost(self, sizes: Sizes) -> int:
        """An upper bound of what an evaluation looks at, in bytes; at most MOST_COST + 1."""
        shape, size = self._shape, sizes.total + self._shape.length
        loops = 1
        if shape.loops:
            longest = max(sizes.longest, shape.longest_literal)
            is_open = shape.squares or shape.adds or shape.lists  # a loop may go over something longer
            loops = MOST_LOOPS if is_open else min(MOST_LOOPS, longest ** min(shape.loops, 4))
        match = shape.matches * (DEAR_MATCH if shape.is_match_dear else CHEAP_MATCH)
        if shape.squares > 4 or shape.adds > 30:
            return MOST_COST + 1
        cost: int = loops * (size ** (2**shape.squares) * 2**shape.adds * shape.growth + match)
        return min(cost, MOST_COST + 1)

    def evaluate(self, variables: Mapping[str, Any], sizes: Sizes | None = None) -> Any:
        """The value with these variables.

        Args:
            variables: by name, as JSON.
            sizes: of the variables; None for an expression that is not costly.

        Raises:
            CostError: it could take too long.
            ExpressionError: it has no value.
        """
        if sizes is not None and self.estimate_cost(sizes) > MOST_COST:
            raise CostError("the values are too large for this rule")
        try:
            value = self._compiled.eval(data={SELF: None, OLD: None} | dict(variables))
            if value.type().name() == "ERROR":
                raise ExpressionError(_plain(str(value.plain_value())))
            return value.plain_value()
        except (RuntimeError, TypeError, ValueError, OverflowError) as error:
            text = str(error)
            if "budget exceeded" in text:
                raise CostError(_plain(text)) from error
            raise ExpressionError(_plain(text)) from error


@lru_cache(4_096)
def compile_expression(text: str) -> Expression:
    """Compile an expression whose variables, `self` and `oldSelf`, may have any type.

    Raises:
        ExpressionError: it cannot be compiled.
    """
    for environment in (_small_environment, _full_environment):
        try:
            return Expression(text, environment().compile(text))
        except (RuntimeError, TypeError, ValueError) as error:
            fault = ExpressionError(_plain(str(error)))
    raise fault


def with_optional(text: str, is_present: bool) -> str:
    """An expression whose `oldSelf` is an optional value.

    >>> with_optional("oldSelf.hasValue() && 'oldSelf' != self", True)
    "optional.of(oldSelf).hasValue() && 'oldSelf' != self"
    """
    value = f"optional.of({OLD})" if is_present else "optional.none()"
    parts, at = [], 0
    for match in _TEXTS.finditer(text):
        parts += [_OLD.sub(value, text[at : match.start()]), match[0]]
        at = match.end()
    return "".join([*parts, _OLD.sub(value, text[at:])])


@lru_cache(1)
def _small_environment() -> Any:
    """CEL's standard functions, `sum` and `split`; most rules use no others."""
    split = cel.Overload(
        "string_split", cel.Type.List(cel.Type.STRING), [cel.Type.STRING] * 2, True, impl=_split
    )
    return _environment([cel.CelExtension("kubernetes.strings", [cel.FunctionDecl("split", [split])])])


@lru_cache(1)
def _full_environment() -> Any:
    """With the library's extensions, each of which takes 4 MB of memory: loaded when a rule needs them."""
    from cel_expr_python.ext import ext_optional, ext_strings

    return _environment([ext_strings.ExtStrings(), ext_optional.ExtOptional()])


def _environment(extensions: list[Any]) -> Any:
    dynamic, numbers = cel.Type.DYN, cel.Type.List(cel.Type.DYN)
    total = cel.FunctionDecl("sum", [cel.Overload("list_sum", dynamic, [numbers], True, impl=sum)])
    own = cel.CelExtension("kubernetes.lists", [total])
    return cel.NewEnv(variables={SELF: dynamic, OLD: dynamic}, extensions=[*extensions, own])


def _split(text: str, separator: str) -> list[str]:
    return text.split(separator) if separator else list(text)


def _plain(text: str) -> str:
    r"""The library's message in one line, without the picture of where the mistake is.

    >>> _plain("INVALID_ARGUMENT: ERROR: <input>:1:6: Syntax error\n | self.\n | .....^ [INVALID_ARGUMENT]")
    'ERROR: <input>:1:6: Syntax error'
    """
    text = re.sub(r"^[A-Z_]+: |\s*\[[A-Z_]+\]$", "", text)
    return "; ".join(line for line in text.splitlines() if not line.startswith(" | "))
