"""Injects one Fault of any kind: records targets, acts on them one after another, and writes evidence.

All targets are in the status before the first act, and the state of a target is written before the next act.
An operator that starts in between continues with the targets that are still planned, until the deadline. If
the evidence was lost because the operator restarted, the status reports that.
"""

from __future__ import annotations

from spiko_operator.api.fault import FaultSpec
from spiko_operator.api.reasons import Reason
from spiko_operator.clock import now_text
from spiko_operator.context import Context
from spiko_operator.handlers.architecture import was_started
from spiko_operator.handlers.evidence_collector import write_until_accepted
from spiko_operator.handlers.fault_kind import FAULT_KINDS, FaultKind
from spiko_operator.plan.conditions import Observation
from spiko_operator.plan.faults.delete_right import refusal
from spiko_operator.plan.faults.fault_status import (
    ACCEPTED,
    FIRST_RETRY_S,
    Progress,
    StatusUpdate,
    ended,
    is_ended,
    kind_of,
    progress_of,
    read_spec,
    retry_s,
    seconds_left,
    started_at,
    waits_for_ready,
    write_status,
)
from spiko_operator.plan.objects import Key, Object, is_deleting, key_of


async def inject(context: Context, key: Key) -> float | None:
    """Inject one Fault, and collect its evidence.

    Returns:
        In how many seconds to requeue the key; None if the Fault has ended.

    Raises:
        ClusterError: the API server did not answer before the first act; the queue retries.
    """
    fault, holder = _current(context, key), ("Fault", *key)
    if fault is None or is_ended(fault):
        context.claims.release(holder)
        return None
    spec = read_spec(fault)
    if spec is None:
        text = "the spec does not follow the resource's schema; `spiko lint` reports where"
        update = StatusUpdate(
            (Observation(ACCEPTED, "False", Reason.INVALID, text), ended(Reason.INVALID, text)), summary=text
        )
        await _write(context, fault, update)
        return None
    kind = FAULT_KINDS[str(kind_of(spec))](context, fault, spec)
    if refused := _refusal(context, spec):
        context.claims.release(holder)
        await _refuse(context, fault, kind, refused)
        return None
    if context.cache.get("Architecture", key[0], spec.architecture) is None:
        return await _without_architecture(context, fault, spec, kind)
    if not kind.is_chosen():
        if _progress(context, fault) is Progress.STARTING:
            text = f"spec.architecture: {spec.architecture!r} was not Ready yet; the Fault begins when it is"
            why = Observation(ACCEPTED, "False", Reason.ARCHITECTURE_NOT_READY, text)
            return await _wait(context, fault, spec, why)
        return await _choose(context, fault, spec, kind)
    context.claims.release(holder)
    return await _run(context, fault, spec, kind)


def _current(context: Context, key: Key) -> Object | None:
    """Return the Fault as the cache has it; None once it was deleted."""
    fault = context.cache.get("Fault", *key)
    return None if fault is None or is_deleting(fault) else fault


async def _without_architecture(
    context: Context, fault: Object, spec: FaultSpec, kind: FaultKind
) -> float | None:
    namespace = fault["metadata"]["namespace"]
    text = (
        f"spec.architecture: {spec.architecture!r}: namespace {namespace!r} has no Architecture of this name"
    )
    if not kind.is_chosen():  # the creation of an Architecture queues its faults
        return await _wait(
            context, fault, spec, Observation(ACCEPTED, "False", Reason.ARCHITECTURE_NOT_FOUND, text)
        )
    await _end(context, fault, kind, Reason.ARCHITECTURE_GONE, text)
    return None


def _refusal(context: Context, spec: FaultSpec) -> str:
    """Return why this operator does not inject the Fault; empty if it does."""
    method = spec.kill.method if spec.kill is not None else None
    allowed = context.settings.allow_delete
    return refusal("spec.kill.method", method, allowed=allowed, instead="Evict or Crash")


