"""A cluster with real nodes, in which Helm has installed the operator: that of `make kind`, or another."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.support.local_cluster import Cluster, Object
from tests.support.paths import ROOT

KUBECONFIG = "SPIKO_TEST_NODES_KUBECONFIG"  # of a cluster whose nodes have the images, or can pull them
CHART = ROOT / "charts" / "spiko"
RELEASE, SYSTEM, OPERATOR = "spiko", "spiko-system", "spiko-operator"
KIND = "spiko"  # the name of the cluster in kind-config.yaml
OPERATOR_PODS = "app.kubernetes.io/name=spiko-operator"
MAKE_S = 900.0
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"


class NodeCluster(Cluster):
    """A cluster with real nodes.

    Args:
        home: folder for files of the tests.
        kubeconfig: of an administrator.
        made_here: whether it is that of `make kind`, so that nodes can be stopped and images loaded.
    """

    poll_s = 0.5  # pods take seconds here, and each kubectl takes processor time from them

    def __init__(self, home: Path, kubeconfig: Path, made_here: bool) -> None:
        self.home, self.real, self.arguments = home, True, ()
        self.kubectl_path = find_program("kubectl")
        self.made_here = made_here
        self.environ = os.environ | {
            "SPIKO_HOME": str(home),
            "KUBECONFIG": str(kubeconfig),
            "NO_COLOR": "1",
        }

    def as_user(self, kubeconfig: Path) -> NodeCluster:
        """Return the same cluster, with the rights of another kubeconfig."""
        return NodeCluster(self.home, kubeconfig, self.made_here)

    def make_namespace(self, name: str) -> None:
        """Create an empty namespace that enforces the Pod Security Standard `restricted`."""
        self.kubectl("delete", "namespace", name, "--ignore-not-found", "--timeout=90s")
        self.kubectl("create", "namespace", name)
        self.kubectl("label", "namespace", name, RESTRICTED)

    def _state(self) -> str:
        pods = self.kubectl("get", "arch,pods,faults", "-A", check=False).stdout
        return f"{pods}\n{self.operator_log(15)}"

    # ------------------------------------------------------------ the release

    def install(self, values: Object | None = None, chart: Path = CHART) -> None:
        """Install the chart, or upgrade it, with these values alone; wait until the operator is ready."""
        given = {"scope": "cluster", "image": {"tag": tag()}, "nanoservice": {"image": {"tag": tag()}}}
        self.helm(
            "upgrade", "--install", RELEASE, str(chart), "--create-namespace", "--values", "-",
            "--wait", "--timeout", "90s", values=given | (values or {}),
        )  # fmt: skip

    def helm(self, *arguments: str, values: Object | None = None) -> str:
        """Run helm in the namespace of the release, and return its output."""
        command = [find_program("helm"), *arguments, "--namespace", SYSTEM]
        return self._run(command, check=True, stdin=yaml.safe_dump(values or {})).stdout

    @contextmanager
    def installed(self, values: Object) -> Iterator[None]:
        """Run the operator with these values of the chart meanwhile."""
        self.install(values)
        try:
            yield
        finally:
            self.install()

    # ------------------------------------------------------------ the operator

    def operator_log(self, lines: int = -1) -> str:
        """Return the end of the operators' logs, or all of them."""
        arguments = ("logs", "-n", SYSTEM, "-l", OPERATOR_PODS, f"--tail={lines}")
        return self.kubectl(*arguments, check=False).stdout

    def leader(self) -> str:
        """Return the name of the operator's pod that holds the Lease; empty if there is none."""
        lease = self.get("lease", OPERATOR, SYSTEM)
        holder = str(lease.get("spec", {}).get("holderIdentity") or "")
        names = self.uids(SYSTEM, OPERATOR_PODS)
        return next((name for name in names if holder.startswith(name)), "")

    def operator_metrics(self) -> list[Sample]:
        """Return what the leader counts."""
        return self.read_metrics(SYSTEM, self.until("a leader", self.leader), 8081)

    def read_metrics(self, namespace: str, pod: str, port: int) -> list[Sample]:
        """Return the samples of a pod's metrics page, read through the API server."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy/metrics"
        text = self.kubectl("get", "--raw", path).stdout
        return [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    # ------------------------------------------------------------ nodes and images

    def engine(self, *arguments: str) -> str:
        """Run docker or podman, whose containers the nodes are; skip the test in another cluster."""
        self.need_kind()
        return self._run([engine(), *arguments], check=True, stdin=None).stdout

    def need_kind(self) -> None:
        """Skip the test unless the cluster is that of `make kind`."""
        if not self.made_here:
            pytest.skip(f"nodes and images of the cluster in {KUBECONFIG} cannot be changed")

    def load_again(self, image: str, other_tag: str) -> None:
        """Give an image of the chart another tag, and load it into the workers of kind."""
        name = f"docker.io/spiko/{image}"
        self.engine("tag", f"{name}:{tag()}", f"{name}:{other_tag}")
        nodes = ",".join(self.workers())
        kind = ("kind", "load", "docker-image", f"{name}:{other_tag}", "--name", KIND, "--nodes", nodes)
        self._run([*kind], check=True, stdin=None)

    def workers(self) -> list[str]:
        """Return the names of the nodes that have a zone."""
        nodes = self.get("nodes", labels="topology.kubernetes.io/zone")["items"]
        return sorted(node["metadata"]["name"] for node in nodes)

    def zones(self) -> dict[str, str]:
        """Return the zone of each node that has one."""
        nodes = self.get("nodes", labels="topology.kubernetes.io/zone")["items"]
        zone = "topology.kubernetes.io/zone"
        return {node["metadata"]["name"]: node["metadata"]["labels"][zone] for node in nodes}

    # ------------------------------------------------------------ requests of a source

    def source_counts(self, namespace: str) -> tuple[int, int]:
        """Return the requests that the sources of a namespace sent, and those of them that failed."""
        sent, failed = 0, 0
        for pod in self.items("pods", namespace, "spiko.dev/tier=www"):
            for sample in self.read_metrics(namespace, pod["metadata"]["name"], 8080):
                if sample.name == "spiko_edge_requests_total":
                    sent += int(sample.value)
                    failed += int(sample.value) if sample.labels["outcome"] == "error" else 0
        return sent, failed


def tag() -> str:
    """Return the tag of the images, as `make kind` chooses it."""
    found = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found is not None
    return os.environ.get("TAG") or found[1]


def engine() -> str:
    """Return the container engine that `make kind` uses."""
    return os.environ.get("ENGINE") or ("docker" if shutil.which("docker") else "podman")


def find_program(name: str) -> str:
    """Return the path of a program; fail if it is not installed."""
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"{name} is not on the PATH: install it for the tests on real nodes")
    return path


@contextmanager
def node_cluster(home: Path) -> Iterator[NodeCluster]:
    """Yield the cluster of SPIKO_TEST_NODES_KUBECONFIG, or that of `make kind`, made if it is missing.

    The release is that of the checkout.
    """
    given = os.environ.get(KUBECONFIG)
    kubeconfig = Path(given) if given else home / "kubeconfig"
    if not given:
        up = ("images/kind.sh", "up", "kind-config.yaml", "lamp")
        subprocess.run(up, cwd=ROOT, check=True, timeout=MAKE_S, stdout=sys.stderr)
        command = ["kind", "get", "kubeconfig", "--name", KIND]
        kubeconfig.write_text(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    cluster = NodeCluster(home, kubeconfig, not given)
    cluster.install()
    cluster.kubectl("label", "namespace", SYSTEM, "--overwrite", RESTRICTED)
    yield cluster


def pod_places(pods: list[Object]) -> dict[str, tuple[str, str]]:
    """Return the node of each pod that belongs to a zone, and the zone in its label."""
    return {
        pod["metadata"]["name"]: (pod["spec"]["nodeName"], pod["metadata"]["labels"]["spiko.dev/zone"])
        for pod in pods
        if "spiko.dev/zone" in pod["metadata"]["labels"]
    }


def restarts(pods: list[Object]) -> dict[str, int]:
    """Return the UID of each pod, and how often its containers were restarted."""
    return {
        pod["metadata"]["uid"]: sum(each["restartCount"] for each in pod["status"]["containerStatuses"])
        for pod in pods
    }
