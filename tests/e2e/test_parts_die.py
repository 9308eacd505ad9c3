"""Components of the cluster are killed: the final state is the same."""

from __future__ import annotations

import json
import os
import signal
import time
from random import Random

import pytest

from tests.support.architectures import shop
from tests.support.local_cluster import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 4))])
def test_killed_operator(cluster: Cluster, namespace: str, seed: int) -> None:
    """Given changes in progress, when the operator is killed at random times, then the final state is that of
    an undisturbed run.
    """
    random = Random(seed)
    cluster.apply(shop(rate=0), namespace)
    for scale in (200, 50, 300, 100):
        time.sleep(random.uniform(0.0, 0.6))
        cluster.kill("operator")
        cluster.kubectl("scale", "arch", "shop", "-n", namespace, f"--replicas={scale}")
        time.sleep(random.uniform(0.0, 1.5))
    cluster.until_settled("shop", namespace, 90)
    cluster.until("7 + 3 pods", lambda: len(cluster.uids(namespace)) == 10, 60)

    assert cluster.get("arch", "shop", namespace)["status"]["summary"]["pods"] == "7/7"


def test_killed_api_server_and_etcd(cluster: Cluster, namespace: str) -> None:
    """Given traffic, when etcd and the API server are killed, then pods and traffic continue and all
    components recover.
    """
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace)
    before = cluster.pod_pids(namespace)
    for part in ("kube-apiserver", "etcd") if cluster.real else ("apiserver",):
        cluster.kill(part)
    cluster.until("the API server", lambda: cluster.kubectl("get", "ns", check=False).returncode == 0, 60)
    cluster.kubectl("scale", "arch", "shop", "-n", namespace, "--replicas=200")
    cluster.until(
        "12 pods",
        lambda: cluster.get("arch", "shop", namespace)["status"].get("summary", {}).get("pods") == "12/12",
        90,
    )
    cluster.until_settled("shop", namespace)

    assert before.items() <= cluster.pod_pids(namespace).items()


def test_new_kubelet_adopts_running_pods(cluster: Cluster, namespace: str) -> None:
    """Given running pods, when the kubelet is killed, then the next one has the same processes, and none was
    restarted.
    """
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace)
    before = cluster.pod_pids(namespace)
    old = cluster.pid("kubelet")
    cluster.kill("kubelet")
    cluster.until("a new kubelet", lambda: cluster.pid("kubelet") != old)
    name = min(n for n in before if "-web-" in n)
    cluster.until(
        "logs through the new kubelet",
        lambda: "listens on" in cluster.kubectl("logs", "-n", namespace, name, check=False).stdout,
    )
    cluster.kubectl("delete", "pod", name, "-n", namespace, "--wait=true")
    cluster.until_settled("shop", namespace)

    after = cluster.pod_pids(namespace)
    kept = {n: pid for n, pid in before.items() if n != name}
    assert kept.items() <= after.items()
    assert all(
        s["restartCount"] == 0
        for p in cluster.items("pods", namespace)
        for s in p["status"]["containerStatuses"]
    )


def test_killed_process_is_restarted_in_its_pod(cluster: Cluster, namespace: str) -> None:
    """Given kill -9 of a pod's process, then the same pod is restarted once and Ready again at the same
    address.
    """
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace)
    name, pid = next((n, p) for n, p in sorted(cluster.pod_pids(namespace).items()) if "-web-" in n)
    address = cluster.get("pod", name, namespace)["status"]["podIP"]
    os.kill(pid, signal.SIGKILL)

    def restarted() -> bool:
        status = cluster.get("pod", name, namespace)["status"]
        (container,) = status["containerStatuses"]
        return bool(container["restartCount"] == 1 and container["ready"])

    cluster.until("one restart", restarted)
    cluster.until_settled("shop", namespace)
    status = cluster.get("pod", name, namespace)["status"]
    assert address == status["podIP"]
    assert status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 137


@pytest.mark.long
def test_no_process_outlives_the_supervisor(cluster: Cluster) -> None:
    """Given kill -9 of the supervisor, then no process of the cluster is left, pods included; up, up again,
    down and status report the state.
    """
    cluster.apply(shop())
    cluster.until_settled("shop")
    pods = len(cluster.uids("default"))
    assert len(cluster.processes()) >= pods + 5  # supervisor, API server, kubelet, prefork template, operator
    os.kill(json.loads((cluster.home / "state.json").read_text())["pid"], signal.SIGKILL)
    cluster.until("no process", lambda: not cluster.processes(), 10)
    assert cluster.spiko("status", check=False).returncode == 3

    cluster.up()
    cluster.apply(shop())
    cluster.until_settled("shop")
    again = cluster.spiko("up", *cluster.arguments, check=False)
    assert again.returncode == 1
    assert "up already" in again.stderr
    assert "stopped" in cluster.spiko("down").stdout
    assert not cluster.processes()
    cluster.up()
