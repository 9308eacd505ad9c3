"""Kills by each method on real nodes, by an operator with the rights of the chart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.architectures import Object, fault, wide_shop
from tests.support.node_cluster import NodeCluster, restarts

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(300)]
WEB = "spiko.dev/tier=web"
SPACE = "nodes-kills"


@pytest.fixture(scope="module")
def space(cluster: NodeCluster) -> Iterator[str]:
    """The namespace of one shop for these tests."""
    cluster.make_namespace(SPACE)
    cluster.apply(wide_shop(), SPACE)
    cluster.until_settled("shop", SPACE, 90)
    yield SPACE
    cluster.kubectl("delete", "namespace", SPACE, "--wait=false", check=False)


def run_fault(cluster: NodeCluster, space: str, name: str, **kill: object) -> Object:
    """Create a Fault on the web servers, and return its status once it has ended."""
    body = fault(name, "shop", tier="web", count=2, **kill)
    body["spec"]["startingDeadlineSeconds"] = 60
    cluster.apply(body, space)
    cluster.until_true(name, "Ended", space, 90, kind="fault")
    status: Object = cluster.get("fault", name, space)["status"]
    return status


def condition(status: Object, kind: str) -> Object:
    """Return a condition of a Fault."""
    found: Object = next(each for each in status["conditions"] if each["type"] == kind)
    return found


def check_evidence(status: Object) -> None:
    """Check that both victims were killed, and that their evidence is complete."""
    assert "EvidenceComplete" == condition(status, "Ended")["reason"], status
    assert ["Killed", "Killed"] == [victim["state"] for victim in status["victims"]]
    assert all(victim["noticedMilliseconds"] >= 0 for victim in status["victims"])
    assert all(victim["replacedBy"] for victim in status["victims"])


def test_evicted_pods_are_replaced(cluster: NodeCluster, space: str) -> None:
    """Given method Evict, then two pods are evicted one after the other, as the budget wants it, and the
    evidence is complete.
    """
    before = set(cluster.uids(space, WEB))
    status = run_fault(cluster, space, "evict", method="Evict")
    cluster.until_settled("shop", space, 60)

    check_evidence(status)
    assert {victim["pod"] for victim in status["victims"]} == before - set(cluster.uids(space, WEB))


def test_crashed_pods_restart_in_place(cluster: NodeCluster, space: str) -> None:
    """Given method Crash, then two containers end with code 137 and are restarted in the same pods."""
    before = set(restarts(cluster.items("pods", space, WEB)))
    status = run_fault(cluster, space, "crash", method="Crash")
    cluster.until_settled("shop", space, 60)
    pods = [cluster.get("pod", victim["pod"], space) for victim in status["victims"]]

    check_evidence(status)
    assert before == set(restarts(cluster.items("pods", space, WEB)))
    ended = [pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] for pod in pods]
    assert [137, 137] == ended


def test_deletion_needs_the_value_of_the_chart(cluster: NodeCluster, space: str) -> None:
    """Given method Delete, then the Fault is refused with the remedy and kills no pod; with
    `chaos.allowDelete=true` in the chart, a new Fault deletes two pods.
    """
    before = cluster.uids(space, WEB)
    refused = condition(run_fault(cluster, space, "refused", method="Delete"), "Accepted")
    kept = cluster.uids(space, WEB)
    with cluster.installed({"chaos": {"allowDelete": True}}):
        status = run_fault(cluster, space, "delete", method="Delete", gracePeriodSeconds=0)
        cluster.until_settled("shop", space, 60)

    assert ("False", "DeleteNotAllowed") == (refused["status"], refused["reason"])
    assert "chaos.allowDelete" in refused["message"]
    assert before == kept
    check_evidence(status)
    assert {victim["pod"] for victim in status["victims"]} == before.keys() - cluster.uids(space, WEB).keys()
