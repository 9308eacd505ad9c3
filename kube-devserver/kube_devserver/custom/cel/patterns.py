"""Regular expressions in time that is linear, as that of Go's is: RE2, which they come from."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from re import _parser  # type: ignore[attr-defined]  # no public way to look into a pattern
from typing import Any

import re2

from kube_devserver.custom.cel.faults import EvalError

# characters of a text, and repeats of a pattern, that Python's engine gets through in good time whatever they are: it is 20 times as fast
SHORT, FEW = 500, 2
_FOREIGN = re.compile(r"\\[pPQEzAZCax]|\[\[|--|&&|~~|\|\||\(\?(?!:)")  # what Python reads in another way, or not at all
_GO_WORDS = {  # what RE2 says, and Go's translation of it
    "missing )": "missing closing )", "missing ]": "missing closing ]", "invalid perl operator": "invalid or unsupported Perl syntax",
    "no argument for repetition operator": "missing argument to repetition operator",
    "invalid repetition size": "invalid repeat count", "bad repetition operator": "invalid nested repetition operator", "trailing \\": "trailing backslash at end of expression",
}  # fmt: skip


def find_fault(pattern: str) -> str:
    """What is wrong with a pattern, in Go's words; nothing if it is one.

    >>> find_fault("(a"), find_fault("a+")
    ('error parsing regexp: missing closing ): `(a`', '')
    """
    try:
        _compiled(pattern)
    except EvalError as error:
        return str(error)
    return ""


def matches(text: str, pattern: str) -> bool:
    """Whether a pattern is found in a text.

    Raises:
        EvalError: the pattern is none.
    """
    return _matches_short(text, pattern) if len(text) <= SHORT else _compiled(pattern).search(text) is not None


@lru_cache(10_000)
def _matches_short(text: str, pattern: str) -> bool:
    """What became of short texts is remembered; ten thousand of any size would fill the memory."""
    if _is_tame(pattern):
        return _anchored(pattern).search(text) is not None
    return _compiled(pattern).search(text) is not None


def find(text: str, pattern: str) -> str:
    """The first match; an empty text if there is none."""
    match = _compiled(pattern).search(text)
    return str(match.group()) if match is not None else ""


def find_all(text: str, pattern: str, most: int = -1) -> list[str]:
    """All matches, or the first so many; an empty one that follows another at once is none, as in Go.

    >>> find_all("baac", "a*")
    ['', 'aa', '']
    """
    found: list[str] = []
    end = -1
    for match in _compiled(pattern).finditer(text):
        if 0 <= most <= len(found):
            break
        if match.end() > match.start() or match.start() != end:
            found.append(str(match.group()))
        end = match.end()
    return found


@cache
def _options() -> Any:
    options = re2.Options()
    options.log_errors = False  # they would be written to stderr
    return options


@lru_cache(1_000)
def _compiled(pattern: str) -> Any:
    try:
        return re2.compile(pattern, _options())
    except re2.error as error:
        words, _, place = error.args[0].decode(errors="replace").partition(": ")
        raise EvalError(f"error parsing regexp: {_GO_WORDS.get(words, words)}: `{place}`") from error


@lru_cache(1_000)
def _is_tame(pattern: str) -> bool:
    _compiled(pattern)  # Python takes what Go does not
    if _FOREIGN.search(pattern):
        return False
    try:
        tree = _parser.parse(pattern)
    except (re.error, RecursionError, OverflowError):
        return False
    return not _repeats(tree, 0) and len(re.findall(r"[*+{]", pattern)) <= FEW


@lru_cache(1_000)
def _anchored(pattern: str) -> re.Pattern[str]:
    return re.compile(
        re.sub(r"\\z|(?<!\\)\$$", r"\\Z", pattern), re.ASCII
    )  # Go's $ is the very end, its \w has no umlauts


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
