"""Programs that others wrote get the same answers of our API server as of Kubernetes': its own client library, and Helm.

Each program runs on one cluster after the other, and what it prints is compared line by line.
"""

from __future__ import annotations

import difflib
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from build import BUILDS, binaries
from local_cluster import OWN, REAL, Cluster, local_cluster

HERE = Path(__file__).resolve().parent
TIME_S = 200
CHART = str(HERE / "chart")
HELM = (
    ("install", "one", CHART, "--create-namespace", "--wait"),
    ("install", "one", CHART),
    ("upgrade", "one", CHART, "--set", "greeting=bye", "--set", "replicas=2", "--wait"),
    ("get", "values", "one"),
    ("rollback", "one", "1", "--wait"),
    ("upgrade", "one", CHART, "--set", "greeting=strange", "--dry-run=server"),
    ("upgrade", "one", CHART, "--set", "replicas=many"),
    ("upgrade", "--install", "two", CHART, "--set", "replicas=0", "--server-side=false"),
    ("upgrade", "two", CHART, "--set", "replicas=0", "--set", "greeting=x", "--server-side=false"),
    ("get", "manifest", "one"),
    ("uninstall", "one", "two", "--wait"),
)
LEFT = "configmaps,serviceaccounts,roles,rolebindings,services,deployments,poddisruptionbudgets,words,secrets"
pytestmark = [pytest.mark.differential, pytest.mark.timeout(3 * TIME_S)]


def program(name: str) -> str:
    """A program that the tests build; fails, never skips, if it is missing."""
    path = binaries() / BUILDS[name].binaries[0][1]
    assert path.exists(), f"{path} is not there: python tests/cluster/build.py {name}"
    return str(path)


def run(cluster: Cluster, *command: str) -> str:
    """What a program prints on both of its outputs, and how it ends."""
    done = subprocess.run(
        command, env=cluster.environ | {"HOME": str(cluster.home)}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False, timeout=TIME_S,
    )  # fmt: skip
    return f"{done.stdout}exit code {done.returncode}\n"


def differences(asked: Callable[[Cluster], str]) -> str:
    """Lines that the two clusters do not have in common."""
    said = {}
    for control_plane in (REAL, OWN):
        with local_cluster("--without-operator", control_plane=control_plane) as cluster:
            said[control_plane] = asked(cluster).splitlines()
    return "\n".join(difflib.unified_diff(said[REAL], said[OWN], REAL, OWN, lineterm="", n=0))


def test_the_client_library() -> None:
    """Typed, dynamic and metadata clients, informers, leader election, a manager of controller-runtime, streams."""
    said = differences(lambda cluster: run(cluster, program("client_go"), str(cluster.home / "kubeconfig")))

    assert not said, f"\n{said}"


def test_helm() -> None:
    """Install, upgrade, roll back and uninstall a chart with a hook and a custom kind; faults are told in the same words."""

    def asked(cluster: Cluster) -> str:
        text = ""
        for command in HELM:
            text += f"$ helm {' '.join(command[:2])}\n{run(cluster, program('helm'), *command, '-n', 'helm')}"
            text += cluster.kubectl("get", LEFT, "-n", "helm", "-o", "custom-columns=K:.kind,N:.metadata.name,D:.data.greeting,T:.spec.text,"
                                    "R:.spec.replicas,O:.metadata.managedFields[*].manager", check=False).stdout  # fmt: skip
        return re.sub(r"\w{3} \w{3} +\d+ \d\d:\d\d:\d\d \d{4}", "<time>", text)

    said = differences(asked)

    assert not said, f"\n{said}"
