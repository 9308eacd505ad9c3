"""`spiko run` on a cluster that is named, and not the local cluster of its home."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.local_cluster import Cluster
from tests.support.paths import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
SMALL = {
    "apiVersion": "spiko.dev/v1alpha1",
    "kind": "Architecture",
    "metadata": {"name": "small"},
    "spec": {
        "victim": "web",
        "services": [
            {"name": "web", "package": "store", "count": 2, "regions": 1},
            {
                "name": "www",
                "package": "denominator",
                "count": 0,
                "load": {"ratePerSecond": 50},
                "dependencies": ["web"],
            },
        ],
    },
}


def test_run_on_a_named_cluster_starts_no_other(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """Given a cluster that is up and a home without one, when a file is run with --kubeconfig, then it runs
    there, in the namespace that -n names, with edges, traces and the kill; no other cluster is started.
    """
    home = tmp_path / "home"
    command = [sys.executable, "-m", "spiko_cli", "run", "-", "-d", "3", "-n", namespace]
    command += ["--kubeconfig", str(cluster.home / "kubeconfig"), "--otlp-listen", "127.0.0.1"]
    done = subprocess.run(
        command,
        env=cluster.environ | {"SPIKO_HOME": str(home), "KUBECONFIG": ""},
        input=yaml.safe_dump(SMALL),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=150,
    )

    assert 0 == done.returncode, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith('using context "')
    assert lines[0].endswith(f', namespace "{namespace}"')
    assert "small applied" == lines[1]
    assert any(line.startswith("www -> web ") for line in lines)
    assert any(line.startswith("fault small-half-time: ") for line in lines)
    assert any(line.startswith("slowest: ") for line in lines)
    assert not home.exists()
    assert [] == cluster.items("arch", namespace)
    assert [] == cluster.items("faults", namespace)
    assert 0 == cluster.spiko("status").returncode
