"""Namespaces that are being deleted: the operator does not fight."""

from __future__ import annotations

import logging

import pytest

from kube_devserver.api.options import Options
from tests.support.settled_shop import shop
from tests.support.stored_cluster import NAMESPACE, StoredCluster

WEB = "shop-web-1-0-0-z0"


def delete_namespace(cluster: StoredCluster) -> None:
    """Begin to delete the namespace, which is not empty."""
    target = cluster.api.target("Namespace", NAMESPACE)
    cluster.api.verbs.delete(target, {"propagationPolicy": "Background"}, Options())


async def test_pass_in_a_terminating_namespace_ends_without_status_event_or_retry(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Given a namespace that is being deleted, when a Deployment is gone, then the pass that cannot create it
    ends with one line in the log, nothing else is written, and later passes do nothing.
    """
    cluster = StoredCluster(shop())
    await cluster.settle()
    delete_namespace(cluster)
    await cluster.api.delete("Deployment", NAMESPACE, WEB, "")
    cluster.api.events.clear()
    with caplog.at_level(logging.INFO):
        for _ in range(5):
            await cluster.reconcile()
            assert cluster.api.writes == []
            assert await cluster.run_pass() is None

    assert cluster.api.events == []
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "because it is being terminated; its end is awaited" in caplog.text
    assert cluster.condition("Applied")["status"] == "True"


async def test_new_operator_sees_that_the_namespace_is_being_deleted() -> None:
    """Given an operator that starts while the namespace is being deleted, then it writes nothing there."""
    cluster = StoredCluster(shop())
    await cluster.settle()
    delete_namespace(cluster)
    cluster.restart_operator()
    await cluster.api.delete("PodDisruptionBudget", NAMESPACE, "shop-web", "")
    cluster.edit("Deployment", WEB, {"spec": {"replicas": 9}})
    await cluster.reconcile()

    assert cluster.api.writes == []
