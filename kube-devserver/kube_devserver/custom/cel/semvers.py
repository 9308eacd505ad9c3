"""Semantic versions: `semver("1.2.3").isLessThan(semver("1.3.0"))`. After k8s.io/apiserver's library and github.com/blang/semver."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import zip_longest
from typing import Any

from kube_devserver.custom.cel.faults import EvalError
from kube_devserver.custom.cel.texts import quoted
from kube_devserver.custom.cel.values import MOST_UINT, Semver

_NUMBER, _WORD = re.compile(r"^[0-9]+\Z"), re.compile(r"^[0-9A-Za-z-]+\Z")


def parse(text: str, normalize: bool = False) -> Semver:
    """A version; with `normalize` a `v`, leading zeros and missing numbers are forgiven.

    Raises:
        EvalError: it is none.

    >>> parse("v01.2", True).numbers, parse("1.2.3-a.1+b").pre
    ((1, 2, 0), ('a', '1'))
    """
    if normalize:
        text = _normalized(text)
    if not text:
        raise EvalError("Version string empty")
    parts = text.split(".", 2)
    if len(parts) != 3:
        raise EvalError("No Major.Minor.Patch elements found")
    patch, plus, build = parts[2].partition("+")
    patch, dash, pre = patch.partition("-")
    names = (("major", parts[0]), ("minor", parts[1]), ("patch", patch))
    major, minor, patch_number = (_number(name, digits) for name, digits in names)
    return Semver((major, minor, patch_number), _pre(pre) if dash else (), _build(build) if plus else ())


def _normalized(text: str) -> str:
    parts = text.removeprefix("v").split(".", 2)
    for i, part in enumerate(parts):
        if len(part) > 1:
            short = part.lstrip("0")
            parts[i] = short if short[:1].isdigit() and short[:1].isascii() else f"0{short}"
    if len(parts) < 3:
        if re.search(r"[+-]", parts[-1]):
            raise EvalError("short version cannot contain PreRelease/Build meta data")
        parts += ["0"] * (3 - len(parts))
    return ".".join(parts)


def _number(name: str, digits: str) -> int:
    if digits and not _NUMBER.match(digits):
        raise EvalError(f"Invalid character(s) found in {name} number {quoted(digits)}")
    if len(digits) > 1 and digits[0] == "0":
        raise EvalError(f"{name.capitalize()} number must not contain leading zeroes {quoted(digits)}")
    if not digits:
        raise EvalError('strconv.ParseUint: parsing "": invalid syntax')
    if len(digits) > 20 or int(digits) > MOST_UINT:
        raise EvalError(f"strconv.ParseUint: parsing {quoted(digits)}: value out of range")
    return int(digits)


def _pre(text: str) -> tuple[str, ...]:
    for part in text.split("."):
        if not part:
            raise EvalError("Prerelease is empty")
        if _NUMBER.match(part) and len(part) > 1 and part[0] == "0":
            raise EvalError(f"Numeric PreRelease version must not contain leading zeroes {quoted(part)}")
        if not _WORD.match(part):
            raise EvalError(f"Invalid character(s) found in prerelease {quoted(part)}")
    return tuple(text.split("."))


def _build(text: str) -> tuple[str, ...]:
    for part in text.split("."):
        if not part:
            raise EvalError("Build meta data is empty")
        if not _WORD.match(part):
            raise EvalError(f"Invalid character(s) found in build meta data {quoted(part)}")
    return tuple(text.split("."))


def _is_semver(text: str, normalize: bool = False) -> bool:
    try:
        parse(text, normalize)
    except EvalError:
        return False
    return True


def compare(one: Semver, other: Semver) -> int:
    """-1, 0 or 1; what stands after a plus says nothing.

    >>> compare(parse("1.0.0-a"), parse("1.0.0")), compare(parse("1.0.0-a.2"), parse("1.0.0-a.10"))
    (-1, -1)
    """
    if one.numbers != other.numbers:
        return 1 if one.numbers > other.numbers else -1
    if not one.pre or not other.pre:
        return int(not one.pre and bool(other.pre)) - int(bool(one.pre) and not other.pre)
    for mine, theirs in zip_longest(one.pre, other.pre):
        if mine != theirs:
            return 1 if _rank(mine) > _rank(theirs) else -1
    return 0


def _rank(part: str | None) -> tuple[int, int, str]:
    if part is None:
        return (0, 0, "")
    return (1, int(part), "") if _NUMBER.match(part) else (2, 0, part)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "semver(string) Semver": parse, "semver(string, bool) Semver": parse,
    "isSemver(string) bool": _is_semver, "isSemver(string, bool) bool": _is_semver,
    "Semver.isGreaterThan(Semver) bool": lambda one, other: compare(one, other) == 1,
    "Semver.isLessThan(Semver) bool": lambda one, other: compare(one, other) == -1, "Semver.compareTo(Semver) int": compare,
    "Semver.major() int": lambda version: version.numbers[0], "Semver.minor() int": lambda version: version.numbers[1],
    "Semver.patch() int": lambda version: version.numbers[2],
}  # fmt: skip
