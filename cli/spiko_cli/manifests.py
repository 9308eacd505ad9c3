"""Reads manifests from YAML or JSON files, with the position of each value for findings."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from spiko_cli.errors import SpikoError
from spiko_local.objects import shorten
from spiko_operator.plan.validation.checks import check
from spiko_operator.plan.validation.findings import Finding, found
from spiko_operator.plan.validation.schema_errors import render_path

MAX_BYTES = 16 * 1024 * 1024
MAX_VALUES = 500_000  # aliases can multiply values; the largest Architecture has a quarter of that
MAX_DEPTH = 100
SUFFIXES = (".yaml", ".yml", ".json")
Position = tuple[int, int]


@dataclass
class Manifest:
    """One document. `positions` maps paths to line and column, from 1; `errors` are those of its syntax."""

    file: str
    document: Any
    positions: dict[str, Position] = field(default_factory=dict)
    errors: list[Finding] = field(default_factory=list)

    def findings(self) -> list[Finding]:
        """Return all findings; only those of the syntax if there are any."""
        return self.errors or check(self.document)

    def position(self, path: str) -> Position:
        """Return the line and column of a path's value, or of its nearest parent."""
        while path:
            if path in self.positions:
                return self.positions[path]
            path = re.sub(r"(\.[^.\[\]]+|\[\d+\]|^[^.\[\]]+)$", "", path)
        return self.positions.get("", (1, 1))

    def location(self, finding: Finding) -> str:
        """Return `FILE:LINE:COLUMN:` of a finding."""
        line, column = self.position(finding.path)
        return f"{self.file}:{line}:{column}:"


def read_files(names: tuple[str, ...]) -> Iterator[Manifest]:
    """Iterate over all documents.

    Args:
        names: files, folders, and - for standard input.

    Raises:
        SpikoError: a file cannot be read, or a folder has no manifests.
    """
    for name in names:
        if name == "-":
            yield from parse(sys.stdin.buffer.read(MAX_BYTES + 1), "-")
            continue
        path = Path(name)
        file = path
        try:
            files = (
                sorted(p for p in path.iterdir() if p.suffix in SUFFIXES and p.is_file())
                if path.is_dir()
                else [path]
            )
            if not files:
                raise SpikoError(f"{name}: the folder contains no .yaml, .yml or .json file")
            for file in files:
                with file.open("rb") as opened:
                    data = opened.read(MAX_BYTES + 1)
                yield from parse(data, str(file))
        except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
            raise SpikoError(
                f"{file}: {getattr(error, 'strerror', None) or error}; name a readable file"
            ) from error


def parse(data: bytes, name: str) -> Iterator[Manifest]:
    """Iterate over the documents of one file; invalid syntax becomes a manifest with that error.

    Args:
        data: the file's content.
        name: the file's name, for findings.
    """
    if len(data) > MAX_BYTES:
        yield _broken(name, "the file is larger than 16 MiB", (1, 1))
        return
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        yield _broken(name, f"not UTF-8: byte 0x{data[error.start]:02x}", (line, 1))
        return
    try:
        for node in yaml.compose_all(text, Loader=yaml.SafeLoader):
            if node is not None and not (isinstance(node, yaml.ScalarNode) and node.value == ""):
                yield _Reader(name).read(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        yield _broken(name, f"not YAML: {problem}", (mark.line + 1, mark.column + 1) if mark else (1, 1))
    except RecursionError:
        yield _broken(name, "nested too deeply", (1, 1))


def _broken(name: str, message: str, at: Position) -> Manifest:
    return Manifest(name, None, {"": at}, [found("NotYaml", "", None, message)])


class _Reader:
    """Turns YAML nodes into values and records their positions."""

    def __init__(self, name: str) -> None:
        self._manifest = Manifest(name, None)
        self._constructor = yaml.constructor.SafeConstructor()
        self._left = MAX_VALUES

    def read(self, node: yaml.Node) -> Manifest:
        """Return one document."""
        self._manifest.document = self._value(node, [])
        return self._manifest

    def _value(self, node: yaml.Node, path: list[str | int]) -> Any:
        self._left -= 1
        if self._left < 0 or len(path) > MAX_DEPTH:
            if not self._manifest.errors:
                self._add_error(
                    "too many values; check aliases" if self._left < 0 else "nested too deeply", node
                )
            return None
        text = render_path(path)
        self._manifest.positions.setdefault(text, (node.start_mark.line + 1, node.start_mark.column + 1))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(child, [*path, i]) for i, child in enumerate(node.value)]
        try:
            return self._constructor.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            self._add_error(f"not a value: {getattr(error, 'problem', None) or error}", node)
            return None

    def _mapping(self, node: yaml.MappingNode, path: list[str | int]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._add_error("a key must be a string", key_node)
                continue
            key = str(key_node.value)
            if key in made:
                self._add_error(f"duplicate key {shorten(key, 60)!r}", key_node)
            made[key] = self._value(value_node, [*path, key])
        return made

    def _add_error(self, message: str, node: yaml.Node) -> None:
        if len(self._manifest.errors) < 100:
            finding = found("NotYaml", f"#{len(self._manifest.errors)}", None, message)
            self._manifest.positions[finding.path] = (node.start_mark.line + 1, node.start_mark.column + 1)
            self._manifest.errors.append(finding)
