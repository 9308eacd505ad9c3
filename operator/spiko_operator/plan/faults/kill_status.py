"""Pure: the status of a `kill`: its victims, conditions and summary, and the events of single victims."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from spiko_operator.api.fault import FaultSpec, Kill, State, Victim
from spiko_operator.api.reasons import Reason
from spiko_operator.plan.actions import Emit
from spiko_operator.plan.conditions import Observation
from spiko_operator.plan.faults.fault_status import ACCEPTED, INJECTED, MOST_SUMMARY, StatusUpdate, ended
from spiko_operator.plan.faults.victims import Chosen
from spiko_operator.plan.objects import Object, truncate

MOST_NAMED = 2  # victims named in a message; the status has all
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
        kill: of the Fault.
        conditions: observed conditions; without victims and in a dry run, the last one is the summary.
        victims: all victims in draw order.
        before: the victims of the last update: a changed state has an event.
        dry_run: whether no victim is killed.
    """
    summary = None
    if conditions and (dry_run or not victims):
        summary = conditions[-1].message
    elif victims:
        summary = summarize(victims)
    targets = {"victims": [v.model_dump(mode="json", by_alias=True, exclude_none=True) for v in victims]}
    return StatusUpdate(tuple(conditions), targets, summary, tuple(victim_events(kill, victims, before)))


def victim_events(kill: Kill, victims: Sequence[Victim], before: Sequence[Victim]) -> list[Emit]:
    """Return an event for every victim whose state changed: Killed, or a warning."""
    states = {victim.uid: victim.state for victim in before}
    found = []
    for victim in victims:
        if victim.state == states.get(victim.uid, "Planned"):
            continue
        if victim.state == "Killed":
            text = (
                f"{kill.method} of pod {victim.pod} ({victim.tier} {victim.version}, "
                f"{victim.place or 'no zone'})"
            )
            found.append(Emit("Normal", "Killed", text, "Kill"))
        else:
            found.append(Emit("Warning", victim.state, f"{victim.pod}: {explain(victim)}", "Kill"))
    return found


def planned(spec: FaultSpec, kill: Kill, chosen: Chosen, victims: Sequence[Victim]) -> list[Observation]:
    """Return the conditions when the victims are recorded, with which a dry run ends."""
    text = f"{len(victims)} of {chosen.ready} ready pods: {', '.join(v.pod for v in victims)}"
    reason = Reason.FEWER_READY if chosen.note else Reason.VALID
    accepted = Observation(
        ACCEPTED, "True", reason, truncate(f"{chosen.note}; {text}" if chosen.note else text)
    )
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
    return [accepted, Observation(INJECTED, "False", Reason.DRY_RUN, plan), ended(Reason.DRY_RUN, plan)]


def progress(victims: Sequence[Victim]) -> list[Observation]:
    """Return the conditions that follow from the victims' states; empty while all of them are planned."""
    killed = sum(victim.state == "Killed" for victim in victims)
    left = [victim for victim in victims if victim.state == "Planned"]
    if len(left) == len(victims):
        return []
    if killed:
        reason = Reason.KILLED if killed == len(victims) else Reason.KILLED_SOME
        return [Observation(INJECTED, "True", reason, _counts(victims))]
    if left:
        return []
    return [Observation(INJECTED, "False", victims[0].state, summarize(victims))]


def conclude(victims: Sequence[Victim], complete: bool, lost: bool) -> list[Observation]:
    """Return the conditions at the end of the fault.

    Args:
        victims: all victims, none of them planned.
        complete: whether all evidence was found.
        lost: whether an earlier operator killed a victim and stopped before it recorded the evidence.
    """
    killed = any(victim.state == "Killed" for victim in victims)
    if not killed:
        reason: str = victims[0].state
    elif lost:
        reason = Reason.EVIDENCE_LOST
    else:
        reason = Reason.EVIDENCE_COMPLETE if complete else Reason.EVIDENCE_PARTIAL
    note = " (evidence lost: the operator restarted during the fault)" if killed and lost else ""
    return [*progress(victims), ended(reason, summarize(victims) + note)]


def explain(victim: Victim) -> str:
    """Return why a victim was not killed."""
    text = {
        "Refused": f"eviction refused by disruption budget {victim.refused_by}"
        if victim.refused_by
        else "eviction refused by a disruption budget",
        "Gone": "already gone: the pod exited, or an earlier operator killed it and stopped before "
        "recording it",
        "Unreachable": "not connected to any eureka",
        "Expired": "not killed within startingDeadlineSeconds",
        "Planned": "pending",
    }[victim.state]
    return f"{text} ({victim.message})" if victim.message else text


def summarize(victims: Sequence[Victim]) -> str:
    """Return the outcome in one line of at most 256 characters.

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
    """Return the counts of the states, such as `3 of 4 killed, 1 refused by a disruption budget`."""
    counts = Counter(victim.state for victim in victims)
    rest = [f"{counts[state]} {text}" for state, text in _FATES.items() if counts[state]]
    return ", ".join([f"{counts['Killed']} of {len(victims)} killed", *rest])


def _evidence(killed: Sequence[Victim]) -> str:
    word = "after" if len(killed) == 1 else "within"
    called = [v for v in killed if v.callers != 0]
    parts = [
        _longest("noticed", word, [v.noticed_milliseconds for v in called]) if called else "no callers",
        _longest("replaced", word, [v.replaced_milliseconds for v in killed]),
        _failed(sum(v.failed_requests or 0 for v in killed)),
    ]
    return ", ".join(parts)


def _failed(requests: int) -> str:
    return f"{requests} failed request{'' if requests == 1 else 's'}"


def _longest(what: str, word: str, found: Sequence[int | None]) -> str:
    known = [ms for ms in found if ms is not None]
    if len(known) == len(found):
        return f"{what} {word} {max(known)} ms"
    return f"{what} {len(known)} of {len(found)} so far" if known else f"not {what} yet"
