"""A namespace is deleted while no operator runs."""

from __future__ import annotations

import time

import pytest

from tests.support.architectures import shop
from tests.support.node_cluster import OPERATOR, OPERATOR_PODS, SYSTEM, NodeCluster

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(300)]


def scale_operator(cluster: NodeCluster, replicas: int) -> None:
    """Set the number of operators, and wait until they are ready, or gone."""
    cluster.kubectl("scale", "deployment", OPERATOR, "-n", SYSTEM, f"--replicas={replicas}")
    cluster.kubectl("rollout", "status", "deployment", OPERATOR, "-n", SYSTEM, "--timeout=90s")
    cluster.until("that many operators", lambda: replicas == len(cluster.uids(SYSTEM, OPERATOR_PODS)), 60)


def warnings(cluster: NodeCluster) -> list[str]:
    """Return the warnings and errors that the running operator has logged."""
    lines = cluster.operator_log().splitlines()
    return [line for line in lines if " WARNING " in line or " ERROR " in line]


def test_a_namespace_can_be_deleted_without_an_operator(cluster: NodeCluster, namespace: str) -> None:
    """Given a settled shop and no operator, when its namespace is deleted, then it is gone; an operator that
    starts afterwards warns of nothing.
    """
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace, 90)
    scale_operator(cluster, 0)
    try:
        cluster.kubectl("delete", "namespace", namespace, "--timeout=90s")
        gone = cluster.get("namespace", namespace)
    finally:
        scale_operator(cluster, 1)
    cluster.until("a leader", cluster.leader, 30)
    time.sleep(10)

    assert {} == gone
    assert [] == warnings(cluster)


def test_a_namespace_can_be_deleted_with_an_operator(cluster: NodeCluster, namespace: str) -> None:
    """Given a settled shop, when its namespace is deleted, then it is gone, and no warning names it."""
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace, 90)
    cluster.kubectl("delete", "namespace", namespace, "--timeout=90s")

    assert [] == [line for line in warnings(cluster) if f"{namespace}/" in line or f"'{namespace}'" in line]
