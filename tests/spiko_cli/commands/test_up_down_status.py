"""`spiko up`, `down` and `status` without a cluster, and the output of `status`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from spiko_cli.commands.status import render, summarize
from spiko_cli.program import group
from spiko_local.errors import LocalError


def spiko(home: Path, *arguments: str) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(group, arguments, env={"SPIKO_HOME": str(home)})


def test_up_reports_missing_binaries(tmp_path: Path) -> None:
    """Given a folder with etcd only, then the error names the others and the command that builds them."""
    (tmp_path / "etcd").write_text("")
    (tmp_path / "etcd").chmod(0o755)
    done = spiko(tmp_path / "home", "up", "--control-plane", str(tmp_path))

    assert (
        "lacks kube-apiserver, kube-controller-manager, kube-scheduler;"
        " build them with `python tests/support/control_plane/build.py`" in str(done.exception)
    )
    assert isinstance(done.exception.__cause__ if done.exception else None, LocalError)
    assert not (tmp_path / "home").exists()


def test_down_without_a_cluster_succeeds(tmp_path: Path) -> None:
    """Given no cluster and no state, then `down` succeeds and reports both."""
    done = spiko(tmp_path / "home", "down")

    assert (0, f"no cluster was up; no state in {tmp_path / 'home'}\n") == (done.exit_code, done.output)


def test_status_without_a_cluster_exits_with_3(tmp_path: Path) -> None:
    """Given no cluster, then the exit code is 3 and the JSON has up=false."""
    assert spiko(tmp_path, "status").exit_code == 3
    assert spiko(tmp_path, "status", "--json").output == '{"up": false}\n'


def state(**changes: Any) -> dict[str, Any]:
    """As `spiko_local.cluster.status` returns it."""
    healthy = {
        "name": "etcd",
        "pid": 7,
        "since": 100.0,
        "restarts": 0,
        "healthy": True,
        "error": "",
        "memoryBytes": 44_000_000,
    }
    killed = {
        "name": "kubelet",
        "pid": 0,
        "since": 0.0,
        "restarts": 2,
        "healthy": False,
        "error": "was killed by SIGKILL",
        "memoryBytes": 0,
    }
    return {
        "parts": [healthy, killed],
        "nodes": [{"name": "spiko-worker", "zone": "us-east-1a", "ready": True, "on": True}],
        "ready": True,
        "failed": "",
        "stopping": False,
        "kubeconfig": "/h/kubeconfig",
    } | changes


def test_status_shows_components_nodes_and_kubeconfig() -> None:
    """Given a running and a killed component, then the table shows both, the nodes, and what to export."""
    expected = """\
COMPONENT                     PID  UP SINCE  RESTARTS   MEMORY  HEALTHY
etcd                            7      1m5s         0    44 MB  yes
kubelet                         -         -         2        -  no: was killed by SIGKILL

NODE                     ZONE                READY
spiko-worker             us-east-1a          yes

degraded; export KUBECONFIG=/h/kubeconfig"""

    assert expected == render(state(), 165.0)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"failed": "etcd does not start"}, "failed"),
        ({"stopping": True}, "stopping"),
        ({"ready": False}, "starting"),
        ({"parts": []}, "ready"),
        ({}, "degraded"),
    ],
)
def test_cluster_status_summary(changes: dict[str, Any], word: str) -> None:
    """Given a state, then the summary is its most important aspect in one word."""
    assert word == summarize(state(**changes))
