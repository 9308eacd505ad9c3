"""Statuses of pods and Deployments as causes, which a status counts together."""

from __future__ import annotations

from typing import Any

import pytest

from spiko_operator.plan.pod_causes import MOST_CAUSE, cause_of, find_causes, phrase, replica_failure
from spiko_operator.plan.readiness import observe_readiness

Object = dict[str, Any]
# As the scheduler, containerd and the kubelet of Kubernetes 1.36 write them.
TAINT = "0/4 nodes are available: 1 node(s) had untolerated taint {gpu: }, 3 Insufficient cpu."
PREEMPTION = (
    "no new claims to deallocate, preemption: 0/4 nodes are available: 4 No preemption victims found."
)
PULL = 'Back-off pulling image "x/y:1": ErrImagePull: rpc error: code = NotFound desc = not found'
QUOTA = (
    "exceeded quota: q, requested: requests.memory=32Mi, used: requests.memory=64Mi, limited: "
    "requests.memory=64Mi"
)


def container(name: str = "nanoservice", **state: Object) -> Object:
    """Return the status of a container that is not ready: `waiting`, `running` or `terminated`."""
    last = state.pop("last", None)
    found: Object = {"name": name, "ready": False, "restartCount": int(last is not None), "state": state}
    return found | ({"lastState": {"terminated": last}} if last else {})


def pod(*containers: Object, owner: str = "shop-web-z0-6c9b7d5c4", **status: Any) -> Object:
    """Return a pod of a ReplicaSet."""
    owners = [{"kind": "ReplicaSet", "name": owner, "controller": True}]
    return {
        "metadata": {"name": "shop-web-z0-6c9b7d5c4-x2k9q", "ownerReferences": owners},
        "status": {"containerStatuses": list(containers), **status},
    }


def waiting(reason: str, message: str = "") -> Object:
    """Return the state of a waiting container."""
    return {"reason": reason} | ({"message": message} if message else {})


def unscheduled(message: str) -> Object:
    """Return a pod without a node."""
    return pod(
        conditions=[
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        ]
    )


KILLED = {"exitCode": 137, "reason": "OOMKilled"}
CRASHED = waiting(
    "CrashLoopBackOff", "back-off 40s restarting failed container=nanoservice pod=shop-web-x2k9q"
)
CASES: dict[str, tuple[Object, str]] = {
    "pull": (pod(container(waiting=waiting("ImagePullBackOff", PULL))), f"ImagePullBackOff: {PULL}"),
    "name of an image": (
        pod(container(waiting=waiting("InvalidImageName", 'Failed to apply default image tag "A b"'))),
        'InvalidImageName: Failed to apply default image tag "A b"',
    ),
    "secret": (
        pod(container(waiting=waiting("CreateContainerConfigError", 'secret "s" not found'))),
        'CreateContainerConfigError: secret "s" not found',
    ),
    "several lines": (
        pod(container(waiting=waiting("RunContainerError", "exec\n\t failed:  no such file"))),
        "RunContainerError: exec failed: no such file",
    ),
    "crash loop": (
        pod(container(waiting=CRASHED, last={"exitCode": 1, "reason": "Error"})),
        "CrashLoopBackOff: exit code 1 (Error)",
    ),
    "crash loop without a record": (pod(container(waiting=CRASHED)), "CrashLoopBackOff"),
    "out of memory, started again": (
        pod(container(running={}, last=KILLED)),
        "restarts: exit code 137 (OOMKilled)",
    ),
    "out of memory, just now": (pod(container(terminated=KILLED)), "restarts: exit code 137 (OOMKilled)"),
    "no node": (unscheduled(TAINT), f"Unschedulable: {TAINT}"),
    "no node, no victims": (
        unscheduled(f"{TAINT} {PREEMPTION}"),
        f"Unschedulable: {TAINT} no new claims to deallocate",
    ),
    "sidecar": (
        pod(container(running={}), container("proxy", waiting=waiting("ErrImagePull", "not found"))),
        "container proxy: ErrImagePull: not found",
    ),
    "init container": (
        pod(
            container(waiting=waiting("PodInitializing")),
            initContainerStatuses=[container("setup", waiting=waiting("ErrImagePull", "not found"))],
        ),
        "container setup: ErrImagePull: not found",
    ),
    "starting": (pod(container(waiting=waiting("ContainerCreating"))), ""),
    "not ready yet": (pod(container(running={})), ""),
    "new": (pod(), ""),
    "ready": (
        pod(
            container(running={}, last=KILLED) | {"ready": True},
            conditions=[{"type": "Ready", "status": "True"}],
        ),
        "",
    ),
}


@pytest.mark.parametrize(("body", "expected"), CASES.values(), ids=CASES)
def test_the_cause_of_a_pod_has_reason_and_message(body: Object, expected: str) -> None:
    """Given a pod that is not Ready, then its cause is what the kubelet or the scheduler reports, without
    names and times that change; a pod that starts normally has none.
    """
    assert expected == cause_of(body)


