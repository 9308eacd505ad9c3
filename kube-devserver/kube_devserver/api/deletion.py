"""Pure: deletion: preconditions, grace periods, finalizers, and the marks of an object that waits for its
end.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from kube_devserver import api_errors
from kube_devserver.custom.definition_validation import mark_terminating
from kube_devserver.objects.conditions import has_ended
from kube_devserver.objects.kinds import NAMESPACES, PODS, Body
from kube_devserver.objects.resource_registry import CLEANUP, Resource
from kube_devserver.storage.store import Entry

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


def check_preconditions(resource: Resource, entry: Entry, conditions: Mapping[str, Any]) -> None:
    """Refuse to delete an object whose UID or version is not the expected one.

    Raises:
        StatusError: 409.
    """
    uid, name = entry.body["metadata"]["uid"], entry.body["metadata"]["name"]
    why = ""
    if conditions.get("uid") not in (None, uid):
        why = (
            f"the UID in the precondition ({conditions['uid']}) does not match the UID in record ({uid})."
            " The object might have been deleted and then recreated"
        )
    elif conditions.get("resourceVersion") and conditions["resourceVersion"] != str(entry.revision):
        why = (
            f"the ResourceVersion in the precondition ({conditions['resourceVersion']}) does not match the"
            f" ResourceVersion in record ({entry.revision}). The object might have been modified"
        )
    if why:
        raise api_errors.conflict("", resource.kind, name, why)


def mark(resource: Resource, body: Body, grace: int, finalizers: list[str], now: str) -> Body | None:
    """The object as it waits for its end; None if it waits in the same way already.

    Args:
        resource: of the object.
        body: the object.
        grace: seconds.
        finalizers: that the object gets.
        now: RFC 3339, UTC.
    """
    metadata = dict(body["metadata"])
    began, left = metadata.get("deletionTimestamp"), metadata.get("deletionGracePeriodSeconds", 0)
    if began is not None and left <= grace and finalizers == metadata.get("finalizers", []):
        return None
    if began is None and CLEANUP in finalizers:  # the objects of a definition are deleted first
        metadata["deletionTimestamp"] = now
        body = mark_terminating(body, now)
    elif began is None or grace < left:
        metadata["deletionTimestamp"] = later(now, grace)
        metadata["deletionGracePeriodSeconds"] = grace
        if began is None and "generation" in metadata:
            metadata["generation"] += 1
    if finalizers:
        metadata["finalizers"] = finalizers
    else:
        metadata.pop("finalizers", None)
    phase = {"status": body.get("status", {}) | {"phase": "Terminating"}}
    status = phase if resource.key == NAMESPACES else {}
    return body | {"metadata": metadata} | status


def is_finished(resource: Resource, body: Body) -> bool:
    """Whether an object is being deleted and nothing keeps it any more."""
    metadata = body["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
        return False
    if resource.key == NAMESPACES:
        return not body.get("spec", {}).get("finalizers")
    return bool(metadata.get("deletionGracePeriodSeconds", 0) == 0)


def grace_s(resource: Resource, body: Body, wanted: Mapping[str, Any]) -> int:
    """The grace period of a delete in seconds; 0 for objects that are not running pods."""
    if resource.key != PODS:
        return 0
    grace = wanted.get("gracePeriodSeconds")
    if grace is None:
        grace = body["spec"].get("terminationGracePeriodSeconds", 30)
    grace = 1 if grace < 0 else int(grace)
    if not body["spec"].get("nodeName") or has_ended(body):
        return 0
    return grace


def finalizers_after(body: Body, wanted: Mapping[str, Any]) -> list[str]:
    """An object's finalizers after its delete's propagation policy has added and removed some."""
    found = list(body["metadata"].get("finalizers") or ())
    policy = wanted.get("propagationPolicy")
    if wanted.get("orphanDependents") is not None and policy is None:
        policy = "Orphan" if wanted["orphanDependents"] else "Background"
    chosen = {"Orphan": ORPHAN, "Foreground": FOREGROUND}.get(policy or "")
    if policy is not None:
        found = [name for name in found if name not in (ORPHAN, FOREGROUND) or name == chosen]
    if chosen and chosen not in found:
        found.append(chosen)
    return found


def later(now: str, seconds: int) -> str:
    """A time plus some seconds.

    >>> later("2026-01-01T00:00:59Z", 2)
    '2026-01-01T00:01:01Z'
    """
    moment = datetime.fromisoformat(now) + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
