"""One Fault: write the victim down, act, gather evidence. Begun again anywhere after a restart, it never acts twice.

The victim's UID is in the status before the pod is touched, and every act carries that UID as a precondition. A Fault whose act lies behind
it, but whose evidence was lost with the operator that gathered it, ends without figures.
"""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Any

from spiko_operator.api.fault import FaultSpec, Victim
from spiko_operator.context import Context
from spiko_operator.errors import ClusterError, Conflict, Missing, Throttled
from spiko_operator.handlers.architecture import now_text
from spiko_operator.links import Key
from spiko_operator.plan import names
from spiko_operator.plan.faulting import ACCEPTED, ENDED, is_ended, observe, read_spec, read_victims, write_status
from spiko_operator.plan.kill import Evidence, NoVictim, choose_victim, replacement, summarise
from spiko_operator.plan.status import Observation

Object = dict[str, Any]
LOOK_S = 0.1
LATE_REPORTS_S = 2.5  # pods report every second
LONGEST_S = 60.0
RETRY_S = 1.0


async def inject(context: Context, key: Key) -> float | None:
    """Bring one Fault to its end; returns in how many seconds to come again, or None.

    Raises:
        ClusterError: the queue comes again.
    """
    fault = context.cache.get("Fault", *key)
    if fault is None or is_ended(fault) or fault["metadata"].get("deletionTimestamp"):
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
    if victims[0].state == "Planned":
        return await _act(context, fault, spec, victims[0])
    text = f"{summarise(victims[0])} (the operator restarted meanwhile)"
    await _write(context, fault, [_ended("EvidenceLost", text)], victims)
    return None


async def _without_architecture(context: Context, fault: Object, spec: FaultSpec) -> float | None:
    text = f"spec.architecture: no Architecture {spec.architecture!r} in namespace {fault['metadata']['namespace']}"
    observed = [Observation(ACCEPTED, "False", "ArchitectureNotFound", text)]
    if read_victims(fault):
        observed = [_ended("ArchitectureGone", text)]
    await _write(context, fault, observed, read_victims(fault))
    return None  # an Architecture that appears wakes its faults


async def _choose(context: Context, fault: Object, spec: FaultSpec) -> float | None:
    pods = await _pods(context, fault, spec)
    chosen = choose_victim(spec, pods, Random(spec.seed).randrange)
    if isinstance(chosen, NoVictim):
        await _write(context, fault, [Observation(ACCEPTED, "False", chosen.reason, chosen.message)], [])
        return RETRY_S
    await _write(context, fault, observe(chosen), [chosen])
    return 0.0


async def _act(context: Context, fault: Object, spec: FaultSpec, victim: Victim) -> float | None:
    """Evidence is listened for before the act, so that nothing of it is missed."""
    architecture = (fault["metadata"]["namespace"], spec.architecture)
    evidence = Evidence()
    acted_at: float | None = None

    def since_ms() -> int:
        return int((time.monotonic() - acted_at) * 1000) if acted_at is not None else 0

    context.links.follow(architecture, victim.uid, lambda m: evidence.hear(m, acted_at is not None, since_ms()))
    try:
        before = frozenset(pod["metadata"]["uid"] for pod in await _pods(context, fault, spec))
        await _heard_by(context, architecture, evidence)
        acted_at = time.monotonic()
        state = await _kill(context, fault, spec, victim)
        victim = victim.model_copy(update={"state": state, "killed_at": now_text() if state == "Killed" else None})
        await _write(context, fault, observe(victim), [victim])
        if state != "Killed":
            return None
        await _gather(context, fault, spec, victim, before, evidence, acted_at)
    finally:
        context.links.unfollow(architecture, victim.uid)
    victim = evidence.victim(victim)
    await _write(
        context,
        fault,
        [_ended("EvidenceComplete" if evidence.complete else "EvidencePartial", summarise(victim))],
        [victim],
    )
    return None


async def _heard_by(context: Context, architecture: Key, evidence: Evidence) -> None:
    """Wait until every connected eureka has said how many callers know the victim; a second at most."""
    end = time.monotonic() + 1.0
    while len(evidence.holders) < context.links.connected(architecture) and time.monotonic() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def _kill(context: Context, fault: Object, spec: FaultSpec, victim: Victim) -> str:
    """The act; a budget that refuses an eviction is asked again, with growing pauses, until the deadline."""
    namespace = fault["metadata"]["namespace"]
    if spec.kill.method == "Delete":
        found = await context.client.list("Pod", namespace, f"{names.ARCHITECTURE}={spec.architecture}")
        if not any(pod["metadata"]["uid"] == victim.uid for pod in found):
            return "Gone"
        await context.client.delete("Pod", namespace, victim.pod, victim.uid, spec.kill.grace_period_seconds)
        return "Killed"
    end = time.monotonic() + spec.active_deadline_seconds
    pause_s = 0.25
    while True:
        try:
            await context.client.evict(namespace, victim.pod, victim.uid)
        except Throttled:
            if time.monotonic() + pause_s > end:
                return "Refused"
            await asyncio.sleep(pause_s)
            pause_s = min(5.0, pause_s * 2)
        except (Missing, Conflict):
            return "Gone"
        else:
            return "Killed"


async def _gather(
    context: Context,
    fault: Object,
    spec: FaultSpec,
    victim: Victim,
    before: frozenset[str],
    evidence: Evidence,
    acted_at: float,
) -> None:
    """Look for the replacement, wait for what eurekas tell, then for late reports."""
    end = acted_at + LONGEST_S
    while not evidence.complete and time.monotonic() < end:
        if evidence.replaced_ms is None:
            try:
                name = replacement(victim, before, await _pods(context, fault, spec))
            except ClusterError:
                name = None  # the API server is away: what eurekas tell must not be lost for it
            if name is not None:
                evidence.replaced_ms, evidence.replaced_by = int((time.monotonic() - acted_at) * 1000), name
        await asyncio.sleep(LOOK_S)
    await asyncio.sleep(LATE_REPORTS_S)


async def _pods(context: Context, fault: Object, spec: FaultSpec) -> list[Object]:
    return await context.client.list("Pod", fault["metadata"]["namespace"], f"{names.ARCHITECTURE}={spec.architecture}")


def _ended(reason: str, message: str) -> Observation:
    return Observation(ENDED, "True", reason, message)


async def _write(context: Context, fault: Object, observed: list[Observation], victims: list[Victim]) -> None:
    """Write on top of what the cache has by now: an earlier write of ours is in it."""
    metadata = fault["metadata"]
    current = context.cache.get("Fault", metadata["namespace"], metadata["name"])
    if current is not None and current["metadata"]["uid"] == metadata["uid"]:
        await context.executor.carry_out(write_status(current, observed, victims, now_text()), current)
