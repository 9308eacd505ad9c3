"""Pure: a pod's status, built from the state of its container."""

from __future__ import annotations

from spiko_local.kubelet.model.container_state import Container, restarts
from spiko_local.objects import Object, status_of


def phase_of(container: Container, policy: str) -> str:
    """Return the pod's phase under a restartPolicy."""
    if container.ended is not None and not restarts(policy, container.ended.code):
        return "Succeeded" if container.ended.code == 0 else "Failed"
    if container.running or container.restarts or container.last is not None or container.ended is not None:
        return "Running"
    return "Pending"


def build_status(
    pod: Object, container: Container, address: str, host: str, start_time: str, now: str
) -> Object:
    """Return the whole status that a kubelet writes.

    Args:
        pod: the object; conditions whose status stays the same keep their transition time.
        container: the state of its only container.
        address: the pod's IP; empty before it has one.
        host: the node's IP.
        start_time: when the kubelet first saw the pod.
        now: transition time of conditions whose status changes.
    """
    spec = pod["spec"]["containers"][0]
    phase = phase_of(container, pod["spec"].get("restartPolicy", "Always"))
    done = phase in ("Succeeded", "Failed")
    ready = container.ready and not done
    conditions = [
        {"type": "PodReadyToStartContainers", "status": "True" if address and not done else "False"},
        {"type": "Initialized", "status": "True"},
        _ready("ContainersReady", ready, phase, spec["name"]),
        _ready("Ready", ready, phase, spec["name"]),
    ]
    status: Object = {
        "phase": phase,
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "startTime": start_time,
        "observedGeneration": pod["metadata"].get("generation"),
        "conditions": [_timed(pod, condition, now) for condition in conditions],
        "containerStatuses": [_container_status(spec, container)],
        "qosClass": status_of(pod).get("qosClass", "BestEffort"),
    }
    if address:
        status |= {"podIP": address, "podIPs": [{"ip": address}]}
    return status


def _container_status(spec: Object, container: Container) -> Object:
    if container.waiting is not None:
        message = {"message": container.waiting.message} if container.waiting.message else {}
        state: Object = {"waiting": {"reason": container.waiting.reason, **message}}
    elif container.ended is not None:
        state = {"terminated": container.ended.render()}
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
        "lastState": {"terminated": container.last.render()} if container.last else {},
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
    for old in status_of(pod).get("conditions") or ():
        if old["type"] == condition["type"] and old["status"] == condition["status"]:
            return condition | {"lastTransitionTime": old.get("lastTransitionTime", now)}
    return condition | {"lastTransitionTime": now}
