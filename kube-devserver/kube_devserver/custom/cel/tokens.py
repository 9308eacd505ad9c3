"""An expression's text as tokens."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from kube_devserver.custom.cel.faults import CompileError, Fault

FLOAT, UINT, INT, STRING, BYTES, IDENT, QUOTED, OPERATOR, END = (
    "NUM_FLOAT", "NUM_UINT", "NUM_INT", "STRING", "BYTES", "IDENTIFIER", "ESC_IDENTIFIER", "operator", "<EOF>",
)  # fmt: skip
MOST_CHARACTERS = 100_000
_ESCAPE = r"\\(?:[abfnrtv\"'\\?`]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2})"
_TEXT = "|".join([
    r'[rR]"""[\s\S]*?"""', r"[rR]'''[\s\S]*?'''", r'[rR]"[^"\n\r]*"', r"[rR]'[^'\n\r]*'",
    rf'"""(?:{_ESCAPE}|[^\\])*?"""', rf"'''(?:{_ESCAPE}|[^\\])*?'''",
    rf'"(?:{_ESCAPE}|[^\\"\n\r])*"', rf"'(?:{_ESCAPE}|[^\\'\n\r])*'",
])  # fmt: skip
_TOKEN = re.compile(
    rf"(?P<space>[\t \r\n\f]+|//[^\n]*)|(?P<{FLOAT}>\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)"
    rf"|(?P<{UINT}>(?:0x[0-9a-fA-F]+|\d+)[uU])|(?P<{INT}>0x[0-9a-fA-F]+|\d+)|(?P<{BYTES}>[bB](?:{_TEXT}))|(?P<{STRING}>{_TEXT})"
    rf"|(?P<{IDENT}>[A-Za-z_][A-Za-z0-9_]*)|(?P<{QUOTED}>`[A-Za-z0-9_.\-/ ]+`)"
    rf"|(?P<{OPERATOR}>==|!=|<=|>=|&&|\|\||[-\[\]{{}}().,!?:+*/%<>])",
    re.ASCII,
)
_SHORT = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


@dataclass(frozen=True)
class Token:
    """A piece of an expression: its kind, its text and where it begins."""

    kind: str
    text: str
    at: int


def scan(source: str) -> list[Token]:
    """The tokens of an expression, the last one being its end.

    Raises:
        CompileError: something in it is no token, or it is too long.

    >>> [token.text for token in scan("a.b >= 1.5")]
    ['a', '.', 'b', '>=', '1.5', '<EOF>']
    """
    if len(source) > MOST_CHARACTERS:
        text = f"expression code point size exceeds limit: size: {len(source)}, limit {MOST_CHARACTERS}"
        raise CompileError(source, [Fault(0, text)])
    found, at = [], 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            bad = source[at:].split("\n")[0] if source[at] in "\"'" else source[at]
            raise CompileError(source, [Fault(at, f"Syntax error: token recognition error at: '{bad}'")])
        kind = match.lastgroup or ""
        if kind != "space":
            found.append(Token(kind, match[0], at))
        at = match.end()
    return [*found, Token(END, END, len(source))]


def read_text(token: str) -> str:
    r"""What a literal of a string says.

    >>> read_text(r"'a\n\x41'"), read_text(r"r'\n'")
    ('a\nA', '\\n')
    """
    raw = token[0] in "rR"
    body = _body(token[raw:])
    return body if raw else _unescape(body, lambda char: char)


def read_bytes(token: str) -> bytes:
    r"""What a literal of bytes says.

    >>> read_bytes(r"b'\u00fc'"), read_bytes(r"b'\xff'")
    (b'\xc3\xbc', b'\xff')
    """
    token = token[1:]
    raw = token[0] in "rR"
    body = _body(token[raw:])
    if raw:
        return body.encode()
    marked = _unescape(body, lambda char: chr(0xDC00 + ord(char)))  # a byte, apart from the character of that number
    return b"".join(bytes([ord(c) - 0xDC00]) if 0xDC00 <= ord(c) <= 0xDCFF else c.encode() for c in marked)


def _body(token: str) -> str:
    return token[3:-3] if token[:3] in ('"""', "'''") else token[1:-1]


def _unescape(body: str, as_byte: Callable[[str], str]) -> str:
    def replace(match: re.Match[str]) -> str:
        text = match[0][1:]
        if text[0] in "xX":
            return as_byte(chr(int(text[1:], 16)))
        if text[0] in "uU" and len(text) > 1:
            code = int(text[1:], 16)
            return chr(code) if code < 0xD800 or 0xE000 <= code < 0x110000 else "\ufffd"
        if text[0].isdigit():
            return as_byte(chr(int(text, 8)))
        return _SHORT.get(text, text)

    return re.sub(_ESCAPE, replace, body)
