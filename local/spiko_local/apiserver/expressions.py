"""CEL rules of CustomResourceDefinitions: the `common-expression-language` library, and what Kubernetes adds to the language."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import itertools
import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache, lru_cache
from re import _parser  # type: ignore[attr-defined]  # no public way to look into a pattern
from typing import Any
from urllib.parse import urlsplit

from spiko_local.apiserver import costs
from spiko_local.apiserver.decode import parse_quantity
from spiko_local.apiserver.statuses import StatusError

_RESERVED = frozenset(
    [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)


def _load_library() -> Any:
    """The library's compiled part alone: its package brings a command line along whose imports take as long as all of the API server's."""
    package = importlib.util.find_spec("cel")
    assert package is not None
    spec = importlib.machinery.PathFinder.find_spec("cel.cel", package.submodule_search_locations)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


cel = _load_library()


class RuleError(Exception):
    """A rule cannot be compiled, or went wrong with a value."""


@cache
def compile_rule(rule: str) -> Any:
    """Compile a rule.

    Raises:
        RuleError: it is no CEL, or uses syntax that is not supported here.
    """
    try:
        return cel.compile(rule)
    except (ValueError, RuntimeError) as error:
        raise RuleError(str(error)) from error


def evaluate(rule: str, variables: dict[str, Any]) -> Any:
    """A rule's value.

    Raises:
        RuleError: it goes wrong.
    """
    context = cel.Context()
    for name, value in variables.items():
        context.add_variable(name, escaped(value))
    for name, function in _FUNCTIONS.items():
        context.add_function(name, function)
    if costs.is_costly(rule, list(variables.values())):
        context.add_function(
            costs.TICK, costs.make_counter(lambda: ValueError(f"call cost exceeds limit for rule: {rule}"))
        )
        rule = costs.counted(rule)
    try:
        return compile_rule(rule).execute(context)
    except KeyError as error:
        raise RuleError(f"no such key: {error.args[0]}") from error
    except (
        RuntimeError,
        TypeError,
        ValueError,
        IndexError,
        ZeroDivisionError,
        OverflowError,
        StatusError,
    ) as error:
        raise RuleError(str(error)) from error


SHORT, FEW = (
    500,
    2,
)  # characters of a text, and repeats of a pattern, that Python's engine gets through in good time whatever they are


@lru_cache(10_000)
def matches(pattern: str, text: str) -> bool:
    """Whether a pattern is found in a text, in time that is linear, as that of Go's expressions is.

    Python's engine is the faster one where it cannot go astray; the library's, which cannot anywhere, takes the rest.

    Raises:
        RuleError: the pattern is none.
    """
    if len(text) <= SHORT and _is_tame(pattern):
        return _anchored(pattern).search(text) is not None
    context = cel.Context()
    context.add_variable("text", text)
    context.add_variable("pattern", pattern)
    try:
        return bool(compile_rule("text.matches(pattern)").execute(context))
    except (RuntimeError, TypeError, ValueError) as error:
        raise RuleError(str(error)) from error


@cache
def _is_tame(pattern: str) -> bool:
    try:
        tree = _parser.parse(pattern)
    except (re.error, RecursionError, OverflowError):
        return False
    return not _repeats(tree, 0) and len(re.findall(r"[*+{]", pattern)) <= FEW


@cache
def _anchored(pattern: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\z|(?<!\\)\$$", r"\\Z", pattern))  # Go's $ is the very end


def escape(name: str) -> str:
    """A field's name as an expression says it.

    >>> escape("package"), escape("a-b"), escape("x__y")
    ('__package__', 'a__dash__b', 'x__underscores__y')
    """
    if name in _RESERVED:
        return f"__{name}__"
    name = name.replace("__", "__underscores__")
    return name.replace(".", "__dot__").replace("-", "__dash__").replace("/", "__slash__")


def escaped(value: Any) -> Any:
    """A value whose fields have the names that expressions use."""
    if isinstance(value, dict):
        return {escape(key): escaped(each) for key, each in value.items()}
    if isinstance(value, list):
        return [escaped(each) for each in value]
    return value


def _sum(values: list[Any]) -> Any:
    return sum(values)


def _index(value: Any, wanted: Any, start: int = 0) -> int:
    if isinstance(value, str):
        return value.find(wanted, start)
    return value.index(wanted) if wanted in value else -1


def _last_index(value: Any, wanted: Any) -> int:
    if isinstance(value, str):
        return value.rfind(wanted)
    return len(value) - 1 - value[::-1].index(wanted) if wanted in value else -1


def _split(text: str, by: str, most: int = -1) -> list[str]:
    if most == 0:
        return []
    if by == "":
        return list(text) if most < 0 else [*text[: most - 1], text[most - 1 :]]
    return text.split(by, most - 1 if most > 0 else -1)


def _replace(text: str, old: str, new: str, most: int = -1) -> str:
    return text.replace(old, new, most)


def _substring(text: str, start: int, end: int | None = None) -> str:
    end = len(text) if end is None else end
    if not 0 <= start <= end <= len(text):
        raise ValueError(f"substring: index out of range: {start}, {end}")
    return text[start:end]


def _char(text: str, at: int) -> str:
    if not 0 <= at <= len(text):
        raise ValueError(f"charAt: index out of range: {at}")
    return text[at : at + 1]


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    """A pattern that Python's engine, which goes back and tries again, gets through in good time: without repeats of repeats."""
    if _repeats(_parser.parse(pattern), 0):
        raise ValueError(f"find: a repeat within a repeat is too costly here: {pattern}")
    return re.compile(pattern)


