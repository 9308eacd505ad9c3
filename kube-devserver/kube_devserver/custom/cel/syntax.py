"""An expression's text as a tree. After cel-go's grammar, parser/gen/CEL.g4."""

from __future__ import annotations

from kube_devserver.custom.cel import macros
from kube_devserver.custom.cel import tokens as t
from kube_devserver.custom.cel.faults import CompileError, Fault
from kube_devserver.custom.cel.tokens import Token
from kube_devserver.custom.cel.tree import Call, Ident, ListOf, Literal, MapOf, Message, Node, Select
from kube_devserver.custom.cel.values import Uint

MOST_DEPTH = 100  # of parentheses, calls and the like within each other; Kubernetes counts in another way, up to 250
MOST_DIGITS = 30  # of a whole number; more are too many for 64 bits, and for Python's patience
_BEGIN = (
    "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"
)
_RESERVED = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "package",
        "namespace",
        "null",
        "return",
        "true",
        "var",
        "void",
        "while",
    ]
)
_LEVELS = ({"==", "!=", "<", "<=", ">", ">=", "in"}, {"+", "-"}, {"*", "/", "%"})
_NAMES = {"in": "@in"}
_CONSTANTS = {"true": True, "false": False, "null": None}


def parse(source: str) -> Node:
    """The tree of an expression.

    Raises:
        CompileError: it is none.
    """
    parser = _Parser(source)
    found = parser.expression()
    token = parser.next
    if token.kind != t.END:
        raise CompileError(source, [Fault(token.at, f"Syntax error: mismatched input '{token.text}' expecting <EOF>")])
    if parser.faults:
        raise CompileError(source, parser.faults)
    return found


