"""The conditions Ready and Programmed, and when a status is written."""

from __future__ import annotations

import pytest

from spiko_nanoservice.contract import Revision
from spiko_operator.plan.actions import SetStatus
from spiko_operator.plan.readiness import observe_readiness
from spiko_operator.plan.status import EurekaReport
from tests.support.fake_api_server import FakeCluster
from tests.support.settled_shop import Object, running, shop


def test_outdated_deployment_status_is_not_ready() -> None:
    """Given a Deployment whose status describes an earlier generation, then it counts as not ready."""
    cluster = running()
    cluster.put(shop(scale=200))
    cluster.reconcile("shop")
    cluster.reconcile("shop")

    assert cluster.condition("shop", "Ready")["status"] == "False"


def test_programmed_needs_every_eureka_and_every_pod() -> None:
    """Given an outdated eureka, or a pod that has not acknowledged, then Programmed is False."""
    cluster = running()
    # Once all pods have acknowledged, the architecture starts, which is a new configuration.
    for _ in range(2):
        assert cluster.last_plan is not None
        assert cluster.last_plan.configuration is not None
        now = cluster.last_plan.configuration.revision
        cluster.reports = (EurekaReport(now, 3, 3),) * 3
        cluster.reconcile("shop")
    for reports, expected in (
        ((EurekaReport(now, 3, 3),) * 3, "True"),
        ((EurekaReport(now, 3, 3), EurekaReport(now, 3, 2), EurekaReport(now, 3, 3)), "False"),
        ((EurekaReport(now, 3, 3),) * 2, "False"),
        ((EurekaReport(now, 2, 2),) * 3, "False"),
        ((EurekaReport(now, 3, 3, complete=False), *(EurekaReport(now, 3, 3),) * 2), "False"),
        ((EurekaReport(now, 3, 3, complete=False), *(EurekaReport(now, 3, 3),) * 2), "False"),
        ((EurekaReport(Revision(0, 0), 3, 3), *(EurekaReport(now, 3, 3),) * 2), "False"),
    ):
        cluster.reports = reports
        cluster.reconcile("shop")
        assert expected == cluster.condition("shop", "Programmed")["status"]


def test_programmed_becomes_true_once_while_pods_start() -> None:
    """Given pods that become Ready and acknowledge one after another, then Programmed becomes True, with one
    event, when all of them have; given a pod that is lost later, then it counts those that are left.
    """
    cluster = FakeCluster()
    cluster.put(shop())
    cluster.reconcile("shop")
    assert cluster.last_plan is not None
    assert cluster.last_plan.configuration is not None
    revision = cluster.last_plan.configuration.revision
    seen = []
    for ready in range(8):
        cluster.get_ready(ready)
        cluster.reports = (EurekaReport(revision, ready, ready), *(EurekaReport(revision, 0, 0),) * 2)
        cluster.reconcile("shop")
        seen.append(cluster.condition("shop", "Programmed")["status"])

    assert ["False"] * 7 == seen[:7]
    started = cluster.last_plan.configuration.revision  # sources may send from now on
    cluster.reports = (EurekaReport(started, 7, 7), *(EurekaReport(started, 0, 0),) * 2)
    cluster.reconcile("shop")
    assert "True" == cluster.condition("shop", "Programmed")["status"]
    assert ["Programmed", "Ready"] == sorted(
        event.reason for event in cluster.events if event.reason in ("Programmed", "Ready")
    )

    cluster.get_ready(6)
    cluster.reports = (EurekaReport(started, 6, 6), *(EurekaReport(started, 0, 0),) * 2)
    cluster.reconcile("shop")
    conditions = [cluster.condition("shop", kind)["status"] for kind in ("Ready", "Programmed")]
    assert ["False", "True"] == conditions


def test_transition_time_changes_with_the_status_only() -> None:
    """Given an unchanged condition, then its time stays, and an unchanged status is not written."""
    cluster = running()
    since = cluster.condition("shop", "Ready")["lastTransitionTime"]
    actions = cluster.reconcile("shop")

    assert since == cluster.condition("shop", "Ready")["lastTransitionTime"]
    assert not [a for a in actions if isinstance(a, SetStatus)]


@pytest.mark.parametrize(
    ("found", "ready", "message"),
    [
        (None, 0, "no Deployment yet"),
        ({"readyReplicas": 1, "updatedReplicas": 2, "observedGeneration": 2}, 1, "1 of 2 pods Ready"),
        ({"observedGeneration": 2}, 0, "0 of 2 pods Ready"),
        ({"readyReplicas": 2, "updatedReplicas": 2, "observedGeneration": 1}, 2, "change not rolled out yet"),
        ({"readyReplicas": 2, "updatedReplicas": 1, "observedGeneration": 2}, 2, "1 of 2 pods updated"),
        ({"readyReplicas": 3, "updatedReplicas": 2, "observedGeneration": 2}, 2, None),
    ],
)
def test_the_message_tells_what_a_deployment_lacks(
    found: Object | None, ready: int, message: str | None
) -> None:
    """Given a Deployment that is not complete, then the condition does not say that pods are missing which
    are Ready: it names the tier, the place, and what is missing.
    """
    labels = {"spiko.dev/tier": "depot", "spiko.dev/region": "r", "spiko.dev/zone": "ra"}
    body = {"metadata": {"name": "a-depot", "labels": labels}, "spec": {"replicas": 2}}
    existing = {"metadata": {"generation": 2}, "status": found}
    observed = {("Deployment", "a-depot"): existing} if found is not None else {}
    result = observe_readiness([body], observed)

    assert (ready, 2) == (result.pods_ready, result.pods)
    condition = result.observation()
    if message is None:
        assert "True" == condition.status
    else:
        assert f"0 of 1 tiers are ready; not ready: depot r/ra ({message})" == condition.message
        assert [message] == [entry["message"] for entry in result.not_ready]


def test_a_change_of_this_pass_is_not_rolled_out_yet() -> None:
    """Given Deployments that this pass changes, then their pods count as they are, and Ready is False."""
    cluster = running()
    changed = shop()
    changed["spec"]["runtime"] = {"image": "i:2"}
    cluster.put(changed)
    cluster.reconcile("shop")

    condition = cluster.condition("shop", "Ready")
    assert "False" == condition["status"]
    assert "db r/ra (change not rolled out yet)" in condition["message"]
    assert "www (change not rolled out yet)" in condition["message"]
    summary = cluster.objects["Architecture", "shop"]["status"]["summary"]
    assert {"tiers": "0/3", "pods": "7/7"} == summary
