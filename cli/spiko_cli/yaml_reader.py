"""Pure: values and their positions from YAML nodes, with the mappings, merges and tags of kubectl."""

from __future__ import annotations

import math
from typing import Any

from spiko_cli.errors import NotYaml
from spiko_cli.yaml_nodes import MAX_DEPTH, Budget, Node, Position
from spiko_cli.yaml_values import Scalar, key_text, resolve
from spiko_local.objects import shorten
from spiko_operator.plan.validation.schema_errors import render_path

MAX_ERRORS = 100  # of a document
STRING = "tag:yaml.org,2002:str"
_TAGS: dict[str, tuple[type, ...]] = {
    "tag:yaml.org,2002:int": (int,),
    "tag:yaml.org,2002:float": (int, float),
    "tag:yaml.org,2002:bool": (bool,),
    "tag:yaml.org,2002:null": (type(None),),
}


class Reader:
    """Turns the nodes of one document into values. `positions` maps paths to line and column.

    Args:
        budget: of the file.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.positions: dict[str, Position] = {}
        self.errors: list[tuple[str, Position]] = []

    def read(self, node: Node) -> Any:
        """Return the value of one document.

        Raises:
            NotYaml: it has too many values, or is nested too deeply.
        """
        return self._value(node, [])

    def _value(self, node: Node, path: list[str | int]) -> Any:
        self._budget.take(node.at)
        if len(path) > MAX_DEPTH:
            raise NotYaml("nested too deeply", node.at)
        self.positions[render_path(path)] = node.at
        if node.kind == "map":
            return self._mapping(node, path)
        if node.kind == "list":
            return [self._value(child, [*path, i]) for i, child in enumerate(node.children)]
        return self._scalar(node)

    def _scalar(self, node: Node) -> Scalar:
        kind = _TAGS.get(node.tag)
        value = resolve(node.text) if node.plain or kind else node.text
        if node.tag not in ("", "!", STRING) and (kind is None or not isinstance(value, kind)):
            self._add_error(f"the tag {shorten(node.tag, 60)} does not fit the value; remove it", node)
        if isinstance(value, float) and not math.isfinite(value):
            self._add_error(f"{node.text} is not a number in JSON", node)
            return None
        return value

    def _mapping(self, node: Node, path: list[str | int]) -> dict[str, Any]:
        """Return a mapping. As for kubectl, `<<` merges where it stands: what follows it wins."""
        made: dict[str, Any] = {}
        own: set[str] = set()
        for key_node, value_node in node.pairs():
            if key_node.plain and key_node.text == "<<":
                self._merge(value_node, path, made)
                continue
            key = key_text(self._scalar(key_node)) if key_node.kind == "scalar" else None
            if key is None:
                self._add_error("a key must be a string", key_node)
                continue
            if key in own:
                self._add_error(f"duplicate key {shorten(key, 60)!r}", key_node)
            own.add(key)
            made[key] = self._value(value_node, [*path, key])
        return made

    def _merge(self, node: Node, path: list[str | int], made: dict[str, Any]) -> None:
        """Add the entries of one mapping, or of a list of mappings, in which the first wins."""
        sources = node.children[::-1] if node.kind == "list" else [node]
        for source in sources:
            self._budget.take(node.at)
            if source.kind == "map":
                made |= self._mapping(source, path)
            else:
                self._add_error("<< takes a mapping, or a list of mappings", node)

    def _add_error(self, message: str, node: Node) -> None:
        if len(self.errors) < MAX_ERRORS:
            self.errors.append((message, node.at))
