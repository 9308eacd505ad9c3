"""Pure: a pod's status from what is known of its container; and how long to wait before it is started again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

Object = dict[str, Any]
FIRST_BACKOFF_S, LONGEST_BACKOFF_S, FORGET_S = 10.0, 300.0, 600.0


@dataclass(frozen=True)
class Ended:
    """How a container ended; negative codes are signals. Times as Kubernetes writes them."""

    code: int
    started_at: str
    finished_at: str
    container_id: str

    @property
    def exit_code(self) -> int:
        """As a shell says it: 128 and the signal."""
        return self.code if self.code >= 0 else 128 - self.code

    def render(self) -> Object:
        """The API's form."""
        return {
            "exitCode": self.exit_code,
            "signal": -self.code if self.code < 0 else None,
            "reason": "Completed" if self.code == 0 else "Error",
            "startedAt": self.started_at,
            "finishedAt": self.finished_at,
            "containerID": self.container_id,
        }


@dataclass(frozen=True)
class Waiting:
    """Why a container does not run yet."""

    reason: str
    message: str = ""


@dataclass(frozen=True)
class Container:
    """What is known of a pod's container: it waits, runs or has ended."""

    waiting: Waiting | None = Waiting("ContainerCreating")
    started_at: str = ""
    container_id: str = ""
    ended: Ended | None = None
    last: Ended | None = None
    restarts: int = 0
    ready: bool = False
    started: bool = False

    @property
    def running(self) -> bool:
        """Whether its process is believed to run."""
        return self.waiting is None and self.ended is None

    def run(self, started_at: str, container_id: str, restarts: int, ready: bool, started: bool) -> Container:
        """It was started."""
        return replace(
            self,
            waiting=None,
            ended=None,
            last=self.ended or self.last,
            started_at=started_at,
            container_id=container_id,
            restarts=restarts,
            ready=ready,
            started=started,
        )

    def end(self, ended: Ended) -> Container:
        """It has ended."""
        return replace(self, waiting=None, ended=ended, ready=False, started=False)

    def wait(self, waiting: Waiting) -> Container:
        """It is to run, but not yet."""
        return replace(self, waiting=waiting, last=self.ended or self.last, ended=None, ready=False, started=False)


def backoff_s(restarts_in_a_row: int) -> float:
    """Seconds before the next start: at once, then 10 doubling to 300, as the kubelet does.

    >>> [backoff_s(n) for n in range(4)]
    [0.0, 10.0, 20.0, 40.0]
    """
    if restarts_in_a_row == 0:
        return 0.0
    return float(min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(restarts_in_a_row - 1, 10)))


def restarts(policy: str, code: int) -> bool:
    """Whether a container that ended is started again."""
    return policy == "Always" or (policy == "OnFailure" and code != 0)


def phase_of(container: Container, policy: str) -> str:
    """The pod's phase."""
    if container.ended is not None and not restarts(policy, container.ended.code):
        return "Succeeded" if container.ended.code == 0 else "Failed"
    if container.running or container.restarts or container.last is not None or container.ended is not None:
        return "Running"
    return "Pending"


def build_status(pod: Object, container: Container, address: str, host: str, start_time: str, now: str) -> Object:
    """The whole status that a kubelet writes.

    Args:
        pod: the object, whose status holds the times of its conditions.
        container: what is known.
        address: the pod's, empty before it has one.
        host: the node's.
        start_time: when the kubelet first saw the pod.
        now: for conditions that change.
    """
    spec = pod["spec"]["containers"][0]
    policy = pod["spec"].get("restartPolicy", "Always")
    phase = phase_of(container, policy)
    done = phase in ("Succeeded", "Failed")
    ready = container.ready and not done
    initialized = {"type": "Initialized", "status": "True"}
    wanted = [
        {"type": "PodReadyToStartContainers", "status": "True" if address and not done else "False"},
        initialized,
        _ready("ContainersReady", ready, phase, spec["name"]),
        _ready("Ready", ready, phase, spec["name"]),
    ]
    status: Object = {
        "phase": phase,
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "startTime": start_time,
        "observedGeneration": pod["metadata"].get("generation"),
        "conditions": [_timed(pod, condition, now) for condition in wanted],
        "containerStatuses": [_container_status(spec, container)],
        "qosClass": (pod.get("status") or {}).get("qosClass", "BestEffort"),
    }
    if address:
        status |= {"podIP": address, "podIPs": [{"ip": address}]}
    return status


def _container_status(spec: Object, container: Container) -> Object:
    if container.waiting is not None:
        message = {"message": container.waiting.message} if container.waiting.message else {}
        state: Object = {"waiting": {"reason": container.waiting.reason, **message}}
    elif container.ended is not None:
        state = {"terminated": _without_none(container.ended.render())}
    else:
        state = {"running": {"startedAt": container.started_at}}
    return {
        "name": spec["name"],
        "image": spec["image"],
        "imageID": f"process://{spec['image']}",
        "containerID": container.container_id,
        "restartCount": container.restarts,
        "ready": container.ready,
        "started": container.started,
        "state": state,
        "lastState": {"terminated": _without_none(container.last.render())} if container.last else {},
    }


def _ready(kind: str, ready: bool, phase: str, name: str) -> Object:
    if ready:
        return {"type": kind, "status": "True"}
    if phase == "Succeeded":
        return {"type": kind, "status": "False", "reason": "PodCompleted"}
    return {
        "type": kind,
        "status": "False",
        "reason": "ContainersNotReady",
        "message": f"containers with unready status: [{name}]",
    }


def _timed(pod: Object, condition: Object, now: str) -> Object:
    for old in (pod.get("status") or {}).get("conditions") or ():
        if old["type"] == condition["type"] and old["status"] == condition["status"]:
            return condition | {"lastTransitionTime": old.get("lastTransitionTime", now)}
    return condition | {"lastTransitionTime": now}


def _without_none(body: Object) -> Object:
    return {key: value for key, value in body.items() if value is not None}
