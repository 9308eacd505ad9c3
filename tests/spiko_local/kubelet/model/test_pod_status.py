"""A pod's status, built from the state of its container; restarts and their back-off."""

from __future__ import annotations

from typing import Any

import pytest

from spiko_local.kubelet.model.container_state import Container, CrashLoop, Ended, Waiting, grace_s, restarts
from spiko_local.kubelet.model.pod_status import build_status
from spiko_local.objects import Object

NOW = "2026-01-01T00:00:00Z"


def pod(policy: str = "Always", **status: Any) -> Object:
    """A pod with one container."""
    spec = {
        "restartPolicy": policy,
        "nodeName": "n",
        "containers": [{"name": "c", "image": "spiko/nanoservice:1"}],
    }
    return {"metadata": {"name": "p", "namespace": "default", "uid": "u"}, "spec": spec, "status": status}


RUNNING = Container().run(NOW, "process://u-1", 0, ready=True, started=True)
FAILED = RUNNING.end(Ended(-9, NOW, NOW, "process://u-1"))
DONE = RUNNING.end(Ended(0, NOW, NOW, "process://u-1"))
PHASES = [
    ("not yet started", Container(), "Always", "Pending", False),
    ("cannot pull", Container().wait(Waiting("ErrImagePull", "m")), "Always", "Pending", False),
    ("running and ready", RUNNING, "Always", "Running", True),
    ("failed, to be restarted", FAILED, "Always", "Running", False),
    ("failed, never restarted", FAILED, "Never", "Failed", False),
    ("succeeded, restarted on failure only", DONE, "OnFailure", "Succeeded", False),
    ("in back-off", FAILED.wait(Waiting("CrashLoopBackOff")), "Always", "Running", False),
]


@pytest.mark.parametrize(
    ("container", "policy", "phase", "ready"), [row[1:] for row in PHASES], ids=[row[0] for row in PHASES]
)
def test_phase_and_readiness_are_those_of_a_real_kubelet(
    container: Container, policy: str, phase: str, ready: bool
) -> None:
    """Given a container's state and a restartPolicy, then phase and Ready are what Kubernetes documents."""
    status = build_status(pod(policy), container, "127.65.0.1", "127.64.0.1", NOW, NOW)
    conditions = {c["type"]: c["status"] for c in status["conditions"]}

    assert phase == status["phase"]
    assert str(ready) == conditions["Ready"]


def test_a_killed_container_reports_137_and_its_signal() -> None:
    """Given a container killed by SIGKILL, then its exit code is the one that shells report."""
    state = build_status(pod("Never"), FAILED, "a", "h", NOW, NOW)["containerStatuses"][0]["state"][
        "terminated"
    ]

    assert (137, 9, "Error") == (state["exitCode"], state["signal"], state["reason"])


def test_a_container_that_exits_has_no_signal() -> None:
    """Given a container that ends with 0, then the API gets no field `signal`."""
    state = build_status(pod("Never"), DONE, "a", "h", NOW, NOW)["containerStatuses"][0]["state"][
        "terminated"
    ]

    assert "signal" not in state
    assert None not in state.values()


def test_a_condition_keeps_its_transition_time_while_its_status_stays() -> None:
    """Given a pod that was Ready before, when it is Ready still, then lastTransitionTime stays."""
    before = [{"type": "Ready", "status": "True", "lastTransitionTime": "earlier"}]
    status = build_status(pod(conditions=before), RUNNING, "a", "h", NOW, NOW)

    assert "earlier" == next(c for c in status["conditions"] if c["type"] == "Ready")["lastTransitionTime"]


def test_restarts_back_off_as_a_kubelets_do() -> None:
    """Given failures in a row, then delays are 0 and 10 s, doubling to 300 s; a reset starts again."""
    loop = CrashLoop()

    assert [0, 10, 20, 40, 80, 160, 300, 300] == [loop.next_delay_s() for _ in range(8)]
    loop.reset()
    assert [0, 10] == [loop.next_delay_s() for _ in range(2)]


def test_the_restart_policy_decides_about_restarts() -> None:
    """Always restarts any, OnFailure only failures."""
    assert [True, True, False] == [restarts("Always", 0), restarts("OnFailure", 1), restarts("OnFailure", 0)]


def test_the_grace_period_of_the_deletion_wins() -> None:
    """Given a grace period, when the deletion has another one, then that counts; the default is 30 s."""
    body = pod()
    default = grace_s(body)
    body["spec"]["terminationGracePeriodSeconds"] = 5
    spec = grace_s(body)
    body["metadata"]["deletionGracePeriodSeconds"] = 0

    assert [30, 5, 0] == [default, spec, grace_s(body)]
