"""Switching a node off and on: `spiko node stop` and `start`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from spiko_nanoservice.contract.handshake import EpochKey
from tests.support.architectures import shop
from tests.support.eureka_reader import read_eureka, read_keys
from tests.support.local_cluster import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
NODE, ZONE = "spiko-worker3", "us-east-1c"
LEFT_S = 5.0


@pytest.fixture(autouse=True)
def power(cluster: Cluster) -> Iterator[None]:
    """Switch the node on after the test."""
    yield
    cluster.spiko("node", "start", NODE)
    cluster.until("the node is Ready", lambda: all(_is_ready(node) for node in cluster.items("nodes")), 60)


def _is_ready(node: dict[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"]["conditions"])


def callees(keys: tuple[EpochKey, ...], addresses: list[str]) -> set[str]:
    """Return the UIDs of pods in any acknowledged routing table, as these eurekas report them."""
    found = set()
    for address in addresses:
        found |= {callee for _, callee in read_eureka(keys, address, "edges")["edges"]}
    return found


def test_callers_leave_a_node_without_power_and_find_it_again(cluster: Cluster, namespace: str) -> None:
    """Given traffic, when a node is switched off, then no caller routes to its pods after 5 s, and pods of
    other zones stay; switched on again, the graph is restored.
    """
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace)
    pods = {p["metadata"]["uid"]: p for p in cluster.items("pods", namespace, "spiko.dev/tier")}
    lost = {uid for uid, pod in pods.items() if pod["spec"]["nodeName"] == NODE}
    others = [pod for uid, pod in pods.items() if uid not in lost]
    eurekas = [p["status"]["podIP"] for p in others if p["metadata"]["labels"]["spiko.dev/tier"] == "eureka"]
    keys = read_keys(cluster, namespace)
    assert lost & callees(keys, eurekas)

    began = time.monotonic()
    cluster.spiko("node", "stop", NODE)
    cluster.until("callers leave", lambda: not lost & callees(keys, eurekas), 20)
    took_s = time.monotonic() - began
    status = json.loads(cluster.spiko("status", "--json").stdout)
    again = cluster.spiko("node", "stop", NODE)

    assert took_s <= LEFT_S + 1.5  # includes the command itself
    assert {NODE: False} == {n["name"]: n["on"] for n in status["nodes"] if not n["on"]}
    assert 0 == again.returncode
    # The loss of a zone moves no pod: other pods are the same processes in the same places.
    left = {
        p["metadata"]["uid"]: p["spec"]["nodeName"]
        for p in cluster.items("pods", namespace, "spiko.dev/tier")
    }
    assert {uid: pods[uid]["spec"]["nodeName"] for uid in pods if uid not in lost} == {
        uid: node for uid, node in left.items() if uid not in lost
    }

    cluster.spiko("node", "start", NODE)
    cluster.until_settled("shop", namespace, 60)
    now = {p["metadata"]["uid"]: p for p in cluster.items("pods", namespace, "spiko.dev/tier")}
    # The node was off too briefly for evictions: the pods are the same, with restarted containers.
    assert set(pods) == set(now)
    assert all(now[uid]["status"]["containerStatuses"][0]["restartCount"] == 1 for uid in lost)


def test_new_kubelet_keeps_a_node_switched_off(cluster: Cluster, namespace: str) -> None:
    """Given a node that is switched off, when the kubelet is killed, then the next one keeps the node off,
    and starts its pods when it is switched on.
    """
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace)
    cluster.spiko("node", "stop", NODE)
    before = cluster.pid("kubelet")
    cluster.kill("kubelet")
    cluster.until("another kubelet", lambda: cluster.pid("kubelet") not in (0, before))
    cluster.until(
        "it answers",
        lambda: all(p["healthy"] for p in json.loads(cluster.spiko("status", "--json").stdout)["parts"]),
    )
    off = [n["name"] for n in json.loads(cluster.spiko("status", "--json").stdout)["nodes"] if not n["on"]]
    cluster.spiko("node", "start", NODE)

    assert [NODE] == off
    cluster.until_settled("shop", namespace, 60)


def test_unknown_node_is_reported_with_existing_nodes(cluster: Cluster) -> None:
    """Given an unknown node, then the message has field, value and existing nodes."""
    done = cluster.spiko("node", "stop", "nowhere", check=False)

    assert (
        1,
        'spiko: node "nowhere" not found; the nodes are spiko-worker, spiko-worker2, spiko-worker3\n',
    ) == (
        done.returncode,
        done.stderr,
    )
