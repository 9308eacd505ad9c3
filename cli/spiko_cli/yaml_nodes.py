"""Pure: the documents of a file and their YAML nodes, within limits.

Documents are split as kubectl does it: at lines that begin with `---`, before it parses YAML; JSON objects at
the beginning of a file need no separator.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from spiko_cli.errors import NotYaml

MAX_DEPTH = 100
Position = tuple[int, int]


def _refuse(word: str) -> None:
    raise ValueError(word)


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml, which kubectl's parser was translated from
_SEPARATOR = re.compile(r"^---(.*)$", re.MULTILINE)
_CONTENT = re.compile(r"^[ \t]*[^\s#]", re.MULTILINE)
_JSON = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse)
_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


@dataclass(slots=True)
class Budget:
    """How many more values a file may have; aliases count every time they are used."""

    left: int

    def take(self, at: Position) -> None:
        """Count one value.

        Raises:
            NotYaml: there are too many.
        """
        self.left -= 1
        if self.left < 0:
            raise NotYaml("too many values; check aliases", at)


@dataclass(slots=True)
class Node:
    """A scalar (`text`), or a collection whose `children` are items, or keys and values in turn.

    Args:
        at: line and column, from 1.
        kind: scalar, list or map.
        text: of a scalar.
        plain: whether a scalar has neither quotes nor a tag.
        tag: written in the document; empty for none.
    """

    at: Position
    kind: str
    text: str = ""
    plain: bool = False
    tag: str = ""
    children: list[Node] = field(default_factory=list)

    def pairs(self) -> Iterator[tuple[Node, Node]]:
        """Iterate over keys and values of a map."""
        return zip(self.children[::2], self.children[1::2], strict=True)


def split(text: str) -> Iterator[tuple[int, str]]:
    """Iterate over the documents of a file that are not empty: number of the first line, from 0, and text.

    Raises:
        NotYaml: a separator has text behind it.
    """
    line = start = 0
    for end in _json_ends(text):
        yield line, _PAIR.sub(_join_surrogates, text[start:end])
        line, start = line + text.count("\n", start, end), end
    for separator in _SEPARATOR.finditer(text, start):
        if _CONTENT.search(text, start, separator.start()):
            yield line, text[start : separator.start()]
        line += text.count("\n", start, separator.start())
        behind = separator[1].strip()
        if behind and not behind.startswith("#"):
            raise NotYaml("a --- between documents must be alone on its line", (line + 1, 4))
        start = separator.end()
    if _CONTENT.search(text, start):
        yield line, text[start:]


def _json_ends(text: str) -> Iterator[int]:
    """Iterate over the ends of the JSON objects that a file begins with."""
    end = len(text) - len(text.lstrip())
    while text[end : end + 1] == "{":
        try:
            _, end = _JSON.raw_decode(text, end)
        except (ValueError, RecursionError):  # YAML may begin with a brace as well
            return
        yield end
        end += len(text[end:]) - len(text[end:].lstrip())


def _join_surrogates(pair: re.Match[str]) -> str:
    """Return the escape of YAML for a character that JSON writes as two: libyaml refuses halves."""
    high, low = int(pair[2], 16), int(pair[3], 16)
    return f"{pair[1]}\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


def compose(text: str, line: int, budget: Budget) -> Node | None:
    """Return the root of one document; None for one without content.

    Args:
        text: of the document.
        line: number of its first line in the file, from 0.
        budget: of the file.

    Raises:
        NotYaml: the syntax is invalid, or the document is too large or nested too deeply.
    """
    try:
        return _Composer(line, budget).compose(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        at = (line + mark.line + 1, mark.column + 1) if mark else (line + 1, 1)
        raise NotYaml(f"not YAML: {problem}", at) from error


class _Composer:
    """Builds nodes from the events of the parser, without recursion."""

    def __init__(self, line: int, budget: Budget) -> None:
        self._line, self._budget = line, budget
        self._root: Node | None = None
        self._open: list[tuple[Node, str | None]] = []  # collections, each with its anchor
        self._anchors: dict[str, Node] = {}

    def compose(self, text: str) -> Node | None:
        """Return the root."""
        events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        for event in events:
            at = (self._line + event.start_mark.line + 1, event.start_mark.column + 1)
            if isinstance(event, yaml.DocumentStartEvent) and self._root is not None:
                raise NotYaml("kubectl ignores what follows here; begin a document with ---", at)
            if isinstance(event, yaml.NodeEvent):
                self._budget.take(at)
                self._node(event, at)
            elif isinstance(event, yaml.CollectionEndEvent):
                node, anchor = self._open.pop()
                self._attach(node, anchor)
        return self._root

    def _node(self, event: Any, at: Position) -> None:
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise NotYaml(f"not YAML: alias {event.anchor!r} has no anchor before it", at)
            self._attach(self._anchors[event.anchor], None)
        elif isinstance(event, yaml.ScalarEvent):
            is_plain = event.tag is None and event.implicit[0]
            self._attach(Node(at, "scalar", event.value, is_plain, event.tag or ""), event.anchor)
        else:
            if len(self._open) >= MAX_DEPTH:
                raise NotYaml("nested too deeply", at)
            kind = "map" if isinstance(event, yaml.MappingStartEvent) else "list"
            self._open.append((Node(at, kind), event.anchor))

    def _attach(self, node: Node, anchor: str | None) -> None:
        """Add a node to the collection that is open; an anchor is known only once its node is complete."""
        if anchor is not None:
            self._anchors[anchor] = node
        if self._open:
            self._open[-1][0].children.append(node)
        else:
            self._root = node
