"""Pure: the nodes of a kind configuration: names as kind gives them, labels, addresses on loopback."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from spiko_local.errors import NodesError

MOST_NODES = 64


@dataclass(frozen=True)
class Node:
    """A worker. `number` counts from 1 and is part of its address and its pods'."""

    name: str
    number: int
    labels: dict[str, str]

    @property
    def address(self) -> str:
        """Where its kubelet listens."""
        return f"127.64.0.{self.number}"

    def pod_address(self, host: int) -> str:
        """The address of its n-th pod, n from 1 to 65,000."""
        return f"127.{64 + self.number}.{host >> 8}.{host & 255}"


def parse_nodes(text: str, source: str) -> tuple[Node, ...]:
    r"""Read the workers of a kind configuration.

    Args:
        text: YAML of kind: Cluster, kind.x-k8s.io/v1alpha4.
        source: its name, for messages.

    Raises:
        NodesError: names file, field, value and way out.

    >>> parse_nodes("kind: Cluster\nnodes: [{role: worker, labels: {a: b}}]", "f")[0].name
    'spiko-worker'
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise NodesError(f"{source}: not YAML: {error}") from error
    if not isinstance(document, Mapping) or document.get("kind") != "Cluster":
        raise NodesError(f"{source}: kind: must be Cluster, as for `kind create cluster --config`")
    cluster = document.get("name") or "spiko"
    entries = document.get("nodes")
    workers = [
        (i, e) for i, e in enumerate(entries if isinstance(entries, list) else ()) if _role(e, i, source) == "worker"
    ]
    if not workers:
        raise NodesError(f"{source}: nodes: there is no node of role worker; pods run on workers only")
    if len(workers) > MOST_NODES:
        raise NodesError(f"{source}: nodes: {len(workers)} workers, at most {MOST_NODES}")
    return tuple(
        Node(f"{cluster}-worker{number if number > 1 else ''}", number, _labels(entry, i, source))
        for number, (i, entry) in enumerate(workers, start=1)
    )


def read_nodes(path: Path | None) -> tuple[Node, ...]:
    """Read a file, or the built-in three workers in three zones.

    Raises:
        NodesError: the file cannot be read, or `parse_nodes` refuses it.
    """
    if path is None:
        return parse_nodes(files("spiko_local").joinpath("kind-config.yaml").read_text(), "built-in nodes")
    try:
        return parse_nodes(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise NodesError(f"{path}: {error.strerror}; name a kind configuration with --nodes") from error
    except UnicodeDecodeError as error:
        raise NodesError(f"{path}: not UTF-8; name a kind configuration with --nodes") from error


def _role(entry: Any, index: int, source: str) -> str:
    role = entry.get("role", "control-plane") if isinstance(entry, Mapping) else entry
    if role not in ("worker", "control-plane"):
        raise NodesError(f"{source}: nodes[{index}].role: {role!r} is neither worker nor control-plane")
    return str(role)


def _labels(entry: Mapping[str, Any], index: int, source: str) -> dict[str, str]:
    labels = entry.get("labels") or {}
    if not isinstance(labels, Mapping) or not all(isinstance(v, str) for v in labels.values()):
        raise NodesError(f"{source}: nodes[{index}].labels: {labels!r} must map names to quoted texts")
    return dict(labels)
