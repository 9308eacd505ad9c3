"""Pure: why pods are missing, from the Deployment's condition ReplicaFailure and the statuses of its pods.

Texts that differ from pod to pod or from moment to moment, such as names and back-off times, are left out:
equal causes are counted together, and a status that says the same is not written again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from spiko_operator.plan.objects import Object, condition, is_deleting, is_ready, replica_set_of, truncate

Causes = Mapping[str, Mapping[str, int]]  # Deployment -> cause -> number of its pods
MOST_CAUSES = 3  # that a message has
MOST_CAUSE = 240  # bytes
CONTAINER = "nanoservice"
_STARTING = frozenset({"ContainerCreating", "PodInitializing"})
# `pods "lamp-web-6c9b7d5c4-x2k9q" is forbidden: exceeded quota: ...`: the name is that of the last attempt.
_ATTEMPT = re.compile(r'^pods? "[^"]*" is (forbidden|invalid): ', re.IGNORECASE)


def find_causes(pods: Iterable[Object]) -> dict[str, dict[str, int]]:
    """Return the causes why pods are not Ready, and how many pods have each, by Deployment."""
    found: dict[str, Counter[str]] = {}
    for pod in pods:
        if (deployment := deployment_of(pod)) and (cause := cause_of(pod)):
            found.setdefault(deployment, Counter())[cause] += 1
    return {deployment: dict(counts) for deployment, counts in found.items()}


def deployment_of(pod: Object) -> str:
    """Return the name of the Deployment of a pod, by the name of its ReplicaSet; empty without one."""
    return (replica_set_of(pod) or "").rpartition("-")[0]


def cause_of(pod: Object) -> str:
    """Return why a pod is not Ready; empty if it is, or if its status does not say."""
    if is_deleting(pod) or is_ready(pod):
        return ""
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        # What the scheduler says about preemption repeats the same for another purpose.
        text = str(scheduled.get("message") or "").partition(" preemption:")[0].rstrip(", ")
        return _join(scheduled.get("reason") or "Pending", text)
    status = pod.get("status") or {}
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        if cause := _container_cause(container):
            name = container.get("name", CONTAINER)
            return cause if name == CONTAINER else truncate(f"container {name}: {cause}", MOST_CAUSE)
    return ""


def _container_cause(container: Mapping[str, Any]) -> str:
    state = container.get("state") or {}
    waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
    reason = waiting.get("reason", "")
    last = ended or (container.get("lastState") or {}).get("terminated") or {}
    if reason == "CrashLoopBackOff":
        return _join(reason, _exit(last))
    if reason and reason not in _STARTING:
        return _join(reason, waiting.get("message") or "")
    if last and not container.get("ready") and (container.get("restartCount") or last.get("exitCode")):
        return _join("restarts", _exit(last))
    return ""


def _exit(terminated: Mapping[str, Any]) -> str:
    """Return how a container ended, such as `exit code 137 (OOMKilled)`; empty if that is not known."""
    if "exitCode" not in terminated:
        return ""
    reason = terminated.get("reason") or ""
    return f"exit code {terminated['exitCode']}" + (f" ({reason})" if reason else "")


def replica_failure(deployment: Object) -> str:
    """Return why no more pods are created, such as a quota; empty if the Deployment does not report that."""
    found = condition(deployment, "ReplicaFailure")
    if found.get("status") != "True":
        return ""
    return truncate(_ATTEMPT.sub(r"pods are \1: ", _one_line(found.get("message") or "")), MOST_CAUSE)


def phrase(counts: Mapping[str, int], noun: str = "pod") -> list[str]:
    """Return the most frequent causes, each with its number.

    >>> phrase({"ErrImagePull: not found": 3, "Unschedulable: no node": 1})
    ['3 pods: ErrImagePull: not found', '1 pod: Unschedulable: no node']
    """
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    found = [f"{count} {noun}{'s' * (count > 1)}: {cause}" for cause, count in most[:MOST_CAUSES]]
    if rest := sum(count for _, count in most[MOST_CAUSES:]):
        found.append(f"{rest} more {noun}{'s' * (rest > 1)} for other reasons")
    return found


def _join(reason: str, text: str) -> str:
    text = _one_line(text)
    return truncate(f"{reason}: {text}" if text else reason, MOST_CAUSE)


def _one_line(text: str) -> str:
    return " ".join(text.split())
