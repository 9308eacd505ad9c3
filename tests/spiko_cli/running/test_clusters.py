"""What `spiko run --keep` tells the user to type, by the cluster of the run."""

from __future__ import annotations

import pytest

from spiko_cli.kubeconfig import Access
from spiko_cli.running.clusters import RunCluster

LOCAL = Access("/h/kubeconfig", "spiko", "default", local=True)
FAR = Access("/my files/far", "far", "demo")


@pytest.mark.parametrize(
    ("cluster", "variable", "commands"),
    [
        pytest.param(
            RunCluster(LOCAL, named=False, stays_up=False),
            "",
            ["export KUBECONFIG=/h/kubeconfig", "spiko top lamp", "spiko down"],
            id="local",
        ),
        pytest.param(
            RunCluster(FAR, named=True, stays_up=True),
            "/my files/far",
            ["spiko top lamp -n demo --context far", "kubectl delete arch lamp -n demo --context far"],
            id="KUBECONFIG",
        ),
        pytest.param(
            RunCluster(FAR, named=True, stays_up=True),
            "/h/kubeconfig",
            [
                "spiko top lamp -n demo --context far --kubeconfig '/my files/far'",
                "kubectl delete arch lamp -n demo --context far --kubeconfig '/my files/far'",
            ],
            id="--kubeconfig",
        ),
    ],
)
def test_kept_architectures_come_with_the_commands_for_them(
    cluster: RunCluster, variable: str, commands: list[str]
) -> None:
    """Given a cluster, then the commands are for it, and never stop a cluster that is not the local one."""
    assert commands == cluster.commands("lamp", variable)