def _repeats(tree: Any, depth: int) -> bool:
    for operation, argument in tree:
        below = depth
        if str(operation) in ("MAX_REPEAT", "MIN_REPEAT") and argument[1] > 1:
            below += 1
            if below > 1:
                return True
        parts = argument if isinstance(argument, tuple | list) else (argument,)
        for part in parts:
            for tree_below in part if isinstance(part, list) else (part,):
                if isinstance(tree_below, _parser.SubPattern) and _repeats(tree_below, below):
                    return True
    return False


def _find(text: str, pattern: str) -> str:
    match = _pattern(pattern).search(text)
    return match[0] if match else ""


def _find_all(text: str, pattern: str, most: int = -1) -> list[str]:
    found = [match[0] for match in _pattern(pattern).finditer(text)]
    return found if most < 0 else found[:most]


def _sorted(values: list[Any]) -> bool:
    return all(one <= other for one, other in itertools.pairwise(values))


def _distinct(values: list[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def _flatten(values: list[Any]) -> list[Any]:
    return [item for value in values for item in (value if isinstance(value, list) else [value])]


def _quantity(text: str) -> Decimal:
    return parse_quantity(text)


def _is_url(text: str) -> bool:
    parts = urlsplit(text)
    return bool(parts.scheme) or text.startswith("/")


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sum": _sum, "min": lambda *values: min(values[0] if len(values) == 1 else values),
    "max": lambda *values: max(values[0] if len(values) == 1 else values),
    "isSorted": _sorted, "indexOf": _index, "lastIndexOf": _last_index, "distinct": _distinct, "flatten": _flatten,
    "first": lambda values: values[0], "last": lambda values: values[-1],
    "split": _split, "join": lambda values, by="": by.join(values), "replace": _replace, "substring": _substring,
    "charAt": _char, "lowerAscii": str.lower, "upperAscii": str.upper, "trim": str.strip,
    "reverse": lambda value: value[::-1], "find": _find, "findAll": _find_all, "isURL": _is_url,
    "isQuantity": lambda text: _good(parse_quantity, text),
    "size": len,  # the library counts a string's bytes
}  # fmt: skip


def _good(parse: Callable[[str], Any], text: str) -> bool:
    try:
        parse(text)
    except StatusError:
        return False
    return True
