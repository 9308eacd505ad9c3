"""One Fault, of any kind: records its targets, acts on them one after another, and writes the evidence.

All targets are in the status before the first one is touched, and the state of one is written before the next one is touched. An
operator that starts in between continues with the targets that are still planned, until the deadline. Evidence that was lost with
the operator that collected it is reported as lost.
"""

from __future__ import annotations

from spiko_operator.api.fault import FaultSpec
from spiko_operator.clock import now_text
from spiko_operator.context import Context
from spiko_operator.handlers.evidence_collector import write_until_accepted
from spiko_operator.handlers.fault_kind import FAULT_KINDS, FaultKind
from spiko_operator.plan import names
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
    write_status,
)
from spiko_operator.plan.objects import Key, Object, is_deleting
from spiko_operator.plan.status import Observation


async def inject(context: Context, key: Key) -> float | None:
    """Bring one Fault to its end.

    Returns:
        In how many seconds to requeue the key; None if nothing is left to do.

    Raises:
        ClusterError: no target was touched in this call; the queue retries.
    """
    fault = _current(context, key)
    if fault is None or is_ended(fault):
        return None
    spec = read_spec(fault)
    if spec is None:
        text = "the spec does not follow the resource's schema; `spiko lint` reports where"
        update = StatusUpdate((Observation(ACCEPTED, "False", "Invalid", text), ended("Invalid", text)), summary=text)
        await _write(context, fault, update)
        return None
    kind = FAULT_KINDS[str(kind_of(spec))](context, fault, spec)
    if context.cache.get("Architecture", key[0], spec.architecture) is None:
        return await _without_architecture(context, fault, spec, kind)
    if not kind.is_chosen():
        return await _choose(context, fault, spec, kind)
    return await _run(context, fault, spec, kind)


def _current(context: Context, key: Key) -> Object | None:
    """Return the Fault as the cache has it; None once it was deleted."""
    fault = context.cache.get("Fault", *key)
    return None if fault is None or is_deleting(fault) else fault


async def _without_architecture(context: Context, fault: Object, spec: FaultSpec, kind: FaultKind) -> float | None:
    namespace = fault["metadata"]["namespace"]
    text = f"spec.architecture: {spec.architecture!r}: namespace {namespace!r} has no Architecture of this name"
    if not kind.is_chosen():  # an Architecture that is created wakes its faults
        return await _wait(context, fault, spec, Observation(ACCEPTED, "False", "ArchitectureNotFound", text))
    so_far = kind.summarize(over=False)
    summary = f"{text}; {so_far.summary}" if so_far.summary else text
    conditions = (*so_far.conditions, ended("ArchitectureGone", summary))
    await _write(context, fault, StatusUpdate(conditions, so_far.targets, so_far.summary, so_far.events))
    return None


async def _wait(context: Context, fault: Object, spec: FaultSpec, why: Observation) -> float | None:
    """Report that there is no target yet; returns when to look again, None once the deadline has passed."""
    now = now_text()
    left_s = seconds_left(fault, _progress(context, fault), spec, now)
    conditions = (why,) if left_s > 0 else (why, ended(why.reason, why.message))
    await _write(context, fault, StatusUpdate(conditions, {"victims": []}, why.message))
    return min(left_s, retry_s(fault, now)) if left_s > 0 else None


async def _choose(context: Context, fault: Object, spec: FaultSpec, kind: FaultKind) -> float | None:
    chosen = await kind.choose()
    if not isinstance(chosen, StatusUpdate):
        return await _wait(context, fault, spec, Observation(ACCEPTED, "False", chosen.reason, chosen.message))
    await _write(context, fault, chosen)
    written = _current(context, (fault["metadata"]["namespace"], fault["metadata"]["name"]))
    is_recorded = written is not None and FAULT_KINDS[str(kind_of(spec))](context, written, spec).is_chosen()
    return 0.0 if is_recorded else FIRST_RETRY_S  # the Fault may have been deleted a moment ago


async def _run(context: Context, fault: Object, spec: FaultSpec, kind: FaultKind) -> float | None:
    """Act on the targets that are still planned, and collect what comes of it."""
    async with kind.observing():
        while not kind.is_over():
            if not _stands(context, fault, spec):
                return 0.0
            current = context.cache.get("Fault", fault["metadata"]["namespace"], fault["metadata"]["name"]) or fault
            left_s = seconds_left(current, _progress(context, fault), spec, now_text())
            if await kind.act(left_s):
                await _write_surely(context, fault, kind.summarize(over=False))
                continue
            await kind.observe()
    await _write_surely(context, fault, kind.summarize(over=True))
    return None


def _stands(context: Context, fault: Object, spec: FaultSpec) -> bool:
    """Whether the Fault and its Architecture still exist: deleting either ends it."""
    metadata = fault["metadata"]
    current = _current(context, (metadata["namespace"], metadata["name"]))
    if current is None or current["metadata"]["uid"] != metadata["uid"]:
        return False
    return context.cache.get("Architecture", metadata["namespace"], spec.architecture) is not None


def _progress(context: Context, fault: Object) -> Progress:
    """What the cache has of the Architecture that the Fault names."""
    namespace, name = fault["metadata"]["namespace"], str((fault.get("spec") or {}).get("architecture", ""))
    state = context.cache.get("ConfigMap", namespace, names.state_name(name)) or {}
    return progress_of(context.cache.get("Architecture", namespace, name), state.get("data") or {})


async def _write_surely(context: Context, fault: Object, update: StatusUpdate) -> None:
    """Write what was done, however long it takes: no other target is touched before that."""
    await write_until_accepted(lambda: _write(context, fault, update))


async def _write(context: Context, fault: Object, update: StatusUpdate) -> None:
    """Write on top of the Fault in the cache: it has the operator's own earlier writes."""
    metadata = fault["metadata"]
    current = context.cache.get("Fault", metadata["namespace"], metadata["name"])
    if current is None or current["metadata"]["uid"] != metadata["uid"]:
        return
    now, progress = now_text(), _progress(context, current)
    since = None if progress is Progress.MISSING else started_at(current, progress, now)
    await context.executor.execute(write_status(current, update, since, now), current)
