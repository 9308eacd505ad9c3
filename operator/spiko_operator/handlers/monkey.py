"""The monkey of one Architecture: asks `plan/monkey.py` what is next, and does it. Its whole memory is in the status.

It writes `status.chaos` and nothing else; `handlers/architecture.py` writes the rest and leaves that alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from spiko_operator.api.architecture import ChaosStatus, Condemned, Monkey
from spiko_operator.api.fault import Victim
from spiko_operator.clock import now_milli_text
from spiko_operator.context import Context
from spiko_operator.eureka_links import Key
from spiko_operator.handlers.evidence_collector import Gathering, surely
from spiko_operator.plan import names
from spiko_operator.plan.actions import Emit, SetStatus
from spiko_operator.plan.faults.monkey import Sight, count, desired_of, find_blocker, plan_monkey, with_evidence

Object = dict[str, Any]
NOT_TAKEN_S = 10.0


async def visit(context: Context, key: Key) -> float | None:
    """Do what the monkey does next; returns in how many seconds to come again, or None.

    Raises:
        ClusterError: the queue comes again, and the status says where it stands.
    """
    pods: list[Object] | None = None
    while (architecture := _current(context, key)) is not None and (monkey := _monkey(architecture)) is not None:
        chaos = _chaos(architecture)
        tier = chaos.victim.tier if chaos.victim is not None else str(architecture["spec"].get("victim", ""))
        next_ = plan_monkey(monkey, chaos, _see(context, key, architecture, tier, pods))
        if next_.look:
            selector = f"{names.ARCHITECTURE}={key[1]},{names.TIER}={tier}"
            pods = await context.client.list("Pod", key[0], selector)
            continue
        if next_.chaos is not None:
            await _write(context, architecture, next_.chaos, next_.events)
            if not _is_written(context, key, architecture):
                return NOT_TAKEN_S
        if next_.kill is not None:
            await _end(context, key, next_.kill)
            pods = None
            continue
        if next_.after_s != 0.0:
            return next_.after_s
    return None


def _current(context: Context, key: Key) -> Object | None:
    architecture = context.cache.get("Architecture", *key)
    return None if architecture is None or architecture["metadata"].get("deletionTimestamp") else architecture


def _monkey(architecture: Object) -> Monkey | None:
    """The wish; None if it does not follow the schema. A spec of a thousand services is not read for it."""
    chaos = architecture["spec"].get("chaos") or {}
    try:
        return Monkey.model_validate(chaos.get("monkey") or {}, strict=False)
    except ValidationError:
        return None


def _chaos(architecture: Object) -> ChaosStatus:
    return ChaosStatus.model_validate((architecture.get("status") or {}).get("chaos") or {}, strict=False)


def _see(context: Context, key: Key, architecture: Object, tier: str, pods: list[Object] | None) -> Sight:
    deployments = context.cache.of_architecture(*key, ("Deployment",)).values()
    state = context.cache.get("ConfigMap", key[0], names.state_name(key[1]))
    return Sight(tier, find_blocker(architecture, state), desired_of(deployments, tier), pods, now_milli_text())


async def _end(context: Context, key: Key, condemned: Condemned) -> None:
    """End the pod, count it, and wait for what comes of it: nobody else is ended meanwhile."""
    gathering = Gathering(context, key, "Delete", [Victim(**condemned.model_dump(), state="Planned")])
    (one,) = gathering.evidence
    with gathering.listening():
        await gathering.begin()
        one.act(time.monotonic())
        await context.client.delete("Pod", key[0], condemned.pod, condemned.uid, 0)
        one.judge("Killed")
        if not await _count(context, key, condemned):
            return
        while not gathering.is_complete() and _current(context, key) is not None:
            await gathering.wait()
        await asyncio.sleep(context.late_reports_s)
    await surely(lambda: _write_evidence(context, key, one.written()))


async def _write_evidence(context: Context, key: Key, victim: Victim) -> None:
    architecture = _current(context, key)
    if architecture is not None:
        await _write(context, architecture, with_evidence(_chaos(architecture), victim) or {}, ())


async def _count(context: Context, key: Key, condemned: Condemned) -> bool:
    """Count a kill; whether it was not counted before, and the Architecture is there."""
    architecture = _current(context, key)
    monkey = _monkey(architecture) if architecture is not None else None
    if architecture is None or monkey is None:
        return False
    chaos = _chaos(architecture)
    if chaos.victim is None or chaos.victim.uid != condemned.uid:
        return False
    written, event = count(monkey, chaos, condemned, now_milli_text())
    await _write(context, architecture, written, (event,))
    return True


def _is_written(context: Context, key: Key, before: Object) -> bool:
    """Whether the status is another now: not if the Architecture has just gone, or its CRD is older than `status.chaos`."""
    after = _current(context, key)
    return after is not None and _chaos(after) != _chaos(before)


async def _write(context: Context, architecture: Object, chaos: Object, events: Sequence[Emit]) -> None:
    if chaos:
        await context.executor.carry_out([SetStatus({"chaos": chaos}), *events], architecture)
