"""A node taken away and brought back: `spiko node stop` and `start`."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.architectures import shop
from tests.support.local_cluster import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
NODE, ZONE = "spiko-worker3", "us-east-1c"
LEFT_S = 5.0


@pytest.fixture(autouse=True)
def power(cluster: Cluster) -> Iterator[None]:
    """The node is on again for whoever comes next."""
    yield
    cluster.spiko("node", "start", NODE)
    cluster.until("the node is Ready", lambda: all(_is_ready(node) for node in cluster.items("nodes")), 60)


def _is_ready(node: dict[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"]["conditions"])


def callees(addresses: list[str]) -> set[str]:
    """Pods that somebody has in a routing table that he acknowledged, by UID, as these eurekas tell."""
    found = set()
    for address in addresses:
        with urllib.request.urlopen(f"http://{address}:7070/edges", timeout=2) as reply:
            found |= {callee for _, callee in json.load(reply)["edges"]}
    return found


def test_callers_leave_a_node_without_power_and_find_it_again(cluster: Cluster, namespace: str) -> None:
    """Given traffic, when a node falls silent, then nobody routes to its pods after 5 s, the other zones' pods stay, and power brings the old graph back."""
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace)
    pods = {p["metadata"]["uid"]: p for p in cluster.items("pods", namespace, "spiko.dev/tier")}
    lost = {uid for uid, pod in pods.items() if pod["spec"]["nodeName"] == NODE}
    eurekas = [
        p["status"]["podIP"] for uid, p in pods.items() if uid not in lost and p["metadata"]["labels"]["spiko.dev/tier"] == "eureka"
    ]  # fmt: skip
    assert lost & callees(eurekas)

    began = time.monotonic()
    cluster.spiko("node", "stop", NODE)
    cluster.until("callers leave", lambda: not lost & callees(eurekas), 20)
    took_s = time.monotonic() - began
    status = json.loads(cluster.spiko("status", "--json").stdout)
    again = cluster.spiko("node", "stop", NODE)

    assert took_s <= LEFT_S + 1.5  # the command itself and its Python are in it
    assert {NODE: False} == {n["name"]: n["on"] for n in status["nodes"] if not n["on"]}
    assert 0 == again.returncode
    # a lost zone moves nobody: the survivors are the same processes in the same places
    left = {p["metadata"]["uid"]: p["spec"]["nodeName"] for p in cluster.items("pods", namespace, "spiko.dev/tier")}
    assert {uid: pods[uid]["spec"]["nodeName"] for uid in pods if uid not in lost} == {
        uid: node for uid, node in left.items() if uid not in lost
    }

    cluster.spiko("node", "start", NODE)
    cluster.until_settled("shop", namespace, 60)
    now = {p["metadata"]["uid"]: p for p in cluster.items("pods", namespace, "spiko.dev/tier")}
    # its time was too short to be marked: the same pods, their containers started again
    assert set(pods) == set(now)
    assert all(now[uid]["status"]["containerStatuses"][0]["restartCount"] == 1 for uid in lost)


def test_a_kubelet_that_is_killed_knows_which_nodes_are_off(cluster: Cluster, namespace: str) -> None:
    """Given a node without power, when the kubelet is killed, then the next one leaves the node off, and starts its pods when power is back."""
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace)
    cluster.spiko("node", "stop", NODE)
    before = cluster.pid("kubelet")
    cluster.kill("kubelet")
    cluster.until("another kubelet", lambda: cluster.pid("kubelet") not in (0, before))
    cluster.until(
        "it answers", lambda: all(p["healthy"] for p in json.loads(cluster.spiko("status", "--json").stdout)["parts"])
    )
    off = [n["name"] for n in json.loads(cluster.spiko("status", "--json").stdout)["nodes"] if not n["on"]]
    cluster.spiko("node", "start", NODE)

    assert [NODE] == off
    cluster.until_settled("shop", namespace, 60)


def test_an_unknown_node_is_named_with_those_that_are_there(cluster: Cluster) -> None:
    """Field, value and way out."""
    done = cluster.spiko("node", "stop", "nowhere", check=False)

    assert (1, 'spiko: node "nowhere" not found; the nodes are spiko-worker, spiko-worker2, spiko-worker3\n') == (
        done.returncode,
        done.stderr,
    )
