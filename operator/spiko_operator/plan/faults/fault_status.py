"""Pure: the part of a Fault's status that all kinds share: conditions, deadline, summary, events."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from pydantic import ValidationError

from spiko_operator.api.fault import KINDS, FaultSpec
from spiko_operator.api.reasons import Reason
from spiko_operator.plan.actions import Action, Emit, SetStatus
from spiko_operator.plan.conditions import READY, Observation, changed_fields, events_of, merge_conditions
from spiko_operator.plan.objects import Key, Object, condition, truncate
from spiko_operator.plan.timestamps import span_s

ACCEPTED, INJECTED, ENDED = "Accepted", "Injected", "Ended"
MOST_SUMMARY = 256  # characters
FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 30.0


@dataclass(frozen=True)
class StatusUpdate:
    """An update of a Fault's status by its kind.

    Args:
        conditions: observed conditions; other conditions stay as they are.
        targets: the kind's own fields of the status, such as `victims`.
        summary: the outcome in one line; unchanged if None.
        events: events about single targets.
    """

    conditions: tuple[Observation, ...] = ()
    targets: Mapping[str, Any] = field(default_factory=dict)
    summary: str | None = None
    events: tuple[Emit, ...] = ()


def read_spec(fault: Object) -> FaultSpec | None:
    """Return the spec; None if it does not follow the schema: it was stored under an earlier schema."""
    try:
        spec = FaultSpec.model_validate(fault["spec"], strict=False)
    except (ValidationError, KeyError):
        return None
    return spec if kind_of(spec) is not None else None


def kind_of(spec: FaultSpec) -> str | None:
    """Return the kind of fault, which is the name of its field; None if there is not exactly one."""
    given = [name for name in KINDS if getattr(spec, name) is not None]
    return given[0] if len(given) == 1 else None


def seed_of(fault: Object, spec: FaultSpec) -> int:
    """Return `spec.seed`, or a seed that derives from the Fault's UID."""
    if spec.seed is not None:
        return spec.seed
    return derive_seed(fault["metadata"]["uid"])


def derive_seed(uid: str) -> int:
    """Return a seed from 0 to 2^31-1 for the UID of an object.

    >>> derive_seed("5b1c") == derive_seed("5b1c") != derive_seed("5b1d")
    True
    """
    return int.from_bytes(hashlib.sha256(uid.encode()).digest()[:4]) >> 1


def is_ended(fault: Object) -> bool:
    """Whether the fault has ended: the operator ignores it from then on."""
    return bool(condition(fault, ENDED).get("status") == "True")


class Progress(Enum):
    """The progress of the Architecture that a Fault names."""

    MISSING = auto()
    STARTING = auto()  # it was never Ready
    STARTED = auto()  # it was Ready at least once


def progress_of(architecture: Object | None, started: bool, waits: bool = False) -> Progress:
    """Return the progress of an Architecture.

    Args:
        architecture: the object, or None.
        started: whether it was ever Ready, by its state.
        waits: whether the Fault waits for the first Ready. It then begins at the condition itself, and not
            at the state, which is written before it.
    """
    if architecture is None:
        return Progress.MISSING
    is_ready = condition(architecture, READY).get("status") == "True"
    return Progress.STARTED if is_ready or (started and not waits) else Progress.STARTING


def waits_for_ready(fault: Object) -> bool:
    """Whether the status says that the Fault waits for the first Ready of its Architecture."""
    return bool(condition(fault, ACCEPTED).get("reason") == Reason.ARCHITECTURE_NOT_READY)


def victims_of_others(faults: Iterable[Object], key: Key, architecture: Object | None) -> frozenset[str]:
    """Return the UIDs of the pods that other running Faults and the chaos monkey of an Architecture kill.

    Args:
        faults: all Faults.
        key: namespace and name of the Fault that selects.
        architecture: the object, or None.
    """
    chaos = ((architecture or {}).get("status") or {}).get("chaos") or {}
    found = {str(victim["uid"])} if (victim := chaos.get("victim")) else set()
    for fault in faults:
        metadata = fault["metadata"]
        if metadata["namespace"] == key[0] and metadata["name"] != key[1] and not is_ended(fault):
            found |= {str(v["uid"]) for v in (fault.get("status") or {}).get("victims") or ()}
    return frozenset(found)


def started_at(fault: Object, progress: Progress, now: str) -> str | None:
    """Return when `startingDeadlineSeconds` began: when the Fault existed and the Architecture had been
    Ready.

    If the Architecture does not exist, the time counts from the condition that reports it.

    Returns:
        None while the Architecture has never been Ready.
    """
    recorded: str | None = (fault.get("status") or {}).get("startedAt")
    if recorded is not None:
        return recorded
    if progress is Progress.MISSING:
        since: str = condition(fault, ACCEPTED).get("lastTransitionTime", now)
        return since
    return now if progress is Progress.STARTED else None


def seconds_left(fault: Object, progress: Progress, spec: FaultSpec, now: str) -> float:
    """Return the seconds until the deadline: `startingDeadlineSeconds` at first.

    The time counts from `started_at`, so a restart of the operator does not extend it.
    """
    since = started_at(fault, progress, now)
    elapsed_s = 0.0 if since is None else max(0.0, span_s(since, now))
    return spec.starting_deadline_seconds - elapsed_s


def retry_s(fault: Object, now: str) -> float:
    """Return in how many seconds to select targets again: a quarter of the Fault's age, from 1 to 30."""
    age = span_s(condition(fault, ACCEPTED).get("lastTransitionTime", now), now)
    return min(LONGEST_RETRY_S, max(FIRST_RETRY_S, age / 4))


def write_status(fault: Object, update: StatusUpdate, since: str | None, now: str) -> list[Action]:
    """Return the status patch and the events for changed conditions; nothing if the status stays the same.

    Args:
        fault: the object, with the latest status.
        update: from the fault's kind.
        since: when the Architecture was first Ready; None if it was not Ready yet.
        now: the time, in the format of Kubernetes.
    """
    before = fault.get("status") or {}
    conditions: list[Object] = before.get("conditions") or []
    generation = fault["metadata"]["generation"]
    known = [c for c in conditions if c["type"] not in {o.type for o in update.conditions}]
    after: Object = {
        **before,
        "observedGeneration": generation,
        "conditions": known + merge_conditions(conditions, update.conditions, generation, now),
        **update.targets,
    }
    if since is not None:
        after["startedAt"] = since
    if update.summary is not None:
        after["summary"] = truncate(update.summary, MOST_SUMMARY)
    patch = changed_fields(before, after)
    if not patch:
        return []
    # Each target has an event of its own, so Injected needs none.
    reported = [observation for observation in update.conditions if observation.type != INJECTED]
    return [SetStatus(patch), *update.events, *events_of(conditions, reported)]


def ended(reason: str, message: str) -> Observation:
    """Return the condition Ended."""
    return Observation(ENDED, "True", reason, message)
