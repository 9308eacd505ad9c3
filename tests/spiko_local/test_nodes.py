"""Nodes of a kind configuration."""

from __future__ import annotations

import pytest

from spiko_local.errors import NodesError
from spiko_local.nodes import find_ignored, parse_nodes, read_nodes, read_warnings
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


FOREIGN = """
kind: Cluster
networking: {disableDefaultCNI: true}
nodes:
  - role: control-plane
    extraPortMappings: [{containerPort: 80, hostPort: 80}]
  - role: worker
    extraMounts: [{hostPath: /a, containerPath: /a}]
    kubeadmConfigPatches: ["kind: JoinConfiguration"]
  - role: worker
    extraMounts: [{hostPath: /b, containerPath: /b}]
"""


def test_ignored_fields_are_named_once() -> None:
    """Given a file with fields that only kind uses, then one warning names each of them once."""
    (warning,) = find_ignored(FOREIGN, "f.yaml")

    assert warning == (
        "f.yaml: ignored by the local cluster: networking, nodes[].extraMounts, nodes[].extraPortMappings,"
        " nodes[].kubeadmConfigPatches; labels are read from nodes[].labels only, taints are not supported"
    )
    assert [] == read_warnings(None) == read_warnings(ROOT / "kind-config.yaml")


def test_a_zone_without_a_region_is_reported() -> None:
    """Given two workers of which one has a zone but no region, then warning and zone name say so."""
    zone, region = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"
    text = f"kind: Cluster\nnodes: [{{role: worker, labels: {{{zone}: a, {region}: r}}}}, {{role: worker, "
    text += f"labels: {{{zone}: b}}}}, {{role: worker}}]"

    assert [f"f.yaml: nodes[1]: {zone} without {region}: the zone is not used; add the region"] == (
        find_ignored(text, "f.yaml")
    )
    assert ["a", "b (no region)", "no zone"] == [node.zone for node in parse_nodes(text, "f.yaml")]
