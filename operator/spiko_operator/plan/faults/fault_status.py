"""Pure: the status of a Fault: its conditions, its victims, its one line, and the events that they deserve."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from spiko_operator.api.fault import FaultSpec, State, Victim
from spiko_operator.plan.actions import Action, Emit, SetStatus
from spiko_operator.plan.faults.victims import Chosen
from spiko_operator.plan.status import Observation, changed_fields, events_of, merge_conditions
from spiko_operator.plan.timestamps import span_s

Object = dict[str, Any]
ACCEPTED, INJECTED, ENDED = "Accepted", "Injected", "Ended"
MOST_SUMMARY = 256
MOST_NAMED = 2  # in a line for people; all are in the status
_FATES: dict[State, str] = {
    "Planned": "still to come",
    "Refused": "refused by its budget",
    "Gone": "had gone",
    "Unreachable": "unreachable",
    "Expired": "not touched in time",
}
FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 30.0


def read_spec(fault: Object) -> FaultSpec | None:
    """The spec, or None if it does not follow the schema (an older object, another schema)."""
    try:
        return FaultSpec.model_validate(fault["spec"], strict=False)
    except (ValidationError, KeyError):
        return None


def read_victims(fault: Object) -> list[Victim]:
    """The victims written down so far."""
    return [Victim.model_validate(v, strict=False) for v in (fault.get("status") or {}).get("victims") or ()]


def _condition(fault: Object, kind: str) -> Object:
    conditions = (fault.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c["type"] == kind), {})


def is_ended(fault: Object) -> bool:
    """Whether nothing more happens to this fault."""
    return bool(_condition(fault, ENDED).get("status") == "True")


def seconds_left(fault: Object, spec: FaultSpec, now: str) -> float:
    """How long victims may still be touched, or waited for: `activeDeadlineSeconds` from when they were written down, or from when it was
    first said that there are none. A restart does not begin it anew.
    """
    since = _condition(fault, ACCEPTED).get("lastTransitionTime", now)
    return spec.active_deadline_seconds - max(0.0, span_s(since, now))


def retry_s(fault: Object, now: str) -> float:
    """When to look again whether there is somebody to end: soon at first, then ever more seldom."""
    age = span_s(_condition(fault, ACCEPTED).get("lastTransitionTime", now), now)
    return min(LONGEST_RETRY_S, max(FIRST_RETRY_S, age / 4))


def write_status(fault: Object, observed: list[Observation], victims: Sequence[Victim], now: str) -> list[Action]:
    """The status, and an event for what changed; nothing if nothing did."""
    before = fault.get("status") or {}
    generation = fault["metadata"]["generation"]
    known = [c for c in before.get("conditions") or () if c["type"] not in {o.type for o in observed}]
    after: Object = {
        "observedGeneration": generation,
        "victims": [v.model_dump(mode="json", by_alias=True, exclude_none=True) for v in victims],
        "conditions": known + merge_conditions(before.get("conditions") or (), observed, generation, now),
    }
    if observed and (not victims or observed[-1].reason == "DryRun"):
        after["summary"] = _cut(observed[-1].message)
    elif victims:
        after["summary"] = summarise(victims)
    elif "summary" in before:
        after["summary"] = before["summary"]
    patch = changed_fields(before, after)
    if not patch:
        return []
    conditions = [o for o in observed if o.type != INJECTED]  # that is said of each victim
    return [SetStatus(patch), *victim_events(fault, victims), *events_of(before.get("conditions") or (), conditions)]


def victim_events(fault: Object, victims: Sequence[Victim]) -> list[Emit]:
    """An event for every victim whose state is another than was written: Killed, or a warning with the reason why not."""
    before = {victim.uid: victim.state for victim in read_victims(fault)}
    method = fault["spec"]["kill"].get("method", "Evict")
    found = []
    for victim in victims:
        if victim.state == before.get(victim.uid, "Planned"):
            continue
        if victim.state == "Killed":
            text = f"{method} of pod {victim.pod} ({victim.tier} {victim.version}, {victim.place or 'no zone'})"
            found.append(Emit("Normal", "Killed", text, "Kill"))
        else:
            found.append(Emit("Warning", victim.state, f"{victim.pod}: {explain(victim)}", "Kill"))
    return found


def planned(spec: FaultSpec, chosen: Chosen, victims: Sequence[Victim]) -> list[Observation]:
    """The conditions when the victims are written down; a dry run ends with that."""
    text = f"{len(victims)} of {chosen.ready} ready pods: {', '.join(v.pod for v in victims)}"
    reason = "FewerReady" if chosen.note else "Valid"
    accepted = Observation(ACCEPTED, "True", reason, _cut(f"{chosen.note}; {text}" if chosen.note else text, 1024))
    if spec.mode == "Enforce":
        return [accepted]
    refused = sum(victim.refused_by is not None for victim in victims)
    unknown = sum(victim.process is None for victim in victims) if spec.kill.method == "Crash" else 0
    but = f"; {refused} would be refused by a budget at first" if refused else ""
    but += f"; {unknown} could not be told: no eureka has them now" if unknown else ""
    few = [v.pod for v in victims[:MOST_NAMED]] + (
        [f"{len(victims) - MOST_NAMED} more"] if len(victims) > MOST_NAMED else []
    )
    plan = f"dry run: {spec.kill.method} of {len(victims)} of {chosen.ready} ready pods: {', '.join(few)}"
    plan = _cut(plan, MOST_SUMMARY - len(but)) + but
    return [accepted, Observation(INJECTED, "False", "DryRun", plan), Observation(ENDED, "True", "DryRun", plan)]


def progress(victims: Sequence[Victim]) -> list[Observation]:
    """What the victims' states amount to while some may still be planned; nothing before the first has one."""
    killed = sum(victim.state == "Killed" for victim in victims)
    left = [victim for victim in victims if victim.state == "Planned"]
    if len(left) == len(victims):
        return []
    if killed:
        reason = "Killed" if killed == len(victims) else "KilledSome"
        return [Observation(INJECTED, "True", reason, _counts(victims))]
    if left:
        return []
    return [Observation(INJECTED, "False", victims[0].state, summarise(victims))]


