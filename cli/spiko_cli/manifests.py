"""Reads manifests from YAML or JSON files, with the position of each value for findings."""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spiko_cli.errors import NotYaml, SpikoError
from spiko_cli.yaml_nodes import Budget, Node, Position, compose, split
from spiko_cli.yaml_reader import Reader
from spiko_cli.yaml_values import resolve
from spiko_operator.api import architecture, fault
from spiko_operator.plan.validation.checks import check
from spiko_operator.plan.validation.findings import Finding, found

MAX_BYTES = 16 * 1024 * 1024
MAX_VALUES = 1_000_000  # of a file, counted as written and as read; the largest Architecture has 125,000
SUFFIXES = (".yaml", ".yml", ".json")
URLS = ("http://", "https://")
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_OWN = (f"{architecture.KIND}List", f"{fault.KIND}List")
_ITEM = re.compile(r"items\[(\d+)\]\.?")


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
            parent = re.sub(r"(\.[^.\[\]]+|\[[^\[\]]*\]|^[^.\[\]]+)$", "", path)
            path = parent if parent != path else ""
        return self.positions.get("", (1, 1))

    def location(self, finding: Finding) -> str:
        """Return `FILE:LINE:COLUMN:` of a finding."""
        line, column = self.position(finding.path)
        return f"{self.file}:{line}:{column}:"


def read_files(names: tuple[str, ...], recursive: bool = False) -> Iterator[Manifest]:
    """Iterate over all documents.

    Args:
        names: files, folders, and - for standard input.
        recursive: whether to read the folders in folders.

    Raises:
        SpikoError: a file cannot be read, or a folder has no manifests.
    """
    for name in names:
        if name == "-":
            yield from parse(sys.stdin.buffer.read(MAX_BYTES + 1), "-")
            continue
        if name.startswith(URLS):
            raise SpikoError(f"{name}: only kubectl reads URLs; use `curl -fsSL {name} | spiko lint -`")
        path = Path(name)
        file = path
        try:
            files = _files(path, recursive)
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


def _files(path: Path, recursive: bool) -> list[Path]:
    if not path.is_dir():
        return [path]
    inside = path.rglob("*") if recursive else path.iterdir()
    return sorted(p for p in inside if p.suffix in SUFFIXES and p.is_file())


def parse(data: bytes, name: str) -> Iterator[Manifest]:
    """Iterate over the documents of one file; invalid syntax becomes a manifest with that error.

    The items of a list (kind List, ArchitectureList or FaultList) are documents of their own.

    Args:
        data: the file's content.
        name: the file's name, for findings.
    """
    if len(data) > MAX_BYTES:
        yield _broken(name, "the file is larger than 16 MiB", (1, 1))
        return
    try:
        text = data.decode("utf-16" if data.startswith(UTF16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        yield _broken(name, f"not UTF-8: byte 0x{data[error.start]:02x}", (line, 1))
        return
    budget = Budget(MAX_VALUES)
    try:
        for line, document in split(text):
            try:
                yield from _read(name, compose(document, line, budget), budget)
            except NotYaml as error:
                yield _broken(name, str(error), error.at)
                if budget.left < 0:
                    return
    except NotYaml as error:
        yield _broken(name, str(error), error.at)


def _broken(name: str, message: str, at: Position) -> Manifest:
    return Manifest(name, None, {"": at}, [found("NotYaml", "", None, message)])


def _read(name: str, root: Node | None, budget: Budget) -> Iterator[Manifest]:
    """Iterate over the manifests of one document."""
    if root is None or (root.plain and resolve(root.text) is None):
        return
    reader = Reader(budget)
    manifest = Manifest(name, reader.read(root), reader.positions)
    for number, (message, at) in enumerate(reader.errors):
        manifest.errors.append(found("NotYaml", f"#{number}", None, message))
        manifest.positions[f"#{number}"] = at
    if manifest.errors or not is_list(manifest.document):
        yield manifest
    else:
        yield from _items(manifest)


def _items(manifest: Manifest) -> Iterator[Manifest]:
    """Iterate over the items of a list; each has its own paths, and keeps its lines and columns."""
    document = manifest.document
    items = document.get("items")
    if not isinstance(items, list):
        manifest.errors.append(found("WrongType", "items", items, "items must be a list of objects"))
        yield manifest
        return
    positions: list[dict[str, Position]] = [{} for _ in items]
    for path, position in manifest.positions.items():
        if inside := _ITEM.match(path):
            positions[int(inside[1])][path[inside.end() :]] = position
    for item, own in zip(items, positions, strict=True):
        if isinstance(item, dict) and not item.get("apiVersion") and not item.get("kind"):
            inherited = {
                "apiVersion": document.get("apiVersion"),
                "kind": document["kind"].removesuffix("List"),
            }
            item = inherited | item
        made = Manifest(manifest.file, item, own)
        if is_list(item):
            made.errors.append(
                found("WrongKind", "kind", item["kind"], "kubectl reads no list inside a list")
            )
        yield made


def is_list(document: Any) -> bool:
    """Return whether kubectl takes a document for a list of manifests."""
    kind = document.get("kind") if isinstance(document, dict) else None
    return kind == "List" or (
        isinstance(kind, str)
        and kind.endswith("List")
        and (isinstance(document.get("items"), list) or kind in _OWN)
    )
