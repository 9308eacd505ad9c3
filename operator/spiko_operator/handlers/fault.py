"""One Fault: write the victims down, end them one after another, gather evidence. Begun again anywhere after a restart, it ends nobody twice.

All UIDs are in the status before the first pod is touched, and every act carries its pod's UID as a precondition, a Crash the process as well.
A victim's state is written before the next one is touched; after a restart those that are still planned are gone on with, until
`activeDeadlineSeconds` have passed since they were written down. Evidence that was lost with the operator that gathered it is said to be lost.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

from spiko_operator.api.fault import FaultSpec, Victim
from spiko_operator.clock import now_text
from spiko_operator.context import Context
from spiko_operator.eureka_links import Key
from spiko_operator.handlers.evidence_collector import Gathering, surely
from spiko_operator.handlers.kill_executor import Ending
from spiko_operator.plan import names
from spiko_operator.plan.faults.evidence import Evidence
from spiko_operator.plan.faults.fault_status import (
    ACCEPTED,
    ENDED,
    FIRST_RETRY_S,
    conclude,
    is_ended,
    planned,
    progress,
    read_spec,
    read_victims,
    retry_s,
    seconds_left,
    summarise,
    write_status,
)
from spiko_operator.plan.faults.victims import NoVictim, choose_victims, refusing_budgets, with_refusals
from spiko_operator.plan.status import Observation

Object = dict[str, Any]


async def inject(context: Context, key: Key) -> float | None:
    """Bring one Fault to its end; returns in how many seconds to come again, or None.

    Raises:
        ClusterError: nobody was touched in this call; the queue comes again.
    """
    fault = _current(context, key)
    if fault is None or is_ended(fault):
        return None
    spec = read_spec(fault)
    if spec is None:
        text = "the spec does not follow the resource's schema; `spiko lint` says where"
        await _write(context, fault, [Observation(ACCEPTED, "False", "Invalid", text), _ended("Invalid", text)], [])
        return None
    if context.cache.get("Architecture", key[0], spec.architecture) is None:
        return await _without_architecture(context, fault, spec)
    victims = read_victims(fault)
    if not victims:
        return await _choose(context, fault, spec)
    return await _carry_out(context, fault, spec, victims)


def _current(context: Context, key: Key) -> Object | None:
    """The Fault as the cache has it, if it still stands."""
    fault = context.cache.get("Fault", *key)
    return None if fault is None or fault["metadata"].get("deletionTimestamp") else fault


async def _without_architecture(context: Context, fault: Object, spec: FaultSpec) -> float | None:
    text = f"spec.architecture: no Architecture {spec.architecture!r} in namespace {fault['metadata']['namespace']}"
    observed = [Observation(ACCEPTED, "False", "ArchitectureNotFound", text)]
    victims = read_victims(fault)
    if victims:
        observed = [*progress(victims), _ended("ArchitectureGone", f"{text}; {summarise(victims)}")]
        await _write(context, fault, observed, victims)
        return None
    return await _wait(context, fault, spec, observed[0])  # one that appears wakes its faults


async def _wait(context: Context, fault: Object, spec: FaultSpec, why: Observation) -> float | None:
    """Nobody can be chosen yet: say so, and look again until the deadline, which ends it; returns when."""
    now = now_text()
    left_s = seconds_left(fault, spec, now)
    observed = [why] if left_s > 0 else [why, _ended(why.reason, why.message)]
    await _write(context, fault, observed, [])
    return min(left_s, retry_s(fault, now)) if left_s > 0 else None


async def _choose(context: Context, fault: Object, spec: FaultSpec) -> float | None:
    """Draw the victims and write them down, with what is known of them before the act; a dry run is over with that."""
    namespace = fault["metadata"]["namespace"]
    pods = await context.client.list("Pod", namespace, f"{names.ARCHITECTURE}={spec.architecture}")
    chosen = choose_victims(spec, pods, Random(spec.seed).randrange)
    if isinstance(chosen, NoVictim):
        return await _wait(context, fault, spec, Observation(ACCEPTED, "False", chosen.reason, chosen.message))
    gathering = Gathering(context, (namespace, spec.architecture), spec.kill.method, chosen.victims)
    with gathering.listening():
        await gathering.begin()
    victims = [_known(one, spec) for one in gathering.evidence]
    if spec.mode == "DryRun" and spec.kill.method == "Evict":
        budgets = context.cache.of_architecture(namespace, spec.architecture, ("PodDisruptionBudget",))
        victims = with_refusals(victims, refusing_budgets(victims, list(budgets.values())))
    await _write(context, fault, planned(spec, chosen, victims), victims)
    written = _current(context, (namespace, fault["metadata"]["name"]))
    return 0.0 if written is not None and read_victims(written) else FIRST_RETRY_S  # it may have gone a moment ago


def _known(one: Evidence, spec: FaultSpec) -> Victim:
    """The victim as it is written down before the act."""
    process = one.process if spec.kill.method == "Crash" else None
    callers = sum(count or 0 for count in one.holders.values())
    return one.victim.model_copy(update={"callers": callers, "process": process})


async def _carry_out(context: Context, fault: Object, spec: FaultSpec, victims: list[Victim]) -> float | None:
    """End those that are still planned, and gather what comes of it."""
    metadata = fault["metadata"]
    lost = any(victim.state == "Killed" and victim.replaced_milliseconds is None for victim in victims)
    gathering = Gathering(context, (metadata["namespace"], spec.architecture), spec.kill.method, victims)
    with gathering.listening():
        await gathering.begin()
        ending = Ending(context, metadata["namespace"], spec, gathering, seconds_left(fault, spec, now_text()))
        while not (ending.is_over() and gathering.is_complete()):
            if not _stands(context, fault, spec):
                return 0.0
            if await ending.step():
                await _write_surely(context, fault, progress(gathering.written()), gathering.written())
                continue
            await gathering.wait()
        if any(one.acted_s is not None for one in gathering.evidence):
            await asyncio.sleep(context.late_reports_s)
    victims = gathering.written()
    complete = all(one.found for one in gathering.evidence if one.victim.state == "Killed")
    await _write_surely(context, fault, conclude(victims, complete, lost), victims)
    return None


def _stands(context: Context, fault: Object, spec: FaultSpec) -> bool:
    """Whether the Fault and its Architecture are still there: deleting either ends it."""
    metadata = fault["metadata"]
    current = _current(context, (metadata["namespace"], metadata["name"]))
    if current is None or current["metadata"]["uid"] != metadata["uid"]:
        return False
    return context.cache.get("Architecture", metadata["namespace"], spec.architecture) is not None


def _ended(reason: str, message: str) -> Observation:
    return Observation(ENDED, "True", reason, message)


async def _write_surely(context: Context, fault: Object, observed: list[Observation], victims: list[Victim]) -> None:
    """What was done must be written: nobody else is touched before that."""
    await surely(lambda: _write(context, fault, observed, victims))


async def _write(context: Context, fault: Object, observed: list[Observation], victims: list[Victim]) -> None:
    """Write on top of what the cache has by now: an earlier write of ours is in it."""
    metadata = fault["metadata"]
    current = context.cache.get("Fault", metadata["namespace"], metadata["name"])
    if current is not None and current["metadata"]["uid"] == metadata["uid"]:
        await context.executor.carry_out(write_status(current, observed, victims, now_text()), current)
