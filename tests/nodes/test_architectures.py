"""Architectures of the examples on real nodes: zones, graphs, causes of missing pods, deletion."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator

import pytest
import yaml

from tests.support.architectures import Object, shop
from tests.support.node_cluster import SYSTEM, NodeCluster, pod_places
from tests.support.normal_form import discovered_graph, predicted_graph
from tests.support.paths import EXAMPLES

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(300)]
QUOTA: Object = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "memory"},
    "spec": {"hard": {"requests.memory": "1Gi"}},
}
WRITING = {"apply", "create", "delete", "patch", "post", "put", "update"}
EVENTS = ("events", "events.events.k8s.io")


@pytest.fixture
def policies(cluster: NodeCluster) -> Iterator[None]:
    """The operator writes NetworkPolicies meanwhile."""
    with cluster.installed({"networkPolicies": {"enabled": True}}):
        yield


def ready_message(cluster: NodeCluster, namespace: str) -> str:
    """Return the message of the condition Ready."""
    return str(cluster.condition("arch", "shop", "Ready", namespace).get("message", ""))


def contents(cluster: NodeCluster, namespace: str) -> set[str]:
    """Return kind and name of every object of a namespace, events excepted."""
    arguments = ("api-resources", "--namespaced", "--verbs=list", "--output=name")
    kinds = [kind for kind in cluster.kubectl(*arguments).stdout.split() if kind not in EVENTS]
    listed = cluster.kubectl("get", ",".join(kinds), "-n", namespace, "--output=name")
    return set(listed.stdout.split())


def writes(cluster: NodeCluster) -> Counter[str]:
    """Return the requests with which the operator has written, without those for its Lease."""
    found: Counter[str] = Counter()
    for sample in cluster.operator_metrics():
        labels = sample.labels
        if sample.name != "spiko_operator_api_requests_total" or labels["resource"] == "leases":
            continue
        if labels["verb"].lower() in WRITING:
            found[f"{labels['verb']} {labels['resource']} {labels['code']}"] += int(sample.value)
    return found


@pytest.mark.parametrize("example", ["lamp", "netflixoss"])
def test_pods_run_in_the_zones_of_their_nodes(cluster: NodeCluster, namespace: str, example: str) -> None:
    """Given an example in a restricted namespace, then it is Ready, every pod runs on a node of the zone in
    its label, all zones are used, and the edges are those that `spiko graph` predicts.
    """
    text = (EXAMPLES / f"{example}.yaml").read_text()
    body = next(yaml.safe_load_all(text))
    cluster.apply(text, namespace)
    cluster.until_settled(example, namespace, 150)
    places = pod_places(cluster.items("pods", namespace, f"spiko.dev/architecture={example}"))
    zones = cluster.zones()

    assert [] == [place for place in places.values() if zones[place[0]] != place[1]]
    assert set(zones.values()) == {zone for _, zone in places.values()}
    assert predicted_graph(cluster, body) == discovered_graph(cluster, example, namespace)


def test_a_quota_that_forbids_pods_is_explained(cluster: NodeCluster, namespace: str) -> None:
    """Given a quota of memory, which the pods do not request, then the message of Ready names the quota."""
    cluster.apply(QUOTA, namespace)
    cluster.apply(shop(), namespace)
    cluster.until("the cause", lambda: "pods are forbidden" in ready_message(cluster, namespace))

    expected = r"\d+ Deployments: pods are forbidden: failed quota: memory: must specify requests.memory"
    assert re.search(expected, ready_message(cluster, namespace))


def test_an_image_that_cannot_be_pulled_is_explained(cluster: NodeCluster, namespace: str) -> None:
    """Given a tier whose image does not exist, then the message of Ready has the image and the reason of the
    kubelet, and the other tiers are ready.
    """
    cluster.apply(shop(web={"image": "example.invalid/no/such:1"}), namespace)
    # The kubelet changes between both reasons, so that the pods may have different ones.
    expected = r"3 of 4 tiers are ready; \d pods?: (ErrImagePull|ImagePullBackOff): .*no/such:1"
    cluster.until("the cause", lambda: re.match(expected, ready_message(cluster, namespace)), 120)


def test_deletion_leaves_nothing(cluster: NodeCluster, namespace: str) -> None:
    """Given a settled shop, when it is deleted, then no object of any kind is left, neither pods nor keys."""
    before = contents(cluster, namespace)
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace, 90)
    assert {"secret/shop-keys", "secret/spiko-read"} <= contents(cluster, namespace)
    cluster.kubectl("delete", "architecture", "shop", "-n", namespace)

    cluster.until("the end of the pods", lambda: not cluster.uids(namespace), 60)

    end_s = time.monotonic() + 30  # of garbage collection
    while contents(cluster, namespace) != before and time.monotonic() < end_s:
        time.sleep(1)
    assert before == contents(cluster, namespace)


def test_network_policies_are_accepted_and_at_rest(
    cluster: NodeCluster, policies: None, namespace: str
) -> None:
    """Given an operator that writes NetworkPolicies, then lamp is Ready and serves its source without a
    failure, and the operator writes nothing for 90 s, with a full list among them.
    """
    cluster.apply((EXAMPLES / "lamp.yaml").read_text(), namespace)
    cluster.until_settled("lamp", namespace, 90)
    time.sleep(5)  # the last reports of the eurekas are in the status
    before, sent = writes(cluster), cluster.source_counts(namespace)
    time.sleep(90)
    after = cluster.source_counts(namespace)

    assert 6 == len(cluster.items("networkpolicies", namespace))
    assert after[0] - sent[0] > 90 * 50
    assert after[1] == sent[1]
    assert {} == dict(writes(cluster) - before)
    assert sum(before.values()) > 0  # the counter does count
    assert "" == find_refusals(cluster)


def find_refusals(cluster: NodeCluster) -> str:
    """Return the lines of the operators' logs that speak of a refusal."""
    lines = cluster.kubectl("logs", "-n", SYSTEM, f"pod/{cluster.leader()}").stdout.splitlines()
    return "\n".join(line for line in lines if "403" in line or "forbidden" in line.lower())
