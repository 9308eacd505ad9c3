"""Nodes of a kind configuration."""

from __future__ import annotations

import pytest

from spiko_local.errors import NodesError
from spiko_local.nodes import parse_nodes, read_nodes
from tests.support.paths import ROOT


def test_nodes_are_the_workers_of_the_file() -> None:
    """Given the repository's file, then nodes are named as kind does it; the built-in file is the same."""
    nodes = read_nodes(ROOT / "kind-config.yaml")

    assert ["spiko-worker", "spiko-worker2", "spiko-worker3"] == [n.name for n in nodes]
    assert ("127.64.0.2", "127.66.1.0") == (nodes[1].address, nodes[1].pod_address(256))
    assert nodes == read_nodes(None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not YAML"),
        ("kind: Pod", 'kind: must be "Cluster"'),
        ("kind: Cluster\nnodes: [{role: control-plane}]", "nodes: must contain a node with role worker"),
        (
            "kind: Cluster\nnodes: [{role: master}]",
            r"nodes\[0\].role: 'master': must be worker or control-plane",
        ),
        (
            "kind: Cluster\nnodes: [{role: worker, labels: {a: 1}}]",
            r"nodes\[0\].labels: .*: must map names to quoted",
        ),
        (
            f"kind: Cluster\nnodes: [{', '.join(['{role: worker}'] * 65)}]",
            "nodes: 65 workers: must be at most 64",
        ),
    ],
)
def test_an_invalid_nodes_file_is_rejected_with_its_field(text: str, message: str) -> None:
    """Given an invalid file, then the message names file, field, value and what is allowed."""
    with pytest.raises(NodesError, match=message) as caught:
        parse_nodes(text, "f.yaml")

    assert str(caught.value).startswith("f.yaml: ")
