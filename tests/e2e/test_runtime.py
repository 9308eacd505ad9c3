"""spec.runtime on a running cluster, and an operator without disruption budgets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.architectures import shop
from tests.support.local_cluster import Cluster, local_cluster

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(240)]
WEB = "shop-web-1-0-0-z0"
RUNTIME = {
    "imagePullSecrets": [{"name": "registry"}],
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "labels": {"team": "shop", "example.com/empty": ""},
    "annotations": {"example.com/note": "any text"},
    "otlpSecretName": "collector",
}


def template(cluster: Cluster, namespace: str) -> Any:
    """Return the pod template of the web servers in the first zone."""
    return cluster.get("deployment", WEB, namespace)["spec"]["template"]


def test_fields_of_the_runtime_reach_all_pods_and_leave_no_trace(cluster: Cluster, namespace: str) -> None:
    """Given a Ready shop, when fields of the runtime are added, then every pod is replaced by one that has
    them, and tiers see two keys of the collector's Secret; when they are removed, the template is as before.
    """
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace)
    before, first = template(cluster, namespace), set(cluster.uids(namespace).values())
    literals = ("--from-literal=headers=a=b", "--from-literal=tls.key=k")
    cluster.kubectl("create", "secret", "generic", "collector", "-n", namespace, *literals)

    cluster.apply(shop(runtime=RUNTIME), namespace)
    cluster.until_settled("shop", namespace, 80)
    cluster.until("old pods gone", lambda: not first & set(cluster.uids(namespace).values()))
    pods = cluster.items("pods", namespace, "team=shop")
    command = ("sh", "-c", "ls $SPIKO_VOLUMES_ROOT/var/run/spiko-otlp")
    files = cluster.kubectl("exec", "-n", namespace, f"deploy/{WEB}", "--", *command).stdout
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace, 80)

    assert len(first) == len(pods)
    assert {"linux"} == {pod["spec"]["nodeSelector"]["kubernetes.io/os"] for pod in pods}
    assert [[{"name": "registry"}]] * len(pods) == [pod["spec"]["imagePullSecrets"] for pod in pods]
    assert {"any text"} == {pod["metadata"]["annotations"]["example.com/note"] for pod in pods}
    assert ["headers"] == files.split()
    assert before == template(cluster, namespace)


def test_a_node_is_drained_without_disruption_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given one node per zone and an operator without disruption budgets, when a node is drained, then all
    its pods are evicted, and after `kubectl uncordon` the shop is Ready again.
    """
    monkeypatch.setenv("SPIKO_DISRUPTION_BUDGETS", "false")
    with local_cluster() as cluster:
        body = shop()
        body["spec"]["services"][1]["count"] = 6  # two web servers in each zone
        cluster.apply(body)
        cluster.until_settled("shop")
        node = next(pod["spec"]["nodeName"] for pod in cluster.items("pods", labels="spiko.dev/tier=web"))
        cluster.kubectl("drain", node, "--timeout=60s")
        left = [pod for pod in cluster.items("pods") if pod["spec"].get("nodeName") == node]
        budgets = cluster.items("poddisruptionbudgets")
        cluster.kubectl("uncordon", node)
        cluster.until_settled("shop", seconds=60)

        assert ([], []) == (budgets, left)
