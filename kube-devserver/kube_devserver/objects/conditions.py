"""What callers read of many objects: labels, owners, conditions, times."""

from __future__ import annotations

from datetime import UTC, datetime

from kube_devserver.objects.kinds import Body


def labels_of(body: Body) -> dict[str, str]:
    """An object's labels."""
    return body["metadata"].get("labels") or {}


def annotations_of(body: Body) -> dict[str, str]:
    """An object's annotations."""
    return body["metadata"].get("annotations") or {}


def is_terminating(body: Body) -> bool:
    """Whether an object is being deleted."""
    return bool(body["metadata"].get("deletionTimestamp"))


def has_ended(pod: Body) -> bool:
    """Whether a pod has succeeded or failed."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def conditions_of(body: Body) -> list[Body]:
    """An object's conditions."""
    return list(body.get("status", {}).get("conditions") or ())


def owner_of(body: Body) -> Body | None:
    """The reference to an object's controller; None if it has none."""
    return next((o for o in body["metadata"].get("ownerReferences") or () if o.get("controller")), None)


def condition_of(body: Body, name: str) -> Body:
    """The condition of a type; empty if the object has none."""
    return next((c for c in conditions_of(body) if c["type"] == name), {})


def is_ready(pod: Body) -> bool:
    """Whether a pod's Ready condition is true."""
    return condition_of(pod, "Ready").get("status") == "True"


def set_condition(conditions: list[Body], new: Body, now: str) -> list[Body]:
    """Conditions with one replaced; its times stay as long as status, reason and message do."""
    old = next((c for c in conditions if c["type"] == new["type"]), None)
    if old is not None and all(old.get(key) == new.get(key) for key in ("status", "reason", "message")):
        return conditions
    since = old["lastTransitionTime"] if old and old["status"] == new["status"] else now
    times = {"lastUpdateTime": now, "lastTransitionTime": since}
    return [*(c for c in conditions if c["type"] != new["type"]), times | new]


def read_time(text: str) -> datetime:
    """Parse RFC 3339, with or without a fraction of a second."""
    return datetime.fromisoformat(text).astimezone(UTC)
