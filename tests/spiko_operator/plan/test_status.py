"""The conditions Ready and Programmed, and when a status is written."""

from __future__ import annotations

from spiko_nanoservice.contract import Revision
from spiko_operator.plan.actions import SetStatus
from spiko_operator.plan.status import EurekaReport
from tests.support.settled_shop import running, shop


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


def test_transition_time_changes_with_the_status_only() -> None:
    """Given an unchanged condition, then its time stays, and an unchanged status is not written."""
    cluster = running()
    since = cluster.condition("shop", "Ready")["lastTransitionTime"]
    actions = cluster.reconcile("shop")

    assert since == cluster.condition("shop", "Ready")["lastTransitionTime"]
    assert not [a for a in actions if isinstance(a, SetStatus)]
