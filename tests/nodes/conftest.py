"""One cluster with real nodes and the operator in it, for all of these tests, and a namespace for each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.support.node_cluster import NodeCluster, node_cluster

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeCluster]:
    """The cluster, with the chart of this checkout."""
    with node_cluster(tmp_path_factory.mktemp("nodes")) as found:
        yield found


@pytest.fixture
def namespace(cluster: NodeCluster) -> Iterator[str]:
    """A namespace that enforces the Pod Security Standard `restricted`, deleted afterwards."""
    name = f"nodes-{next(_numbers)}"
    cluster.make_namespace(name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false", check=False)
