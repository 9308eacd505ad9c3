"""Functions of text, `format` among them. After cel-go's ext/strings.go and ext/formatting.go."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from kube_devserver.custom.cel import types as ty
from kube_devserver.custom.cel.conversions import show_double, text_of_bytes
from kube_devserver.custom.cel.faults import CostError, EvalError
from kube_devserver.custom.cel.patterns import find, find_all
from kube_devserver.custom.cel.times import show_duration, show_timestamp
from kube_devserver.custom.cel.types import Type
from kube_devserver.custom.cel.values import Duration, Timestamp, type_of

MOST_CHARACTERS = 16 * 1024 * 1024  # of a text that an expression makes at once
_SPACE = " \t\n\v\f\r\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
_CLAUSE = re.compile(r"%(?:%|(\.?)(\d*)(.?))", re.DOTALL)
_LOWER = {char: char + 32 for char in range(65, 91)}
_UPPER = {char + 32: char for char in range(65, 91)}
_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


def quoted(text: str) -> str:
    r"""A text in quotes, as `strings.quote` writes it.

    >>> print(quoted('a "b"'))
    "a \"b\""
    """
    return '"' + "".join(_ESCAPES.get(char, char) for char in text) + '"'


def _out_of_range(index: int) -> EvalError:
    return EvalError(f"index out of range: {index}")


def _char_at(text: str, at: int) -> str:
    if not 0 <= at <= len(text):
        raise _out_of_range(at)
    return text[at : at + 1]


def _index_of(text: str, part: str, start: int = 0) -> int:
    if part == "":
        return start
    if start < 0:
        raise _out_of_range(start)
    return text.find(part, start)


def _last_index_of(text: str, part: str, start: int | None = None) -> int:
    if part == "":
        return len(text) if start is None else start
    if start is None:
        return text.rfind(part)
    if start < 0:
        raise _out_of_range(start)
    return text.rfind(part, 0, start + len(part)) if start < len(text) else -1


def _replace(text: str, old: str, new: str, most: int = -1) -> str:
    count = len(text) + 1 if old == "" else text.count(old)
    count = count if most < 0 else min(most, count)
    if len(text) + count * len(new) > MOST_CHARACTERS:
        raise CostError
    return text.replace(old, new, count)


def _split(text: str, by: str, most: int = -1) -> list[str]:
    if most == 0:
        return []
    if by == "":
        return list(text) if most < 0 or most > len(text) else [*text[: most - 1], text[most - 1 :]]
    return text.split(by, most - 1 if most > 0 else -1)


def _substring(text: str, start: int, end: int | None = None) -> str:
    if end is not None and start > end:
        raise EvalError(f"invalid substring range. start: {start}, end: {end}")
    for index in (start, len(text) if end is None else end):
        if not 0 <= index <= len(text):
            raise _out_of_range(index)
    return text[start:end]


def _join(values: list[Any], by: str = "") -> str:
    for each in values:
        if not isinstance(each, str):
            raise EvalError(f"join: invalid input: {each}")
    if sum(map(len, values)) + len(values) * len(by) > MOST_CHARACTERS:
        raise CostError
    return by.join(values)


# ------------------------------------------------------------------ format


def format_text(pattern: str, values: list[Any]) -> str:
    """A text with values in the places of its clauses: %s %d %f %e %b %x %X %o.

    Raises:
        EvalError: a clause is none, lacks a value or cannot take it.

    >>> format_text("%s is %d, %.2f", ["a", 3, 1.5])
    'a is 3, 1.50'
    """
    left = iter(range(len(values)))

    def write(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        index = next(left, len(values))
        if index >= len(values):
            raise EvalError(f"index {index} out of range")
        if match[0] == "%":
            raise EvalError("unexpected end of string")
        return write_clause(match, values[index])

    return _CLAUSE.sub(write, pattern)


def clauses(pattern: str) -> list[re.Match[str]]:
    """The clauses of a pattern that take a value."""
    return [match for match in _CLAUSE.finditer(pattern) if match[0] != "%%"]


def clause_fault(match: re.Match[str]) -> str:
    """What is wrong with a clause whatever its value; nothing if it is one."""
    dot, digits, letter = match[1], match[2], match[3]
    if dot and not letter:
        return "could not parse formatting clause: error while parsing precision: could not find end of precision specifier"
    if dot and not digits:
        why = 'error while converting precision to integer: strconv.Atoi: parsing "": invalid syntax'
        return f"could not parse formatting clause: error while parsing precision: {why}"
    if digits and not dot:
        letter = digits[0]
    return (
        ""
        if letter and letter in "sdfebxXo"
        else f'could not parse formatting clause: unrecognized formatting clause "{letter}"'
    )


_TAKES: dict[str, tuple[tuple[Type, ...], str]] = {
    "d": ((ty.INT, ty.UINT), "decimal clause can only be used on integers"),
    "f": ((ty.DOUBLE,), "fixed-point clause can only be used on doubles"),
    "e": ((ty.DOUBLE,), "scientific clause can only be used on doubles"),
    "b": ((ty.INT, ty.UINT, ty.BOOL), "only integers and bools can be formatted as binary"),
    "x": ((ty.INT, ty.UINT, ty.STRING, ty.BYTES), "only integers, byte buffers, and strings can be formatted as hex"),
    "o": ((ty.INT, ty.UINT), "octal clause can only be used on integers"),
}  # fmt: skip
_SHOWN = ("list", "map", "int", "uint", "double", "bool", "string", "timestamp", "bytes", "duration", "type", "null")
_NOT_SHOWN = "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps"


def clause_refusal(letter: str, given: Type, constant: bool = False) -> str:
    """Why a clause cannot take a value of a type; nothing if it can. A constant text may stand for a number: NaN, Infinity."""
    if letter == "s":
        return "" if given.kind in _SHOWN else f"{_NOT_SHOWN}, was given {given.name}"
    kinds, text = _TAKES[letter.lower()]
    if given in kinds or (constant and letter in "fe" and given == ty.STRING):
        return ""
    return f"{text}, was given {given.name}"


def write_clause(match: re.Match[str], value: Any) -> str:
    """A value in a clause's form."""
    if fault := clause_fault(match):
        raise EvalError(fault)
    letter, precision = match[3], int(match[2] or 6)
    numeric_text = value in ("NaN", "Infinity", "-Infinity") if isinstance(value, str) else False
    if refusal := clause_refusal(letter, type_of(value), constant=numeric_text):
        raise EvalError(f"error during formatting: {refusal}")
    if letter == "s":
        return _shown(value)
    if letter in "fe":
        return _number(float(value), min(precision, 100), letter)
    if isinstance(value, str | bytes):
        text = (value.encode() if isinstance(value, str) else value).hex()
        return text.upper() if letter == "X" else text
    return format(int(value), letter)


