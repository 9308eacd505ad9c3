"""Label selectors: parsed with Kubernetes' messages, and turned into tests.

Source: k8s.io/apimachinery, pkg/labels/selector.go (Lexer and Parser).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from kube_devserver.api_errors import StatusError, bad_request, show
from kube_devserver.objects.names import key_faults, value_faults

Labels = dict[str, str]
Test = Callable[[Labels], bool]
_TOKEN = re.compile(r"\s*([()]|,|==|=|!=|!|<|>|[^\s()=!,<>]+)")
_SYMBOLS = {"(", ")", ",", "==", "=", "!=", "!", "<", ">"}
_OPERATORS = ("in", "notin", "=", "==", "!=", "gt", "lt")


def read_labels(text: str) -> list[Test]:
    """The requirements of a selector, all of which must hold.

    Raises:
        StatusError: 400, the text is not a selector.

    >>> tests = read_labels("a=b,c notin (d,e),!f")
    >>> [all(test(labels) for test in tests) for labels in ({"a": "b"}, {"a": "b", "c": "d"})]
    [True, False]
    >>> read_labels("a in b")
    Traceback (most recent call last):
    ...
    kube_devserver.api_errors.StatusError: unable to parse requirement: found 'b' expected: '('
    """
    return _Parser(text).parse()


class _Parser:
    """A parser that looks one token ahead; the empty token is the end."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        self._at = 0

    def _look(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._look()
        self._at += 1
        return token

    def parse(self) -> list[Test]:
        """All requirements."""
        found: list[Test] = []
        while token := self._look():
            if not _is_name(token) and token != "!":
                raise bad_request(f"found '{token}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self._requirement())
            except StatusError as error:
                raise bad_request(f"unable to parse requirement: {error}") from None
            after = self._take()
            if not after:
                break
            if after != ",":
                raise bad_request(f"found '{after}', expected: ',' or 'end of string'")
            following = self._look()
            if not _is_name(following) and following != "!":
                raise bad_request(f"found '{following}', expected: identifier after ','")
        return found

    def _requirement(self) -> Test:
        absent = self._look() == "!"
        if absent:
            self._take()
        key = self._take()
        if not _is_name(key):
            raise bad_request(f"found '{key}', expected: identifier")
        if faults := key_faults(key):
            raise bad_request(f"<nil>: Invalid value: {show(key)}: {'; '.join(faults)}")
        if absent:
            return lambda labels: key not in labels
        if self._look() in ("", ","):
            return lambda labels: key in labels
        operator = self._take()
        if operator in ("in", "notin"):
            return _among(key, operator == "in", _checked(key, self._values()))
        if operator in ("=", "==", "!="):
            return _among(key, operator != "!=", _checked(key, {self._value()}))
        if operator in ("<", ">"):
            return _beyond(key, operator, self._value())
        raise bad_request(f"found '{operator}', expected: {', '.join(_OPERATORS)}")

    def _value(self) -> str:
        if self._look() in ("", ","):
            return ""
        token = self._take()
        if not _is_name(token):
            raise bad_request(f"found '{token}', expected: identifier")
        return token

    def _values(self) -> set[str]:
        token = self._take()
        if token != "(":
            raise bad_request(f"found '{token}' expected: '('")
        first = self._look()
        if first == ")":
            self._take()
            return {""}
        if not _is_name(first) and first != ",":
            raise bad_request(f"found '{first}', expected: ',', ')' or identifier")
        found, is_value_due = set(), True
        while (token := self._take()) != ")":
            if token == ",":
                found |= {""} if is_value_due else set()
                is_value_due = True
            elif not is_value_due:
                raise bad_request(f"found '{token}', expected: ',' or ')'")
            elif not _is_name(token):
                raise bad_request(f"found '{token}', expected: ',', or identifier")
            else:
                found.add(token)
                is_value_due = False
        return found | ({""} if is_value_due else set())


def _is_name(token: str) -> bool:
    return bool(token) and token not in _SYMBOLS


def _checked(key: str, values: set[str]) -> set[str]:
    for i, value in enumerate(sorted(values)):
        if faults := value_faults(value):
            raise bad_request(f"values[{i}][{key}]: Invalid value: {show(value)}: {'; '.join(faults)}")
    return values


def _among(key: str, wanted: bool, values: set[str]) -> Test:
    return lambda labels: (labels.get(key) in values) == wanted


def _beyond(key: str, operator: str, value: str) -> Test:
    try:
        limit = int(value)
    except ValueError:
        raise bad_request(
            f"values[0]: Invalid value: {show(value)}: for 'Gt', 'Lt' operators, the value must be an integer"
        ) from None

    def holds(labels: Labels) -> bool:
        try:
            number = int(labels[key])
        except (KeyError, ValueError):
            return False
        return number > limit if operator == ">" else number < limit

    return holds
