"""Kubernetes accepts the generated CustomResourceDefinitions: structural schemas, rules of bounded cost."""

from __future__ import annotations

import pytest

from tests.support.local_cluster import Cluster
from tests.support.paths import ROOT

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.real,  # the API server of a local cluster does not estimate what a rule costs
]


def test_a_real_api_server_accepts_the_generated_definitions(cluster: Cluster) -> None:
    """Given the files in crds/, when they are applied, then all are accepted without a warning."""
    done = cluster.kubectl(
        "apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", str(ROOT / "crds")
    )

    assert len(list((ROOT / "crds").glob("*.yaml"))) == done.stdout.count("serverside-applied")
    assert "Warning" not in done.stderr
