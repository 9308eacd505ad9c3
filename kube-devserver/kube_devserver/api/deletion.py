"""Pure: how an object is deleted: its preconditions, its grace, what keeps it, and how it is marked meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from kube_devserver import api_errors
from kube_devserver.custom.definition_validation import mark_terminating
from kube_devserver.objects.resource_registry import CLEANUP, Resource
from kube_devserver.storage.store import Body, Entry

NAMESPACES, PODS = ("", "namespaces"), ("", "pods")


def check_preconditions(resource: Resource, entry: Entry, conditions: Mapping[str, Any]) -> None:
    """Refuse the deletion of another object, or another version, than was meant.

    Raises:
        StatusError: 409.
    """
    uid, name = entry.body["metadata"]["uid"], entry.body["metadata"]["name"]
    if conditions.get("uid") not in (None, uid):
        why = (f"the UID in the precondition ({conditions['uid']}) does not match the UID in record ({uid}). The object might have been"
               " deleted and then recreated")  # fmt: skip
        raise api_errors.conflict("", resource.kind, name, why)
    if conditions.get("resourceVersion") and conditions["resourceVersion"] != str(entry.revision):
        why = (f"the ResourceVersion in the precondition ({conditions['resourceVersion']}) does not match the ResourceVersion in record"
               f" ({entry.revision}). The object might have been modified")  # fmt: skip
        raise api_errors.conflict("", resource.kind, name, why)


def mark(resource: Resource, body: Body, grace: int, finalizers: list[str], now: str) -> Body | None:
    """The object as it waits for its end; None if it waits like that already.

    Args:
        resource: of it.
        body: as it is.
        grace: seconds.
        finalizers: that it has from now on.
        now: RFC 3339, UTC.
    """
    metadata = dict(body["metadata"])
    began = metadata.get("deletionTimestamp")
    if (
        began is not None
        and metadata.get("deletionGracePeriodSeconds", 0) <= grace
        and finalizers == metadata.get("finalizers", [])
    ):
        return None
    if began is None and CLEANUP in finalizers:  # a definition: first its objects go
        metadata["deletionTimestamp"] = now
        body = mark_terminating(body, now)
    elif began is None or grace < metadata.get("deletionGracePeriodSeconds", 0):
        metadata["deletionTimestamp"] = later(now, grace)
        metadata["deletionGracePeriodSeconds"] = grace
        if began is None and "generation" in metadata:
            metadata["generation"] += 1
    if finalizers:
        metadata["finalizers"] = finalizers
    else:
        metadata.pop("finalizers", None)
    status = {"status": body.get("status", {}) | {"phase": "Terminating"}} if resource.key == NAMESPACES else {}
    return body | {"metadata": metadata} | status


def is_finished(resource: Resource, body: Body) -> bool:
    """Whether this update has removed the last thing that kept a deleted object."""
    metadata = body["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
        return False
    if resource.key == NAMESPACES:
        return not body.get("spec", {}).get("finalizers")
    return bool(metadata.get("deletionGracePeriodSeconds", 0) == 0)


def grace_s(resource: Resource, body: Body, wanted: Mapping[str, Any]) -> int:
    """How many seconds an object has; only pods have any."""
    if resource.key != ("", "pods"):
        return 0
    grace = wanted.get("gracePeriodSeconds")
    if grace is None:
        grace = body["spec"].get("terminationGracePeriodSeconds", 30)
    grace = 1 if grace < 0 else int(grace)
    if not body["spec"].get("nodeName") or body.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    return grace


def finalizers_after(body: Body, wanted: Mapping[str, Any]) -> list[str]:
    """An object's finalizers with what the propagation policy adds and removes."""
    found = list(body["metadata"].get("finalizers") or ())
    policy = wanted.get("propagationPolicy")
    if wanted.get("orphanDependents") is not None and policy is None:
        policy = "Orphan" if wanted["orphanDependents"] else "Background"
    chosen = {"Orphan": "orphan", "Foreground": "foregroundDeletion"}.get(policy or "")
    if policy is not None:
        found = [name for name in found if name not in ("orphan", "foregroundDeletion") or name == chosen]
    if chosen and chosen not in found:
        found.append(chosen)
    return found


def later(now: str, seconds: int) -> str:
    """A moment so many seconds after another.

    >>> later("2026-01-01T00:00:59Z", 2)
    '2026-01-01T00:01:01Z'
    """
    moment = datetime.fromisoformat(now) + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
