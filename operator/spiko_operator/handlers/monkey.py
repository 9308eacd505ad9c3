"""Executes the decisions of `plan/faults/monkey.py` for one Architecture.

The state of the chaos monkey is in `status.chaos`, which only this module writes; `handlers/architecture.py`
writes the rest of the status.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from pydantic import ValidationError

from spiko_operator.api.architecture import Monkey
from spiko_operator.api.architecture_status import ChaosStatus, SelectedVictim
from spiko_operator.api.fault import Method, Victim
from spiko_operator.clock import now_milli_text
from spiko_operator.context import Context
from spiko_operator.errors import Throttled
from spiko_operator.handlers.architecture import is_terminating, was_started
from spiko_operator.handlers.evidence_collector import EvidenceCollector, write_until_accepted
from spiko_operator.handlers.kill_request import KillRequest
from spiko_operator.plan import names
from spiko_operator.plan.actions import Emit, SetStatus
from spiko_operator.plan.faults.delete_right import refusal
from spiko_operator.plan.faults.evidence import Evidence
from spiko_operator.plan.faults.fault_status import victims_of_others
from spiko_operator.plan.faults.monkey import (
    BLOCKED_S,
    ObservedTier,
    count,
    desired_of,
    find_blocker,
    plan_monkey,
    with_evidence,
)
from spiko_operator.plan.faults.monkey_schedule import effective
from spiko_operator.plan.objects import Key, Object, is_deleting, key_of, truncate
from spiko_operator.plan.ownership import owned_by
from spiko_operator.victim_claims import Holder

NOT_PERSISTED_S = 10.0  # between attempts to write a status that the API server drops


async def visit(context: Context, key: Key) -> float | None:
    """Take the monkey's next steps.

    Returns:
        In how many seconds to requeue the key; None if nothing is due.

    Raises:
        ClusterError: the API server does not answer; the queue retries.
    """
    pods: list[Object] | None = None
    holder = ("Architecture", *key)
    while (architecture := _current(context, key)) is not None and (
        monkey := _monkey(architecture)
    ) is not None:
        chaos = _chaos(architecture)
        tier = chaos.victim.tier if chaos.victim is not None else str(architecture["spec"].get("victim", ""))
        next_ = plan_monkey(monkey, chaos, _observe(context, architecture, monkey, tier, pods))
        if next_.list_pods:
            selector = f"{names.ARCHITECTURE}={key[1]},{names.TIER}={tier}"
            pods = await context.client.list("Pod", key[0], selector)
            if chaos.victim is None:
                pods = await context.owners.select(pods, architecture["metadata"]["uid"])
            continue
        if next_.chaos is not None:
            _claim(context, holder, chaos, next_.chaos)
            await _write(context, architecture, next_.chaos, next_.events)
            if not _is_written(context, key, architecture):
                return NOT_PERSISTED_S
            context.claims.release(holder)
        if next_.kill is not None:
            refused = await _kill(context, key, monkey, next_.kill)
            if refused:
                return await _wait_for_budget(context, key, refused)
            pods = None
            continue
        if next_.after_s != 0.0:
            return next_.after_s
    context.claims.release(holder)
    return None


def _claim(context: Context, holder: Holder, before: ChaosStatus, written: Object) -> None:
    """Claim a victim that is about to be recorded, until it is; forget one that is about to be released."""
    if selected := written.get("victim"):
        context.claims.hold(holder, [selected["uid"]])
        context.claims.unsent.add(selected["uid"])
    elif before.victim is not None:
        context.claims.unsent.discard(before.victim.uid)


def _current(context: Context, key: Key) -> Object | None:
    architecture = context.cache.get("Architecture", *key)
    if architecture is None or is_deleting(architecture) or is_terminating(context, key):
        return None
    return architecture


def _monkey(architecture: Object) -> Monkey | None:
    """Return the effective settings; None if they do not follow the schema.

    Only this part of the spec is parsed, because a spec may be large.
    """
    chaos = architecture["spec"].get("chaos") or {}
    try:
        monkey = Monkey.model_validate(chaos.get("monkey") or {}, strict=False)
        return effective(monkey, architecture["metadata"]["uid"])
    except ValidationError:
        return None


def _chaos(architecture: Object) -> ChaosStatus:
    return ChaosStatus.model_validate((architecture.get("status") or {}).get("chaos") or {}, strict=False)


def _observe(
    context: Context, architecture: Object, monkey: Monkey, tier: str, pods: list[Object] | None
) -> ObservedTier:
    key = key_of(architecture)
    labeled = context.cache.of_architecture(*key, ("Deployment",)).values()
    deployments = owned_by(labeled, architecture["metadata"]["uid"])
    taken = victims_of_others(context.cache.all("Fault"), (key[0], ""), None)
    victim = _chaos(architecture).victim
    return ObservedTier(
        tier,
        find_blocker(architecture, was_started(context, key)),
        desired_of(deployments, tier),
        pods,
        now_milli_text(),
        taken | context.claims.of_others(("Architecture", *key)),
        unsent=victim is not None and victim.uid in context.claims.unsent,
        refused=_refusal(context, monkey),
    )


def _refusal(context: Context, monkey: Monkey) -> str:
    allowed = context.settings.allow_delete
    return refusal("spec.chaos.monkey.method", monkey.method, allowed=allowed, instead="Evict")


async def _kill(context: Context, key: Key, monkey: Monkey, selected: SelectedVictim) -> str:
    """Kill the pod, count the kill, and collect the evidence; no other pod is killed meanwhile.

    Returns:
        Why the eviction was refused; empty if the pod was killed.
    """
    method = monkey.method or "Evict"
    collector = EvidenceCollector(context, key, method, [Victim(**selected.model_dump(), state="Planned")])
    (one,) = collector.evidence
    with collector.listening():
        await collector.begin()
        try:
            if not await _kill_pod(context, key[0], method, one):
                await _release(context, key, selected)
                return ""
        except Throttled as refusal:
            return str(refusal).rpartition(": ")[2] or "the eviction was refused"
        one.judge("Killed")
        if not await _count(context, key, selected):
            return ""
        context.metrics.count_kill("monkey", method, "Killed")
        while not collector.is_complete() and _current(context, key) is not None:
            await collector.wait()
        await asyncio.sleep(context.late_reports_s)
    await write_until_accepted(lambda: _write_evidence(context, key, one.recorded()))
    return ""


async def _kill_pod(context: Context, namespace: str, method: Method, one: Evidence) -> bool:
    """Evict or delete the pod; return False if it ended before this operator sent a request.

    If the pod is gone and an earlier request had no response, or an earlier operator recorded the victim,
    the monkey has killed it.

    Raises:
        Throttled: a disruption budget refuses the eviction.
        ClusterError: the API server does not answer.
    """
    victim, unsent = one.victim, context.claims.unsent
    was_unsent = victim.uid in unsent

    def before() -> None:
        unsent.discard(victim.uid)
        one.act(time.monotonic())

    grace_s = 0 if method == "Delete" else None
    request = KillRequest(namespace, victim.pod, victim.uid, method, grace_s)
    try:
        if await request.send(context.client, before):
            return True
    except Throttled:
        if was_unsent:
            unsent.add(victim.uid)
        raise
    unsent.discard(victim.uid)
    one.act(time.monotonic())
    return not was_unsent


async def _release(context: Context, key: Key, selected: SelectedVictim) -> None:
    """Forget a victim that another client ended, so that another one is drawn."""
    architecture = _current(context, key)
    recorded = _chaos(architecture).victim if architecture is not None else None
    if architecture is not None and recorded is not None and recorded.uid == selected.uid:
        await _write(context, architecture, {"victim": None}, ())


async def _wait_for_budget(context: Context, key: Key, refused: str) -> float:
    """Record why the kill is blocked, and return in how many seconds to retry."""
    architecture = _current(context, key)
    why = truncate(f"the eviction was refused: {refused}", 256)
    if architecture is not None and _chaos(architecture).waiting != why:
        await _write(context, architecture, {"waiting": why}, ())
    return BLOCKED_S


async def _write_evidence(context: Context, key: Key, victim: Victim) -> None:
    architecture = _current(context, key)
    if architecture is not None:
        await _write(context, architecture, with_evidence(_chaos(architecture), victim) or {}, ())


async def _count(context: Context, key: Key, selected: SelectedVictim) -> bool:
    """Count a kill; False if it was already counted or the Architecture is gone."""
    architecture = _current(context, key)
    monkey = _monkey(architecture) if architecture is not None else None
    if architecture is None or monkey is None:
        return False
    chaos = _chaos(architecture)
    if chaos.victim is None or chaos.victim.uid != selected.uid:
        return False
    written, event = count(monkey, chaos, selected, now_milli_text())
    await _write(context, architecture, written, (event,))
    return True


def _is_written(context: Context, key: Key, before: Object) -> bool:
    """Whether the status changed.

    It does not if the Architecture was just deleted, or if an older CRD has no `status.chaos`.
    """
    after = _current(context, key)
    return after is not None and _chaos(after) != _chaos(before)


async def _write(context: Context, architecture: Object, chaos: Object, events: Sequence[Emit]) -> None:
    if chaos:
        await context.executor.execute([SetStatus({"chaos": chaos}), *events], architecture)