def conclude(victims: Sequence[Victim], complete: bool, lost: bool) -> list[Observation]:
    """The conditions at the end.

    Args:
        victims: none is planned any more.
        complete: whether all evidence was found.
        lost: whether an earlier operator acted and did not live to write the evidence.
    """
    killed = any(victim.state == "Killed" for victim in victims)
    if not killed:
        reason: str = victims[0].state
    elif lost:
        reason = "EvidenceLost"
    else:
        reason = "EvidenceComplete" if complete else "EvidencePartial"
    note = " (evidence was lost with an operator that ended meanwhile)" if killed and lost else ""
    return [*progress(victims), Observation(ENDED, "True", reason, summarise(victims) + note)]


def explain(victim: Victim) -> str:
    """Why a victim was not killed."""
    text = {
        "Refused": f"eviction refused by budget {victim.refused_by}"
        if victim.refused_by
        else "eviction refused by a disruption budget",
        "Gone": "had gone: by itself, or by an operator that did not live to write it down",
        "Unreachable": "not connected to any eureka",
        "Expired": "not touched within activeDeadlineSeconds",
        "Planned": "chosen",
    }[victim.state]
    return f"{text} ({victim.message})" if victim.message else text


def summarise(victims: Sequence[Victim]) -> str:
    """One line for people, of 256 characters at most.

    >>> summarise([Victim(pod="p", uid="u", tier="t", version="1.0.0", place="r/z", state="Refused")])
    'p: eviction refused by a disruption budget'
    """
    if len(victims) == 1:
        (victim,) = victims
        if victim.state != "Killed":
            return _cut(f"{victim.pod}: {explain(victim)}")
        return _cut(f"{victim.pod}: killed, {_evidence(victims)}")
    killed = [victim for victim in victims if victim.state == "Killed"]
    return _cut(f"{_counts(victims)}, {_evidence(killed)}" if killed else _counts(victims))


def _counts(victims: Sequence[Victim]) -> str:
    """Such as `3 of 4 killed, 1 refused by its budget`."""
    counts = Counter(victim.state for victim in victims)
    rest = [f"{counts[state]} {text}" for state, text in _FATES.items() if counts[state]]
    return ", ".join([f"{counts['Killed']} of {len(victims)} killed", *rest])


def _evidence(killed: Sequence[Victim]) -> str:
    word = "after" if len(killed) == 1 else "within"
    called = [v for v in killed if v.callers != 0]
    parts = [
        _longest("noticed", word, [v.noticed_milliseconds for v in called]) if called else "called by nobody",
        _longest("replaced", word, [v.replaced_milliseconds for v in killed]),
        f"{sum(v.requests_hurt or 0 for v in killed)} requests hurt",
    ]
    return ", ".join(parts)


def _longest(what: str, word: str, found: Sequence[int | None]) -> str:
    known = [ms for ms in found if ms is not None]
    if len(known) == len(found):
        return f"{what} {word} {max(known)} ms"
    return f"{what} {len(known)} of {len(found)} so far" if known else f"not {what} yet"


def _cut(text: str, most: int = MOST_SUMMARY) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
