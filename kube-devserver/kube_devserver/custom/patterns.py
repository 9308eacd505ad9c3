"""Regular expressions of schemas, in time that is linear: RE2, which Go's expressions are a dialect of."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import re2

from kube_devserver.errors import DevServerError

SHORT = 500  # characters of texts whose results are remembered
_GO_WORDS = {  # RE2's messages, and what Go says instead
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "no argument for repetition operator": "missing argument to repetition operator",
    "invalid repetition size": "invalid repeat count",
    "bad repetition operator": "invalid nested repetition operator",
    "trailing \\": "trailing backslash at end of expression",
}


class PatternError(DevServerError):
    """A pattern is not a regular expression; the message is Go's."""


def find_fault(pattern: str) -> str:
    """Why a pattern is not a regular expression, in Go's words; empty if it is one.

    >>> find_fault("(a"), find_fault("a+")
    ('error parsing regexp: missing closing ): `(a`', '')
    """
    try:
        _compiled(pattern)
    except PatternError as error:
        return str(error)
    return ""


def matches(text: str, pattern: str) -> bool:
    """Whether a pattern is found in a text.

    Raises:
        PatternError: the pattern is not a regular expression.
    """
    if len(text) <= SHORT:
        return _matches_short(text, pattern)
    return _compiled(pattern).search(text) is not None


@lru_cache(10_000)
def _matches_short(text: str, pattern: str) -> bool:
    # Ten thousand results of texts of any size would fill the memory.
    return _compiled(pattern).search(text) is not None


@cache
def _options() -> Any:
    options = re2.Options()
    options.log_errors = False  # RE2 would write them to stderr
    return options


@lru_cache(1_000)
def _compiled(pattern: str) -> Any:
    try:
        return re2.compile(pattern, _options())
    except re2.error as error:
        words, _, place = error.args[0].decode(errors="replace").partition(": ")
        raise PatternError(f"error parsing regexp: {_GO_WORDS.get(words, words)}: `{place}`") from error
