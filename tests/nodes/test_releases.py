"""Upgrade, rollback, failover and removal of the operator, while an Architecture serves its source."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.support.architectures import Object, wide_shop
from tests.support.node_cluster import OPERATOR_PODS, RELEASE, SYSTEM, NodeCluster, restarts

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(400)]
NEXT = "next"  # tag of the images of the next release
TIERS = "spiko.dev/tier,spiko.dev/tier!=eureka"
TAKEOVER_S = 20.0


@pytest.fixture
def serving(cluster: NodeCluster, namespace: str) -> str:
    """The namespace of a shop that serves its source."""
    cluster.apply(wide_shop(), namespace)
    cluster.until_settled("shop", namespace, 90)
    cluster.until("requests", lambda: cluster.source_counts(namespace)[0] > 100)
    return namespace


@pytest.fixture
def next_release(cluster: NodeCluster) -> Iterator[Object]:
    """Values of the next release: both images have another tag; the first release is back afterwards."""
    for image in ("operator", "nanoservice"):
        cluster.load_again(image, NEXT)
    yield {"image": {"tag": NEXT}, "nanoservice": {"image": {"tag": NEXT}}}
    cluster.install()


def tiers(cluster: NodeCluster, namespace: str) -> dict[str, int]:
    """Return the UIDs of the pods of tiers, and their restarts."""
    return restarts(cluster.items("pods", namespace, TIERS))


def failed_since(cluster: NodeCluster, namespace: str, counts: tuple[int, int]) -> int:
    """Return the number of requests that have failed since these counts; there were some requests."""
    sent, failed = cluster.source_counts(namespace)
    assert sent > counts[0]
    return failed - counts[1]


def outdated(cluster: NodeCluster, namespace: str) -> str:
    """Return the status of the condition RuntimeOutdated."""
    return str(cluster.condition("arch", "shop", "RuntimeOutdated", namespace).get("status"))


def eureka_images(cluster: NodeCluster, namespace: str) -> set[str]:
    """Return the images of all eurekas that are Ready, as tags; empty while one is missing or ending."""
    pods = cluster.items("pods", namespace, "spiko.dev/tier=eureka")
    if len(pods) != 3 or not all(
        pod["status"].get("containerStatuses", [{}])[0].get("ready") for pod in pods
    ):
        return set()
    return {pod["spec"]["containers"][0]["image"].rpartition(":")[2] for pod in pods}


def test_upgrade_and_rollback_disturb_no_request(
    cluster: NodeCluster, serving: str, next_release: Object
) -> None:
    """Given a shop, when the release is upgraded to other images, then the eurekas have the new image, tiers
    keep their pods and RuntimeOutdated is True; after a rollback it is False; no request fails meanwhile.
    """
    before, counts = tiers(cluster, serving), cluster.source_counts(serving)
    first = eureka_images(cluster, serving)

    cluster.install(next_release)
    cluster.until("new eurekas", lambda: eureka_images(cluster, serving) == {NEXT}, 90)
    cluster.until_settled("shop", serving, 60)
    cluster.until("an outdated runtime", lambda: outdated(cluster, serving) == "True")
    upgraded = tiers(cluster, serving)

    cluster.helm("rollback", RELEASE, "--wait", "--timeout", "90s")
    cluster.until("the first eurekas", lambda: eureka_images(cluster, serving) == first, 90)
    cluster.until_settled("shop", serving, 60)
    cluster.until("a current runtime", lambda: outdated(cluster, serving) == "False")

    assert before == upgraded == tiers(cluster, serving)
    assert {0} == set(before.values())
    assert 0 == failed_since(cluster, serving, counts)


def test_another_operator_leads_when_the_leader_is_killed(cluster: NodeCluster, serving: str) -> None:
    """Given two operators, when the leader's pod is deleted without grace, then the other one leads within
    20 s, tiers keep their pods, and no request fails.
    """
    with cluster.installed({"replicas": 2}):
        cluster.until("two operators", lambda: len(cluster.uids(SYSTEM, OPERATOR_PODS)) == 2, 60)
        leader = cluster.until("a leader", cluster.leader)
        before, counts = tiers(cluster, serving), cluster.source_counts(serving)
        began_s = time.monotonic()
        cluster.kubectl("delete", "pod", leader, "-n", SYSTEM, "--force", "--grace-period=0")
        after = cluster.until("another leader", lambda: cluster.leader() or None, 60)
        took_s = time.monotonic() - began_s
        cluster.kubectl(
            "patch", "arch", "shop", "-n", serving, "--type=merge", "-p", '{"spec":{"scale":200}}'
        )
        cluster.until_settled("shop", serving, 90)

    assert leader != after
    assert took_s < TAKEOVER_S
    assert before.items() <= tiers(cluster, serving).items()
    assert 0 == failed_since(cluster, serving, counts)


def test_uninstalling_leaves_what_the_docs_say(cluster: NodeCluster, serving: str) -> None:
    """Given a shop, when the release is uninstalled, then definitions, shop, pods, the operator's key and its
    Lease stay, and nothing else of the release; the same release can be installed again, with the same pods.
    """
    before, counts = tiers(cluster, serving), cluster.source_counts(serving)
    cluster.helm("uninstall", RELEASE, "--wait", "--timeout", "90s")
    try:
        kinds = "deployment,service,serviceaccount,role,rolebinding,clusterrole,clusterrolebinding"
        left = cluster.kubectl(
            "get", kinds, "-A", "-l", "app.kubernetes.io/name=spiko-operator", "-o", "name"
        )
        cluster.kubectl("get", "crd", "architectures.spiko.dev", "faults.spiko.dev")
        cluster.kubectl("get", "secret/spiko-operator-key", "lease/spiko-operator", "-n", SYSTEM)
        kept = tiers(cluster, serving)
    finally:
        cluster.install()
    cluster.until_settled("shop", serving, 60)

    assert "" == left.stdout.strip()
    assert before == kept == tiers(cluster, serving)
    assert 0 == failed_since(cluster, serving, counts)
