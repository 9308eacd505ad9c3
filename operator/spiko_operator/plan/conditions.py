"""Pure: conditions as they are written into a status, and the events for changed conditions.

Conditions follow the Kubernetes API conventions and KEP-1623: each is an observation, and
`lastTransitionTime` changes with its status only. A status write costs as much as the whole object, so values
that change all the time are not in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spiko_operator.api.reasons import Reason
from spiko_operator.plan.actions import Emit
from spiko_operator.plan.objects import Object, truncate

ACCEPTED, APPLIED, PROGRAMMED, READY, ZONES = "Accepted", "Applied", "Programmed", "Ready", "ZonesLabeled"
STATE_VERIFIED, PODS_VERIFIED = "StateVerified", "PodsVerified"
SERVING, EXPORTING = "Serving", "Exporting"
RUNTIME_OUTDATED = "RuntimeOutdated"
# Conditions that emit a warning whenever they become False.
_WARNED = (ACCEPTED, APPLIED, ZONES, STATE_VERIFIED, PODS_VERIFIED, SERVING, EXPORTING)


@dataclass(frozen=True)
class Observation:
    """One condition without its time. `status` is True, False or Unknown."""

    type: str
    status: str
    reason: str
    message: str


def not_observed(kind: str, why: str) -> Observation:
    """Return a condition that was not evaluated in this pass."""
    return Observation(kind, "Unknown", Reason.NOT_OBSERVED, f"not observed: {why}")


def merge_conditions(
    before: Sequence[Object], observed: Sequence[Observation], generation: int, now: str
) -> list[Object]:
    """Return the condition list with its times, in the order of `observed`."""
    known = {condition["type"]: condition for condition in before}
    merged = []
    for o in observed:
        old = known.get(o.type)
        since = old["lastTransitionTime"] if old and old["status"] == o.status else now
        merged.append(
            {
                "type": o.type,
                "status": o.status,
                "reason": str(o.reason),
                "message": truncate(o.message),
                "observedGeneration": generation,
                "lastTransitionTime": since,
            }
        )
    return merged


def events_of(before: Sequence[Object], observed: Sequence[Observation]) -> list[Emit]:
    """Return an event for every condition whose status or reason changed.

    Conditions that are Unknown, or False while pods start, such as Programmed, have no events.
    """
    known = {condition["type"]: condition for condition in before}
    found = []
    for o in observed:
        old = known.get(o.type)
        if o.status == "Unknown":
            continue
        if old is not None and (old["status"], old["reason"]) == (o.status, o.reason):
            continue
        if o.status == "True":
            if old is not None or o.type not in (APPLIED, SERVING, EXPORTING):
                found.append(Emit("Normal", o.type if o.type != ZONES else o.reason, o.message))
        elif (
            o.type in _WARNED or o.reason == Reason.UNKNOWN_REVISION or (old is not None and o.type == READY)
        ):
            found.append(Emit("Warning", "ReadyLost" if o.type == READY else o.reason, o.message))
    return found


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> Object:
    """Return a merge patch of the status: the fields that differ; None for those to remove."""
    patch = {key: value for key, value in after.items() if before.get(key) != value}
    return patch | {key: None for key in before if key not in after}