def test_pods_that_are_being_deleted_have_no_cause() -> None:
    """Given a pod that fails and is being deleted, then it is not counted: its replacement is."""
    body = pod(container(waiting=waiting("ErrImagePull")))
    body["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

    assert "" == cause_of(body)


def test_causes_are_bounded() -> None:
    """Given a very long message, then the cause is cut."""
    assert MOST_CAUSE == len(cause_of(unscheduled("x" * 5_000)).encode())
    assert MOST_CAUSE >= len(cause_of(pod(container("y", waiting=waiting("z" * 5_000)))).encode())


def test_causes_are_counted_by_the_deployment_of_the_replica_set() -> None:
    """Given pods of two Deployments and one without an owner, then each cause is counted where it belongs;
    labels do not count, since every client can set them.
    """
    broken = container(waiting=waiting("ErrImagePull", "not found"))
    stranger = pod(broken)
    stranger["metadata"] |= {"ownerReferences": [], "labels": {"spiko.dev/tier": "web"}}
    pods = [pod(broken), pod(broken), pod(broken, owner="shop-db-1-0-0-z1-5d4f"), stranger]

    assert {
        "shop-web-z0": {"ErrImagePull: not found": 2},
        "shop-db-1-0-0-z1": {"ErrImagePull: not found": 1},
    } == find_causes(pods)


def test_a_phrase_has_the_most_frequent_causes_first() -> None:
    """Given five causes, then the three most frequent ones have their numbers; the others are added up."""
    counts = {"a": 1, "b": 7, "c": 2, "d": 1, "e": 1}

    assert ["7 pods: b", "2 pods: c", "1 pod: a", "2 more pods for other reasons"] == phrase(counts)
    assert [] == phrase({})


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (f'pods "shop-web-6c9b-x2k9q" is forbidden: {QUOTA}', f"pods are forbidden: {QUOTA}"),
        (
            'pods "shop-web-6c9b-" is forbidden: failed quota: q: must specify limits.memory for: web',
            "pods are forbidden: failed quota: q: must specify limits.memory for: web",
        ),
        ('Pod "shop-web-x" is invalid: spec: Required value', "pods are invalid: spec: Required value"),
        ('admission webhook "policy" denied the request', 'admission webhook "policy" denied the request'),
    ],
)
def test_a_replica_failure_names_no_attempt(message: str, expected: str) -> None:
    """Given pods that are not created, then the cause has the quota or the webhook, and not the name of the
    pod that was tried last; once they are created, there is no cause.
    """
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}

    assert expected == replica_failure({"status": {"conditions": [failure]}})
    assert "" == replica_failure({"status": {"conditions": [failure | {"status": "False"}]}})
    assert "" == replica_failure({})


def test_ready_counts_causes_over_all_places_and_each_place_has_its_own() -> None:
    """Given a quota against two places, and pods of a third one whose image cannot be pulled, then Ready has
    each cause once with its number, and each entry of `notReady` its own.
    """
    failure = {"type": "ReplicaFailure", "status": "True", "message": f'pods "a" is forbidden: {QUOTA}'}
    desired, found = [], {}
    for zone in "abc":
        labels = {"spiko.dev/tier": "web", "spiko.dev/region": "r", "spiko.dev/zone": zone}
        desired.append({"metadata": {"name": f"shop-{zone}", "labels": labels}, "spec": {"replicas": 2}})
        conditions = [failure] if zone != "c" else []
        found["Deployment", f"shop-{zone}"] = {"status": {"readyReplicas": 1, "conditions": conditions}}
    result = observe_readiness(desired, found, causes={"shop-c": {"ErrImagePull: not found": 1}})

    assert (
        f"0 of 1 tiers are ready; 2 Deployments: pods are forbidden: {QUOTA}; "
        "1 pod: ErrImagePull: not found; not ready: "
        "web r/a (1 of 2 pods Ready), web r/b (1 of 2 pods Ready), web r/c (1 of 2 pods Ready)"
    ) == result.observation().message
    assert [
        f"1 of 2 pods Ready; pods are forbidden: {QUOTA}",
        f"1 of 2 pods Ready; pods are forbidden: {QUOTA}",
        "1 of 2 pods Ready; 1 pod: ErrImagePull: not found",
    ] == [entry["message"] for entry in result.not_ready]


def test_messages_with_causes_are_bounded() -> None:
    """Given long causes in a hundred places, then no message exceeds the limit of its field."""
    desired: list[Object] = []
    causes = {}
    for number in range(100):
        name, labels = f"shop-{number}", {"spiko.dev/tier": "web"}
        desired.append({"metadata": {"name": name, "labels": labels}, "spec": {"replicas": 2}})
        causes[name] = {f"{kind}{number}: {'é' * 110}": 9 for kind in "abcdef"}
    result = observe_readiness(desired, {}, causes=causes)

    assert 32 == len(result.not_ready)
    assert 256 >= max(len(entry["message"].encode()) for entry in result.not_ready)
    assert 1024 >= len(result.observation().message.encode())
    assert "not ready: web (no Deployment yet)" in result.observation().message
