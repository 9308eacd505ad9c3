"""Everything at once: parts and pods die at random while Architectures change, are deleted and made again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.chaos import run_mayhem
from tests.support.local_cluster import Cluster, local_cluster

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(600)]
SECONDS, SEED = 40.0, 3


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster of its own: what was left by other tests must not be in the way, nor parts that are started again ever later in theirs."""
    with local_cluster() as made:
        yield made


@pytest.fixture
def fresh(cluster: Cluster, namespace: str) -> Iterator[str]:
    """A second namespace, for the undisturbed copy."""
    name = f"{namespace}-fresh"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false", check=False)


def test_the_end_is_that_of_an_undisturbed_run(cluster: Cluster, namespace: str, fresh: str) -> None:
    """Given 40 s of kill -9 and changes, then objects, pods, memory and graph are those of the last manifests freshly applied, and no process is left over.

    `python tests/bench/kill_parts.py` does the same for longer.
    """
    report = run_mayhem(cluster, (namespace, fresh), ("shop", "mart"), SECONDS, SEED)

    assert report.differences == [], report.render()
    assert sum(report.kills.values()) >= 8
    assert sum(report.changes.values()) >= 8
