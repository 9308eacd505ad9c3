"""Pure: findings, which are violations of rules, and suggestions for misspelled words."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from spiko_operator.plan.validation.rule import Severity
from spiko_operator.plan.validation.rules import RULES

CLOSE_RATIO = 0.6  # of difflib, 0 to 1


@dataclass(frozen=True)
class Finding:
    """One violation of a rule.

    `path` is that of the value, or of the missing field, such as spec.services[2].count.
    """

    reason: str
    severity: Severity
    path: str
    value: str
    message: str
    hint: str = ""

    @property
    def code(self) -> str:
        """The stable code of the rule."""
        return RULES[self.reason].code


def found(reason: str, path: str, value: Any, message: str, hint: str = "") -> Finding:
    """Return a finding, with the severity of the rule, and its remedy if there is no hint."""
    rule = RULES[reason]
    return Finding(reason, rule.severity, path, shorten(value), message, hint or rule.remedy)


def shorten(value: Any, most: int = 60) -> str:
    """Return a value as JSON, cut to a readable length.

    >>> shorten("x" * 100, 10)
    '"xxxxxxxx…'
    """
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= most else text[: most - 1] + "…"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a suggestion for a misspelled word, or nothing.

    The result is that of `difflib.get_close_matches`, but candidates that cannot be closer than the best one
    so far are not compared. It takes about 10 us for each known word; use `Nearest` where many words may be
    wrong.

    >>> nearest("memcached", ["memcache", "www"])
    'did you mean "memcache"?'
    """
    best, closest = "", CLOSE_RATIO
    matcher = difflib.SequenceMatcher()
    matcher.set_seq2(word[:64])
    for candidate in known:
        matcher.set_seq1(candidate)
        bounds = (matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio)
        if all(bound() > closest for bound in bounds):
            best, closest = candidate, matcher.ratio()
    return f'did you mean "{best}"?' if best else ""


class Nearest:
    """Suggestions for the first few words only, to bound the time for a file with many unknown words.

    >>> suggest = Nearest(most=1)
    >>> suggest("wwww", ["www"]), suggest("wwww", ["www"])
    ('did you mean "www"?', '')
    """

    def __init__(self, most: int = 10) -> None:
        self._left = most

    def __call__(self, word: str, known: Iterable[str]) -> str:
        """Return a suggestion, or nothing."""
        self._left -= 1
        return nearest(word, known) if self._left >= 0 else ""
