"""Parts and pods are killed at random while Architectures change, are deleted and created again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.chaos import run_mayhem
from tests.support.local_cluster import Cluster, local_cluster

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(600)]
SECONDS, SEED = 40.0, 3


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A separate cluster, so that objects of other tests and slowly restarting parts do not interfere."""
    with local_cluster() as made:
        yield made


@pytest.fixture
def fresh(cluster: Cluster, namespace: str) -> Iterator[str]:
    """A second namespace, for the undisturbed copy."""
    name = f"{namespace}-fresh"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false", check=False)


def test_final_state_is_that_of_an_undisturbed_run(cluster: Cluster, namespace: str, fresh: str) -> None:
    """Given 40 s of kill -9 and changes, then objects, pods, state and graph are those of the last manifests
    in a new namespace, and no process is left over.

    `python -m tests.bench.kill_parts` does the same for longer.
    """
    report = run_mayhem(cluster, (namespace, fresh), ("shop", "mart"), SECONDS, SEED)

    assert report.differences == [], report.render()
    assert sum(report.kills.values()) >= 8
    assert sum(report.changes.values()) >= 8
