"""A node is lost, and a node is drained; each zone has one node."""

from __future__ import annotations

import pytest

from tests.support.architectures import wide_shop
from tests.support.node_cluster import OPERATOR_PODS, SYSTEM, NodeCluster

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(400)]


def is_ready(cluster: NodeCluster, node: str) -> bool:
    """Return whether a node is Ready."""
    return cluster.condition("node", node, "Ready").get("status") == "True"


def pods_of(cluster: NodeCluster, namespace: str, node: str) -> list[str]:
    """Return the names of the pods on a node that are not ending."""
    return [
        pod["metadata"]["name"]
        for pod in cluster.items("pods", namespace)
        if pod["spec"].get("nodeName") == node and "deletionTimestamp" not in pod["metadata"]
    ]


def test_pods_come_back_with_their_node(cluster: NodeCluster, namespace: str) -> None:
    """Given a shop, when the node with the operator and a third of the pods is stopped, then another operator
    reports within 120 s that pods are missing; when the node is back, the shop is Ready and serves.
    """
    cluster.need_kind()
    cluster.apply(wide_shop(), namespace)
    cluster.until_settled("shop", namespace, 90)
    (operator,) = cluster.items("pods", SYSTEM, OPERATOR_PODS)
    node = operator["spec"]["nodeName"]
    assert pods_of(cluster, namespace, node)
    cluster.engine("stop", "--time=1", node)
    try:
        cluster.until(
            "another leader", lambda: cluster.leader() not in ("", operator["metadata"]["name"]), 120
        )
        cluster.until(
            "missing pods",
            lambda: cluster.condition("arch", "shop", "Ready", namespace)["status"] == "False",
            60,
        )
    finally:
        cluster.engine("start", node)
    cluster.until("the node", lambda: is_ready(cluster, node), 90)
    cluster.until_settled("shop", namespace, 120)
    sent, failed = cluster.source_counts(namespace)
    cluster.until("requests", lambda: cluster.source_counts(namespace)[0] > sent + 100, 30)

    assert failed == cluster.source_counts(namespace)[1]


def test_a_node_is_drained_without_disruption_budgets(cluster: NodeCluster, namespace: str) -> None:
    """Given `disruptionBudgets.enabled=false`, when a node is drained, then all of its pods are evicted;
    after `kubectl uncordon` the shop is Ready again.
    """
    with cluster.installed({"disruptionBudgets": {"enabled": False}}):
        cluster.apply(wide_shop(), namespace)
        cluster.until_settled("shop", namespace, 90)
        node = cluster.items("pods", namespace, "spiko.dev/tier=web")[0]["spec"]["nodeName"]
        try:
            cluster.kubectl("drain", node, "--ignore-daemonsets", "--timeout=80s")
            left = pods_of(cluster, namespace, node)
            budgets = cluster.items("poddisruptionbudgets", namespace)
        finally:
            cluster.kubectl("uncordon", node)
        cluster.until_settled("shop", namespace, 90)

    assert ([], []) == (budgets, left)
