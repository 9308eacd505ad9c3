"""What keeps a CEL rule from running for hours: loops within loops are counted, once a value is large enough for them to matter."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

MOST_STEPS = 60_000  # of one rule on one value; well under a second
TICK = "spikoTick"
_LOOP = re.compile(
    r"\.(?:all|exists|exists_one|existsOne|map|filter|sortBy|transformList|transformMap|transformMapEntry)\s*\("
)
_VARIABLE = re.compile(r"\s*[A-Za-z_]\w*\s*,")
_QUOTES = ('"""', "'''", '"', "'")


def is_costly(rule: str, values: list[Any]) -> bool:
    """Whether a rule's loops could take more steps than are allowed, if each of them went over the largest collection of all.

    >>> is_costly("self.all(a, self.all(b, a <= b))", [[0] * 1000]), is_costly("self.all(a, a > 0)", [[0] * 1000])
    (True, False)
    """
    depth = deepest(rule)
    return depth > 0 and max(_largest(values), rule.count(",") + 1) ** depth > MOST_STEPS


def _largest(value: Any) -> int:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    own = len(value) if isinstance(value, dict | list) else 0
    return max([own, *(_largest(each) for each in children if isinstance(each, dict | list))])


@cache
def deepest(rule: str) -> int:
    """How many loops stand within each other at most.

    >>> deepest("self.a.all(x, x.b.exists(y, y == 1)) && self.c.all(z, true)"), deepest("self.size() > 0")
    (2, 0)
    """
    spans = [(match.start(), _closing(rule, match.end())) for match in _LOOP.finditer(rule)]
    return max((sum(start <= at < end for start, end in spans) for at, _ in spans), default=0)


@cache
def counted(rule: str) -> str:
    """The rule with a call of the counter in each step of each loop.

    >>> counted("self.all(x, x > 0)")
    'self.all(x, spikoTick() ? ( x > 0) : false)'
    """
    for match in reversed(list(_LOOP.finditer(rule))):
        at = match.end()
        for _ in range(2):  # a loop has one variable or two
            if variable := _VARIABLE.match(rule, at):
                at = variable.end()
        if at == match.end():
            continue  # no loop, but a function of that name
        end = _closing(rule, at, commas=True)
        rule = f"{rule[:at].rstrip()} {TICK}() ? ({rule[at:end]}) : false{rule[end:]}"
    return rule


def make_counter(raise_over: Callable[[], Exception]) -> Callable[[], bool]:
    """A counter that raises once it has been called too often."""
    left = [MOST_STEPS]

    def tick() -> bool:
        left[0] -= 1
        if left[0] < 0:
            raise raise_over()
        return True

    return tick


def _closing(rule: str, at: int, commas: bool = False) -> int:
    """Where the parenthesis that was opened before a place closes; or the next comma on its level."""
    depth = 0
    while at < len(rule):
        quote = next((each for each in _QUOTES if rule.startswith(each, at)), "")
        if quote:
            end = at + len(quote)
            while end < len(rule) and not rule.startswith(quote, end):
                end += 2 if rule[end] == "\\" else 1
            at = end + len(quote)
            continue
        if rule[at] in "([{":
            depth += 1
        elif (rule[at] in ")]}" and depth == 0) or (commas and rule[at] == "," and depth == 0):
            return at
        elif rule[at] in ")]}":
            depth -= 1
        at += 1
    return len(rule)
