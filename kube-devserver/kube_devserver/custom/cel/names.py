"""Names of fields as expressions say them: reserved words and signs are written out. After k8s.io/apiserver/pkg/cel/escaping.go."""

from __future__ import annotations

import re
from functools import lru_cache

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
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_BACK = {escaped: plain for plain, escaped in _ESCAPES.items()}


@lru_cache(10_000)
def escape(name: str) -> str | None:
    """A field's name as an expression says it; None if it cannot.

    >>> escape("package"), escape("a-b"), escape("x__y"), escape("1a"), escape("a b")
    ('__package__', 'a__dash__b', 'x__underscores__y', None, None)
    """
    if name in _RESERVED:
        return f"__{name}__"
    if not re.match(r"^[A-Za-z_./-][A-Za-z0-9_./-]*\Z", name):
        return None
    return re.sub(r"__|[./-]", lambda match: _ESCAPES[match[0]], name)


@lru_cache(10_000)
def unescape(name: str) -> str:
    """The other way round.

    >>> unescape("__package__"), unescape("a__dash__b")
    ('package', 'a-b')
    """
    if name.startswith("__") and name.endswith("__") and name[2:-2] in _RESERVED:
        return name[2:-2]
    return re.sub(r"__(?:underscores|dot|dash|slash)__", lambda match: _BACK[match[0]], name)