class _Parser:
    def __init__(self, source: str) -> None:
        self._source, self._tokens, self._at, self._depth = source, t.scan(source), 0, 0
        self.faults: list[Fault] = []

    @property
    def next(self) -> Token:
        """The token that comes next."""
        return self._tokens[self._at]

    def _is(self, *texts: str) -> bool:
        return self.next.text in texts and self.next.kind in (t.OPERATOR, t.IDENT)

    def _take(self, *texts: str) -> Token | None:
        if not self._is(*texts):
            return None
        self._at += 1
        return self._tokens[self._at - 1]

    def _need(self, text: str) -> Token:
        found = self._take(text)
        if found is None:
            raise self._bad(f"'{text}'")
        return found

    def _bad(self, wanted: str) -> CompileError:
        text = f"Syntax error: mismatched input '{self.next.text}' expecting {wanted}"
        return CompileError(self._source, [*self.faults, Fault(self.next.at, text)])

    def expression(self) -> Node:
        """Everything but what stands outside of parentheses."""
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise CompileError(self._source, [Fault(0, "expression recursion limit exceeded: 250")])
        found = self._logical("||")
        if mark := self._take("?"):
            then = self._logical("||")
            self._need(":")
            found = Call(mark.at, "_?_:_", None, [found, then, self.expression()])
        self._depth -= 1
        return found

    def _logical(self, operator: str) -> Node:
        """Terms that are joined by a logical operator, as a tree that is no deeper than it must be."""
        terms, marks = [self._below(operator)], []
        while mark := self._take(operator):
            marks.append(mark)
            terms.append(self._below(operator))
        return self._balanced(f"_{operator}_", terms, marks)

    def _below(self, operator: str) -> Node:
        return self._logical("&&") if operator == "||" else self._binary(0)

    def _balanced(self, name: str, terms: list[Node], marks: list[Token]) -> Node:
        if len(terms) == 1:
            return terms[0]
        half = len(terms) // 2
        sides = self._balanced(name, terms[:half], marks[: half - 1]), self._balanced(name, terms[half:], marks[half:])
        return Call(marks[half - 1].at, name, None, list(sides))

    def _binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        found = self._binary(level + 1)
        while mark := self._take(*_LEVELS[level]):
            found = Call(mark.at, _NAMES.get(mark.text, f"_{mark.text}_"), None, [found, self._binary(level + 1)])
        return found

    def _unary(self) -> Node:
        first = self._take("!", "-")
        if first is None:
            return self._postfix(self._primary())
        if first.text == "-" and self.next.kind in (t.INT, t.FLOAT):
            return self._postfix(self._number(first))
        count = 1
        while self._take(first.text):
            count += 1
        found = self._postfix(self._primary())
        return Call(first.at, f"{first.text}_", None, [found]) if count % 2 else found

    def _postfix(self, found: Node) -> Node:
        while True:
            if dot := self._take("."):
                optional = self._take("?")
                token = self.next
                if token.kind not in (t.IDENT, t.QUOTED) or token.text in _CONSTANTS or token.text == "in":
                    given = f".{'' if token.kind == t.END else token.text}"
                    text = f"Syntax error: no viable alternative at input '{given}'"
                    raise CompileError(self._source, [*self.faults, Fault(token.at, text)])
                self._at += 1
                name = token.text
                if token.kind == t.QUOTED:
                    self.faults.append(Fault(token.at, "unsupported syntax: '`'"))
                if optional:
                    found = Call(dot.at, "_?._", None, [found, Literal(token.at, name)])
                elif token.kind == t.IDENT and (opening := self._take("(")):
                    found = self._called(name, opening.at, found)
                else:
                    found = Select(dot.at, found, name)
            elif bracket := self._take("["):
                name = "_[?_]" if self._take("?") else "_[_]"
                found = Call(bracket.at, name, None, [found, self.expression()])
                self._need("]")
            else:
                return found

    def _called(self, name: str, at: int, target: Node | None) -> Node:
        arguments = []
        if not self._is(")"):
            arguments.append(self.expression())
            while self._take(","):
                arguments.append(self.expression())
        self._need(")")
        try:
            found = macros.expand(name, at, target, arguments)
        except macros.MacroError as error:
            self.faults.append(error.fault)
            return Literal(at, None)
        return found if found is not None else Call(at, name, target, arguments)

    def _primary(self) -> Node:
        token = self.next
        match token.kind, token.text:
            case t.OPERATOR, "(":
                self._at += 1
                found = self.expression()
                self._need(")")
                return found
            case t.OPERATOR, "[":
                return self._list()
            case t.OPERATOR, "{":
                return self._map()
            case (t.OPERATOR, ".") | (t.IDENT, _):
                return self._name()
            case t.OPERATOR | t.QUOTED | t.END, _:
                raise self._bad(_BEGIN)
        return self._literal()

    def _name(self) -> Node:
        token = self.next
        if token.text in _CONSTANTS:
            self._at += 1
            return Literal(token.at, _CONSTANTS[token.text])
        leading = "." if self._take(".") else ""
        word = self.next
        if word.kind != t.IDENT or word.text in _CONSTANTS or word.text == "in":
            raise self._bad("IDENTIFIER" if leading else _BEGIN)
        self._at += 1
        if word.text in _RESERVED:
            self.faults.append(Fault(token.at, f"reserved identifier: {word.text}"))
        if opening := self._take("("):
            return self._called(word.text, opening.at, None)
        if (message := self._message(word)) is not None:
            return message
        return Ident(word.at, leading + word.text)

    def _message(self, word: Token) -> Node | None:
        """A message, if names and an opening brace follow."""
        end, names = self._at, [word.text]
        while self._tokens[end].text == "." and self._tokens[end + 1].kind == t.IDENT:
            names.append(self._tokens[end + 1].text)
            end += 2
        if self._tokens[end].text != "{":
            return None
        brace = self._tokens[end]
        self._at = end + 1
        values = []
        while not self._is("}"):
            self._take("?")
            if self.next.kind not in (t.IDENT, t.QUOTED):
                raise self._bad("IDENTIFIER")
            self._at += 1
            self._need(":")
            values.append(self.expression())
            if not self._take(","):
                break
        self._need("}")
        return Message(brace.at, ".".join(names), values)

    def _list(self) -> Node:
        opening = self._need("[")
        items: list[Node] = []
        optional: set[int] = set()
        while not self._is("]"):
            if self._take("?"):
                optional.add(len(items))
            items.append(self.expression())
            if not self._take(","):
                break
        self._need("]")
        return ListOf(opening.at, items, frozenset(optional))

    def _map(self) -> Node:
        opening = self._need("{")
        entries: list[tuple[Node, Node, bool]] = []
        while not self._is("}"):
            optional = self._take("?") is not None
            key = self.expression()
            self._need(":")
            entries.append((key, self.expression(), optional))
            if not self._take(","):
                break
        self._need("}")
        return MapOf(opening.at, entries)

    def _literal(self) -> Node:
        token = self.next
        if token.kind in (t.INT, t.UINT, t.FLOAT):
            return self._number(None)
        self._at += 1
        return Literal(token.at, t.read_bytes(token.text) if token.kind == t.BYTES else t.read_text(token.text))

    def _number(self, minus: Token | None) -> Node:
        token = self.next
        self._at += 1
        at, sign, text = (minus or token).at, "-" if minus else "", token.text
        if token.kind == t.FLOAT:
            return Literal(at, float(sign + text))
        digits = text.rstrip("uU") if token.kind == t.UINT else text
        value = int(sign + digits[:MOST_DIGITS], 16 if digits.startswith("0x") else 10)
        value = value if len(digits) <= MOST_DIGITS else 1 << 64
        if token.kind == t.UINT and value < 1 << 64:
            return Literal(at, Uint(value))
        if token.kind == t.INT and -(1 << 63) <= value < 1 << 63:
            return Literal(at, value)
        self.faults.append(Fault(at, f"invalid {'uint' if token.kind == t.UINT else 'int'} literal"))
        return Literal(at, 0)
