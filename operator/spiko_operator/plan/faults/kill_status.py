"""Pure: the status of a `kill`: its victims, its conditions, its one line, and the events of single victims."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from spiko_operator.api.fault import FaultSpec, Kill, State, Victim
from spiko_operator.plan.actions import Emit
from spiko_operator.plan.faults.fault_status import ACCEPTED, INJECTED, MOST_SUMMARY, StatusUpdate, ended
from spiko_operator.plan.faults.victims import Chosen
from spiko_operator.plan.objects import Object, truncate
from spiko_operator.plan.status import Observation

MOST_NAMED = 2  # victims named in a line for people; all are in the status
_FATES: dict[State, str] = {
    "Planned": "pending",
    "Refused": "refused by a disruption budget",
    "Gone": "already gone",
    "Unreachable": "unreachable",
    "Expired": "not killed before the deadline",
}


def read_victims(fault: Object) -> list[Victim]:
    """Return the victims recorded so far."""
    return [Victim.model_validate(v, strict=False) for v in (fault.get("status") or {}).get("victims") or ()]


def update_of(
    kill: Kill,
    conditions: Sequence[Observation],
    victims: Sequence[Victim],
    before: Sequence[Victim] = (),
    *,
    dry_run: bool = False,
) -> StatusUpdate:
    """Return the update of the status for these victims and conditions.

    Args:
        kill: the Fault's.
        conditions: observed now; the last one makes the summary while there is no victim, or in a dry run.
        victims: all, in draw order.
        before: the victims of the last update: a changed state has an event.
        dry_run: whether the fault ends with what it would do.
    """
    summary = None
    if conditions and (dry_run or not victims):
        summary = conditions[-1].message
    elif victims:
        summary = summarize(victims)
    targets = {"victims": [v.model_dump(mode="json", by_alias=True, exclude_none=True) for v in victims]}
    return StatusUpdate(tuple(conditions), targets, summary, tuple(victim_events(kill, victims, before)))


def victim_events(kill: Kill, victims: Sequence[Victim], before: Sequence[Victim]) -> list[Emit]:
    """Return an event for every victim whose state changed: Killed, or a warning with the reason why not."""
    states = {victim.uid: victim.state for victim in before}
    found = []
    for victim in victims:
        if victim.state == states.get(victim.uid, "Planned"):
            continue
        if victim.state == "Killed":
            text = f"{kill.method} of pod {victim.pod} ({victim.tier} {victim.version}, {victim.place or 'no zone'})"
            found.append(Emit("Normal", "Killed", text, "Kill"))
        else:
            found.append(Emit("Warning", victim.state, f"{victim.pod}: {explain(victim)}", "Kill"))
    return found


def planned(spec: FaultSpec, kill: Kill, chosen: Chosen, victims: Sequence[Victim]) -> list[Observation]:
    """Return the conditions at the moment when the victims are recorded; a dry run ends with that."""
    text = f"{len(victims)} of {chosen.ready} ready pods: {', '.join(v.pod for v in victims)}"
    reason = "FewerReady" if chosen.note else "Valid"
    accepted = Observation(ACCEPTED, "True", reason, truncate(f"{chosen.note}; {text}" if chosen.note else text))
    if spec.mode == "Enforce":
        return [accepted]
    refused = sum(victim.refused_by is not None for victim in victims)
    unknown = sum(victim.process is None for victim in victims) if kill.method == "Crash" else 0
    but = f"; a disruption budget would refuse {refused} at first" if refused else ""
    but += f"; {unknown} unreachable: not connected to any eureka" if unknown else ""
    few = [v.pod for v in victims[:MOST_NAMED]]
    few += [f"{len(victims) - MOST_NAMED} more"] if len(victims) > MOST_NAMED else []
    plan = f"dry run: {kill.method} of {len(victims)} of {chosen.ready} ready pods: {', '.join(few)}"
    plan = truncate(plan, MOST_SUMMARY - len(but)) + but
    return [accepted, Observation(INJECTED, "False", "DryRun", plan), ended("DryRun", plan)]


def progress(victims: Sequence[Victim]) -> list[Observation]:
    """Return the conditions that the victims' states amount to; empty while all of them are planned."""
    killed = sum(victim.state == "Killed" for victim in victims)
    left = [victim for victim in victims if victim.state == "Planned"]
    if len(left) == len(victims):
        return []
    if killed:
        reason = "Killed" if killed == len(victims) else "KilledSome"
        return [Observation(INJECTED, "True", reason, _counts(victims))]
    if left:
        return []
    return [Observation(INJECTED, "False", victims[0].state, summarize(victims))]


def conclude(victims: Sequence[Victim], complete: bool, lost: bool) -> list[Observation]:
    """Return the conditions at the end.

    Args:
        victims: none is planned any more.
        complete: whether all evidence was found.
        lost: whether an earlier operator killed a victim and stopped before it recorded the evidence.
    """
    killed = any(victim.state == "Killed" for victim in victims)
    if not killed:
        reason: str = victims[0].state
    elif lost:
        reason = "EvidenceLost"
    else:
        reason = "EvidenceComplete" if complete else "EvidencePartial"
    note = " (evidence lost: the operator restarted during the fault)" if killed and lost else ""
    return [*progress(victims), ended(reason, summarize(victims) + note)]


def explain(victim: Victim) -> str:
    """Return why a victim was not killed."""
    text = {
        "Refused": f"eviction refused by disruption budget {victim.refused_by}"
        if victim.refused_by
        else "eviction refused by a disruption budget",
        "Gone": "already gone: the pod exited, or an earlier operator killed it and stopped before recording it",
        "Unreachable": "not connected to any eureka",
        "Expired": "not killed within startingDeadlineSeconds",
        "Planned": "pending",
    }[victim.state]
    return f"{text} ({victim.message})" if victim.message else text


def summarize(victims: Sequence[Victim]) -> str:
    """Return one line for people, of 256 characters at most.

    >>> summarize([Victim(pod="p", uid="u", tier="t", version="1.0.0", place="r/z", state="Refused")])
    'p: eviction refused by a disruption budget'
    """
    if len(victims) == 1:
        (victim,) = victims
        text = f"killed, {_evidence(victims)}" if victim.state == "Killed" else explain(victim)
        return truncate(f"{victim.pod}: {text}", MOST_SUMMARY)
    killed = [victim for victim in victims if victim.state == "Killed"]
    return truncate(f"{_counts(victims)}, {_evidence(killed)}" if killed else _counts(victims), MOST_SUMMARY)


def _counts(victims: Sequence[Victim]) -> str:
    """Return such as `3 of 4 killed, 1 refused by a disruption budget`."""
    counts = Counter(victim.state for victim in victims)
    rest = [f"{counts[state]} {text}" for state, text in _FATES.items() if counts[state]]
    return ", ".join([f"{counts['Killed']} of {len(victims)} killed", *rest])


def _evidence(killed: Sequence[Victim]) -> str:
    word = "after" if len(killed) == 1 else "within"
    called = [v for v in killed if v.callers != 0]
    parts = [
        _longest("noticed", word, [v.noticed_milliseconds for v in called]) if called else "no callers",
        _longest("replaced", word, [v.replaced_milliseconds for v in killed]),
        f"{sum(v.failed_requests or 0 for v in killed)} failed requests",
    ]
    return ", ".join(parts)


def _longest(what: str, word: str, found: Sequence[int | None]) -> str:
    known = [ms for ms in found if ms is not None]
    if len(known) == len(found):
        return f"{what} {word} {max(known)} ms"
    return f"{what} {len(known)} of {len(found)} so far" if known else f"not {what} yet"
