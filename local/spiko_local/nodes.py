"""The nodes of a kind configuration: named as kind names them, with labels and loopback addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from spiko_local.errors import NodesError

MAX_NODES = 64
ZONE_LABEL, REGION_LABEL = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"
READ = frozenset({"kind", "apiVersion", "name", "nodes"})
NODE_READ = frozenset({"role", "labels"})


@dataclass(frozen=True)
class Node:
    """A worker node. `number` counts from 1 and is part of the addresses of the node and its pods."""

    name: str
    number: int
    labels: dict[str, str]

    @property
    def zone(self) -> str:
        """Its zone, for messages."""
        zone = self.labels.get(ZONE_LABEL, "no zone")
        return f"{zone} (no region)" if _lacks_region(self.labels) else zone

    @property
    def address(self) -> str:
        """The address at which its kubelet listens."""
        return f"127.64.0.{self.number}"

    def pod_address(self, host: int) -> str:
        """Return the address of its n-th pod, n from 1 to 65,000."""
        return f"127.{64 + self.number}.{host >> 8}.{host & 255}"


def parse_nodes(text: str, source: str) -> tuple[Node, ...]:
    r"""Read the workers of a kind configuration.

    Args:
        text: YAML of kind: Cluster, kind.x-k8s.io/v1alpha4.
        source: the file's name, for messages.

    Raises:
        NodesError: the text is not a kind configuration with 1 to 64 workers; the message names file and
            field.

    >>> parse_nodes("kind: Cluster\nnodes: [{role: worker, labels: {a: b}}]", "f")[0].name
    'spiko-worker'
    """
    document = _load(text, source)
    cluster = document.get("name") or "spiko"
    entries = document.get("nodes")
    workers = [
        (i, e)
        for i, e in enumerate(entries if isinstance(entries, list) else ())
        if _role(e, i, source) == "worker"
    ]
    if not workers:
        raise NodesError(
            f"{source}: nodes: must contain a node with role worker, because pods run on workers only"
        )
    if len(workers) > MAX_NODES:
        raise NodesError(f"{source}: nodes: {len(workers)} workers: must be at most {MAX_NODES}")
    return tuple(
        Node(f"{cluster}-worker{number if number > 1 else ''}", number, _labels(entry, i, source))
        for number, (i, entry) in enumerate(workers, start=1)
    )


def find_ignored(text: str, source: str) -> list[str]:
    """Return a warning about fields that the local cluster ignores, and one about zones without a region.

    Args:
        text: that `parse_nodes` accepts.
        source: the file's name.
    """
    document = _load(text, source)
    entries = [entry for entry in document["nodes"] if isinstance(entry, Mapping)]
    fields = sorted(document.keys() - READ)
    fields += [f"nodes[].{field}" for field in sorted({str(f) for e in entries for f in e} - NODE_READ)]
    warnings = []
    if fields:
        patched = any("kubeadmConfigPatches" in field for field in fields)
        hint = "; labels are read from nodes[].labels only, taints are not supported" if patched else ""
        warnings.append(f"{source}: ignored by the local cluster: {', '.join(fields)}{hint}")
    lacking = [
        f"nodes[{index}]"
        for index, entry in enumerate(document["nodes"])
        if _role(entry, index, source) == "worker" and _lacks_region(_labels(entry, index, source))
    ]
    if lacking:
        where = ", ".join(lacking)
        warnings.append(
            f"{source}: {where}: {ZONE_LABEL} without {REGION_LABEL}: the zone is not used; add the region"
        )
    return warnings


def read_nodes(path: Path | None) -> tuple[Node, ...]:
    """Read a file, or the built-in configuration with three workers in three zones.

    Raises:
        NodesError: the file cannot be read, or `parse_nodes` rejects it.
    """
    return parse_nodes(*_read(path))


def read_warnings(path: Path | None) -> list[str]:
    """Return what `find_ignored` finds in a file, or in the built-in configuration.

    Raises:
        NodesError: as `read_nodes`.
    """
    return find_ignored(*_read(path))


def _read(path: Path | None) -> tuple[str, str]:
    """Return the text of a nodes file and its name for messages."""
    if path is None:
        return files("spiko_local").joinpath("kind-config.yaml").read_text(), "built-in nodes"
    try:
        return path.read_text(encoding="utf-8"), str(path)
    except OSError as error:
        raise NodesError(f"{path}: {error.strerror}; name a kind configuration with --nodes") from error
    except UnicodeDecodeError as error:
        raise NodesError(f"{path}: not UTF-8; name a kind configuration with --nodes") from error


def _load(text: str, source: str) -> Mapping[str, Any]:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise NodesError(f"{source}: not YAML: {error}") from error
    if not isinstance(document, Mapping) or document.get("kind") != "Cluster":
        raise NodesError(
            f'{source}: kind: must be "Cluster", as in a file for `kind create cluster --config`'
        )
    return document


def _lacks_region(labels: Mapping[str, str]) -> bool:
    return bool(labels.get(ZONE_LABEL)) and not labels.get(REGION_LABEL)


def _role(entry: Any, index: int, source: str) -> str:
    role = entry.get("role", "control-plane") if isinstance(entry, Mapping) else entry
    if role not in ("worker", "control-plane"):
        raise NodesError(f"{source}: nodes[{index}].role: {role!r}: must be worker or control-plane")
    return str(role)


def _labels(entry: Mapping[str, Any], index: int, source: str) -> dict[str, str]:
    labels = entry.get("labels") or {}
    if not isinstance(labels, Mapping) or not all(isinstance(v, str) for v in labels.values()):
        raise NodesError(f"{source}: nodes[{index}].labels: {labels!r}: must map names to quoted strings")
    return dict(labels)