async def _refuse(context: Context, fault: Object, kind: FaultKind, text: str) -> None:
    """End a Fault that needs a right which this operator, perhaps unlike an earlier one, does not have."""
    reason = Reason.DELETE_NOT_ALLOWED
    if kind.is_chosen():
        await _end(context, fault, kind, reason, text)
        return
    conditions = (Observation(ACCEPTED, "False", reason, text), ended(reason, text))
    await _write(context, fault, StatusUpdate(conditions, summary=text))


async def _end(context: Context, fault: Object, kind: FaultKind, reason: Reason, text: str) -> None:
    """End a Fault that may have acted on some of its targets."""
    so_far = kind.summarize(over=False)
    summary = f"{text}; {so_far.summary}" if so_far.summary else text
    conditions = (*so_far.conditions, ended(reason, summary))
    await _write(context, fault, StatusUpdate(conditions, so_far.targets, so_far.summary, so_far.events))


async def _wait(context: Context, fault: Object, spec: FaultSpec, why: Observation) -> float | None:
    """Report why there is no target yet; return when to retry, None after the deadline."""
    now = now_text()
    left_s = seconds_left(fault, _progress(context, fault), spec, now)
    conditions = (why,) if left_s > 0 else (why, ended(why.reason, why.message))
    await _write(context, fault, StatusUpdate(conditions, summary=why.message))
    return min(left_s, retry_s(fault, now)) if left_s > 0 else None


async def _choose(context: Context, fault: Object, spec: FaultSpec, kind: FaultKind) -> float | None:
    chosen = await kind.choose()
    if not isinstance(chosen, StatusUpdate):
        return await _wait(
            context, fault, spec, Observation(ACCEPTED, "False", chosen.reason, chosen.message)
        )
    await _write(context, fault, chosen)
    written = _current(context, key_of(fault))
    is_recorded = written is not None and FAULT_KINDS[str(kind_of(spec))](context, written, spec).is_chosen()
    return 0.0 if is_recorded else FIRST_RETRY_S  # not recorded if the Fault was just deleted


async def _run(context: Context, fault: Object, spec: FaultSpec, kind: FaultKind) -> float | None:
    """Act on the targets that are still planned, and collect the evidence."""
    async with kind.observing():
        while not kind.is_over():
            if not _exists(context, fault, spec):
                return 0.0
            metadata = fault["metadata"]
            current = context.cache.get("Fault", metadata["namespace"], metadata["name"]) or fault
            left_s = seconds_left(current, _progress(context, fault), spec, now_text())
            if await kind.act(left_s):
                await _write_until_accepted(context, fault, kind.summarize(over=False))
                continue
            await kind.observe()
    await _write_until_accepted(context, fault, kind.summarize(over=True))
    return None


def _exists(context: Context, fault: Object, spec: FaultSpec) -> bool:
    """Whether the Fault and its Architecture still exist: deleting one of them ends the Fault."""
    metadata = fault["metadata"]
    current = _current(context, (metadata["namespace"], metadata["name"]))
    if current is None or current["metadata"]["uid"] != metadata["uid"]:
        return False
    return context.cache.get("Architecture", metadata["namespace"], spec.architecture) is not None


def _progress(context: Context, fault: Object) -> Progress:
    """Return the progress of the Architecture that the Fault names."""
    namespace, name = fault["metadata"]["namespace"], str((fault.get("spec") or {}).get("architecture", ""))
    architecture = context.cache.get("Architecture", namespace, name)
    return progress_of(architecture, was_started(context, (namespace, name)), waits_for_ready(fault))


async def _write_until_accepted(context: Context, fault: Object, update: StatusUpdate) -> None:
    """Write the result of an act, and retry until it is accepted: only then may the next act follow."""
    await write_until_accepted(lambda: _write(context, fault, update))


async def _write(context: Context, fault: Object, update: StatusUpdate) -> None:
    """Write the status, based on the Fault in the cache, which has the operator's earlier writes."""
    metadata = fault["metadata"]
    current = context.cache.get("Fault", metadata["namespace"], metadata["name"])
    if current is None or current["metadata"]["uid"] != metadata["uid"]:
        return
    now, progress = now_text(), _progress(context, current)
    since = None if progress is Progress.MISSING else started_at(current, progress, now)
    await context.executor.execute(write_status(current, update, since, now), current)
