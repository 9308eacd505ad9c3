"""Field selectors, parsed as Kubernetes parses them. Source: k8s.io/apimachinery, pkg/fields/selector.go."""

from __future__ import annotations

import re
from typing import NamedTuple

from kube_devserver.api_errors import bad_request

_TERMS = re.compile(r"(?:\\.|[^\\,])+\\?|\\", re.DOTALL)  # a comma after a backslash does not end a term
_OPERATOR = re.compile(r"!=|==|=")
_ESCAPED = re.compile(r"\\(.?)|([,=])", re.DOTALL)


class Term(NamedTuple):
    """A field's path, whether the field must equal the value or differ, and the value."""

    path: str
    equal: bool
    value: str


def read_terms(text: str) -> list[Term]:
    r"""The terms of a selector, all of which must hold; spaces are part of paths and values.

    Raises:
        StatusError: 400, the text is not a selector.

    >>> [tuple(term) for term in read_terms(r"spec.nodeName!=b,metadata.name=a\,c")]
    [('metadata.name', True, 'a,c'), ('spec.nodeName', False, 'b')]
    """
    found = []
    for part in sorted(_TERMS.findall(text)):
        match = _OPERATOR.search(part)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        found.append(Term(part[: match.start()], match[0] != "!=", _unescape(part[match.end() :])))
    return found


def _unescape(value: str) -> str:
    def plain(match: re.Match[str]) -> str:
        if match[2]:
            raise bad_request(f"invalid field selector: unescaped character in value: {ord(match[2])}")
        if match[1] not in ("\\", ",", "=") or not match[1]:
            raise bad_request(f"invalid field selector: invalid escape sequence: \\{match[1]}")
        return match[1]

    return _ESCAPED.sub(plain, value)


def required_value(terms: list[Term], path: str) -> str:
    """The value that terms require of a field; empty if they require none.

    >>> terms = read_terms("spec.nodeName=a,metadata.name!=b")
    >>> required_value(terms, "spec.nodeName"), required_value(terms, "metadata.name")
    ('a', '')
    """
    return next((term.value for term in terms if term.equal and term.path == path), "")
