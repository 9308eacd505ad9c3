"""Pods that cannot start: the status says why, and zones without usable nodes are not chosen."""

from __future__ import annotations

import time

import pytest

from tests.support.architectures import Object, shop
from tests.support.local_cluster import Cluster

pytestmark = pytest.mark.e2e
LIMITS, REQUESTS = {"cpu": "2", "memory": "512Mi"}, {"cpu": "1m", "memory": "16Mi"}
BROKEN_WEB: Object = {"image": "example.com/no/such:1"}


def ready_message(cluster: Cluster, namespace: str) -> str:
    """Return the message of the condition Ready."""
    return str(cluster.condition("arch", "shop", "Ready", namespace).get("message", ""))


def versions(cluster: Cluster, namespace: str) -> dict[str, str]:
    """Return a version of each of the shop's objects that a change of their status does not change."""
    kinds = "deployments,services,poddisruptionbudgets,configmaps,secrets,pods"
    found = {f"{body['kind']} {body['metadata']['name']}": body for body in cluster.items(kinds, namespace)}
    return {
        name: str(body["metadata"].get("generation") or body["metadata"]["resourceVersion"])
        for name, body in found.items()
    }


def closed_zones(cluster: Cluster, namespace: str) -> Object | None:
    """Return the condition ZonesLabeled once it names zones without schedulable nodes."""
    found = cluster.condition("arch", "older", "ZonesLabeled", namespace)
    return found if found["reason"] == "ZonesUnschedulable" else None


def test_an_image_that_cannot_be_pulled_is_explained(cluster: Cluster, namespace: str) -> None:
    """Given a tier whose image does not exist, then Ready and the entry of the tier have the kubelet's
    reason, and the other tiers are ready.
    """
    cluster.apply(shop(web=BROKEN_WEB), namespace)
    cluster.until("the cause", lambda: "example.com/no/such:1" in ready_message(cluster, namespace))
    message, status = ready_message(cluster, namespace), cluster.get("arch", "shop", namespace)["status"]

    assert message.startswith("3 of 4 tiers are ready; 3 pods: ")
    assert "ErrImagePull" in message or "ImagePullBackOff" in message
    assert {"web"} == {entry["tier"] for entry in status["notReady"]}
    assert all("1 pod: " in entry["message"] for entry in status["notReady"])


@pytest.mark.real  # the API server of a local cluster does not enforce quotas
def test_a_quota_that_forbids_pods_is_explained(cluster: Cluster, namespace: str) -> None:
    """Given a quota of memory, which the pods do not request, then Ready names the quota."""
    quota: Object = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "memory"},
        "spec": {"hard": {"requests.memory": "1Gi"}},
    }
    cluster.apply(quota, namespace)
    cluster.apply(shop(), namespace)
    cluster.until("the cause", lambda: "pods are forbidden" in ready_message(cluster, namespace))

    expected = "pods are forbidden: failed quota: memory: must specify requests.memory"
    assert expected in ready_message(cluster, namespace)


@pytest.mark.real
def test_the_pods_of_a_raised_quota_are_created(cluster: Cluster, namespace: str) -> None:
    """Given a quota of fewer pods than the shop needs, then Ready has its name and its numbers; when it is
    raised, then the shop becomes Ready.
    """
    quota: Object = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few"},
        "spec": {"hard": {"pods": "3"}},
    }
    cluster.apply(quota, namespace)
    cluster.apply(shop(), namespace)
    expected = "pods are forbidden: exceeded quota: few, requested: pods=1, used: pods=3, limited: pods=3"
    cluster.until("the cause", lambda: expected in ready_message(cluster, namespace))
    assert "False" == cluster.condition("arch", "shop", "Ready", namespace)["status"]

    cluster.kubectl("patch", "quota", "few", "-n", namespace, "-p", '{"spec": {"hard": {"pods": "30"}}}')
    # The controller of ReplicaSets retries with growing pauses.
    cluster.until_settled("shop", namespace, 90)


@pytest.mark.real
def test_pods_get_the_defaults_of_a_limit_range(cluster: Cluster, namespace: str) -> None:
    """Given a LimitRange with defaults, then the shop becomes Ready with pods that have them, and passes of
    the operator change no object, although its templates lack them.
    """
    defaults: Object = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "defaults"},
        "spec": {"limits": [{"type": "Container", "default": LIMITS, "defaultRequest": REQUESTS}]},
    }
    cluster.apply(defaults, namespace)
    cluster.apply(shop(rate=0), namespace)
    cluster.until_settled("shop", namespace)
    pods = cluster.items("pods", namespace)
    found = [container["resources"] for pod in pods for container in pod["spec"]["containers"]]
    before = versions(cluster, namespace)
    for number in range(3):
        passed = f"example.dev/pass={number}"
        cluster.kubectl("annotate", "arch", "shop", "-n", namespace, "--overwrite", passed)
        time.sleep(1)

    assert [{"limits": LIMITS, "requests": REQUESTS}] * len(pods) == found
    assert before == versions(cluster, namespace)


def test_a_cordoned_zone_is_not_chosen(cluster: Cluster, namespace: str) -> None:
    """Given a zone whose only node is cordoned, when an Architecture is created, then it uses the other zones
    and becomes Ready; an Architecture that used the zone before stays Ready, and names it.
    """
    cluster.apply(shop("older"), namespace)
    cluster.until_settled("older", namespace)
    zone = "topology.kubernetes.io/zone"
    node = next(n for n in cluster.items("nodes") if n["metadata"]["labels"].get(zone) == "us-east-1b")
    cluster.kubectl("cordon", node["metadata"]["name"])
    try:
        cluster.apply(shop(), namespace)
        cluster.until_settled("shop", namespace)
        zones = cluster.get("arch", "shop", namespace)["status"]["regions"][0]["zones"]
        older = cluster.until("the zone", lambda: closed_zones(cluster, namespace), 70)
    finally:
        cluster.kubectl("uncordon", node["metadata"]["name"])

    assert ["us-east-1a", "us-east-1c"] == zones
    assert "True" == older["status"]
    assert older["message"].endswith("us-east-1b (cordoned)")
    assert "True" == cluster.condition("arch", "older", "Ready", namespace)["status"]