def _number(value: float, precision: int, letter: str) -> str:
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN
        return "NaN" if value != value else ("∞" if value > 0 else "-∞")  # noqa: PLR0124
    if letter == "f":
        return f"{value:,.{precision}f}"
    mantissa, exponent = f"{value:.{precision}e}".split("e")
    return f"{mantissa}×10{_raised(int(exponent))}"


def _raised(number: int) -> str:
    return f"{number:03}".translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")) if number < 0 else f"{number:02}".translate(
        str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
    )  # fmt: skip


def _shown(value: Any) -> str:
    """A value as %s writes it."""
    match value:
        case list():
            return "[" + ", ".join(map(_written, value)) + "]"
        case dict():
            pairs = sorted((_written_key(key), _written(each)) for key, each in value.items())
            return "{" + ", ".join(f"{key}:{each}" for key, each in pairs) + "}"
        case str() | Type():
            return str(value)
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case float():
            return show_double(value)
        case bytes():
            return text_of_bytes(value)
        case Duration():
            return show_duration(value)
        case Timestamp():
            return show_timestamp(value)
    return str(int(value))


def _written(value: Any) -> str:
    """A value within a list or a map: as it would stand in an expression."""
    match value:
        case str():
            return quoted(value)
        case bytes():
            return f"b{quoted(_shown(value))}"
        case Duration():
            return f"duration({quoted(_shown(value))})"
        case Timestamp():
            return f"timestamp({quoted(_shown(value))})"
        case float():
            return f"{value:.6f}"
    kind = type_of(value)
    if kind.kind not in _SHOWN:
        raise EvalError(f"error during formatting: no formatting function for {kind.name}")
    return _shown(value)


def _written_key(key: Any) -> str:
    if isinstance(key, float):
        raise EvalError("error during formatting: no formatting function for map key of type double")
    return _written(key)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "string.charAt(int) string": _char_at,
    "string.indexOf(string) int": _index_of, "string.indexOf(string, int) int": _index_of,
    "string.lastIndexOf(string) int": _last_index_of, "string.lastIndexOf(string, int) int": _last_index_of,
    "string.lowerAscii() string": lambda text: text.translate(_LOWER), "string.upperAscii() string": lambda text: text.translate(_UPPER),
    "string.replace(string, string) string": _replace, "string.replace(string, string, int) string": _replace,
    "string.split(string) list(string)": _split, "string.split(string, int) list(string)": _split,
    "string.substring(int) string": _substring, "string.substring(int, int) string": _substring,
    "string.trim() string": lambda text: text.strip(_SPACE),
    "string.format(list(dyn)) string": format_text, "strings.quote(string) string": quoted,
    "list(string).join() string": _join, "list(string).join(string) string": _join,
    "string.find(string) string": find, "string.findAll(string) list(string)": find_all,
    "string.findAll(string, int) list(string)": find_all,
}  # fmt: skip
