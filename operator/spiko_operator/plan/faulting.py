"""Pure: the status of a Fault: its conditions and its victims."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from spiko_operator.api.fault import FaultSpec, Victim
from spiko_operator.plan.actions import Action, SetStatus
from spiko_operator.plan.kill import summarise
from spiko_operator.plan.status import Observation, changed_fields, events_of, merge_conditions

Object = dict[str, Any]
ACCEPTED, INJECTED, ENDED = "Accepted", "Injected", "Ended"


def read_spec(fault: Object) -> FaultSpec | None:
    """The spec, or None if it does not follow the schema (an older object, another schema)."""
    try:
        return FaultSpec.model_validate(fault["spec"], strict=False)
    except (ValidationError, KeyError):
        return None


def read_victims(fault: Object) -> list[Victim]:
    """The victims written down so far."""
    return [Victim.model_validate(v, strict=False) for v in (fault.get("status") or {}).get("victims") or ()]


def is_ended(fault: Object) -> bool:
    """Whether nothing more happens to this fault."""
    conditions = (fault.get("status") or {}).get("conditions") or ()
    return any(c["type"] == ENDED and c["status"] == "True" for c in conditions)


def write_status(fault: Object, observed: list[Observation], victims: list[Victim], now: str) -> list[Action]:
    """The status, and an event for what changed; nothing if nothing did."""
    before = fault.get("status") or {}
    generation = fault["metadata"]["generation"]
    known = [c for c in before.get("conditions") or () if c["type"] not in {o.type for o in observed}]
    after: Object = {
        "observedGeneration": generation,
        "victims": [v.model_dump(mode="json", by_alias=True, exclude_none=True) for v in victims],
        "conditions": known + merge_conditions(before.get("conditions") or (), observed, generation, now),
    }
    if victims:
        after["summary"] = "; ".join(summarise(v) for v in victims)[:256]
    elif observed:
        after["summary"] = observed[0].message[:256]
    patch = changed_fields(before, after)
    return [SetStatus(patch), *events_of(before.get("conditions") or (), observed)] if patch else []


def observe(victim: Victim) -> list[Observation]:
    """The conditions that one victim amounts to."""
    text = summarise(victim)
    if victim.state == "Planned":
        return [Observation(ACCEPTED, "True", "Valid", "the victim is written down")]
    if victim.state == "Killed":
        return [Observation(INJECTED, "True", "Killed", f"{victim.pod} was killed")]
    return [Observation(INJECTED, "False", victim.state, text), Observation(ENDED, "True", victim.state, text)]
