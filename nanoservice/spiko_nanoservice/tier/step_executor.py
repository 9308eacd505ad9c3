"""Executes the step that a role decided: makes its calls and combines their replies."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from random import Random
from typing import Protocol

from spiko_nanoservice.contract import Instance, Reason
from spiko_nanoservice.roles import (
    NO_ROUTE,
    Again,
    Answer,
    Attempt,
    Copies,
    InOrder,
    Search,
    Spread,
    Step,
    Until,
)
from spiko_nanoservice.tier.caller import LATE
from spiko_nanoservice.tier.request_context import Call, RequestContext
from spiko_nanoservice.wire.http_client import Reply

UNREACHABLE = frozenset({Reason.REFUSED, Reason.RESET, Reason.NO_OWNER})
# The limit of one attempt of a search: a node that has just left may not answer any more.
SEARCH_US = 250_000
# Pauses before a decision is repeated; routing tables differ for milliseconds only.
PAUSES_S = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32)
Result = tuple[Reply, tuple[Attempt, ...]]
"""The reply to the request, and the attempts to make after it."""


class StepTier(Protocol):
    """The tier, as the execution of a step sees it."""

    async def forward(self, context: RequestContext) -> Reply:
        """Forward the request to one routed instance."""

    async def call(self, call: Call) -> Reply:
        """Make one call."""

    def look_again(self, context: RequestContext) -> Answer:
        """Answer after a search that found nothing."""

    def report_unreachable(self, id: str) -> None:
        """Note that a pod did not answer a search."""


async def execute(tier: StepTier, context: RequestContext, step: Step, random: Random) -> Result:
    """Make the calls of a step and return the reply, with the attempts to make after it."""
    match step:
        case Answer():
            return _reply(step), ()
        case Spread(answer, attempts):
            return _reply(answer), attempts
        case InOrder():
            return await _in_order(tier, context, step, random)
        case Copies(attempts):
            return await _copy(tier, context, attempts, random), ()
        case Search(attempts):
            found = await _search(tier, context, attempts, random)
            return found or _reply(tier.look_again(context)), ()
        case Again():
            return Reply(503, b"moving\n", None, Reason.MOVING), ()
        case _:
            return await tier.forward(context), ()


async def make_all(
    tier: StepTier,
    context: RequestContext,
    attempts: Iterable[Attempt],
    random: Random,
    limit_us: int | None = None,
) -> list[tuple[Instance, Reply]]:
    """Make all attempts at once and return the instance and the reply of each."""
    drawn = [(to, attempt) for attempt in attempts if (to := attempt.among.draw(random)) is not None]
    replies = await asyncio.gather(*(_make(tier, context, attempt, to, limit_us) for to, attempt in drawn))
    return [(to, reply) for (to, _), reply in zip(drawn, replies, strict=True)]


async def _make(
    tier: StepTier, context: RequestContext, attempt: Attempt, to: Instance, limit_us: int | None
) -> Reply:
    path = attempt.prefix + context.raw_key
    return await tier.call(Call(context, to, attempt.method or context.method, path, limit_us))


async def _in_order(tier: StepTier, context: RequestContext, step: InOrder, random: Random) -> Result:
    missed = failed = None
    for number, attempt in enumerate(step.attempts, start=1):
        to = attempt.among.draw(random)
        if to is None:
            continue
        reply = await _make(tier, context, attempt, to, None)
        if reply.status == 200 or (step.until is Until.ANSWERED and reply.reason not in UNREACHABLE):
            kept = reply.status == 200
            rest = step.attempts[number:] if step.rest and kept else ()
            return reply, rest + step.then if kept or step.regardless else ()
        if context.left_us() <= 0:
            missed, failed = None, LATE
            break
        if reply.status == 404:
            missed = reply
        else:
            failed = reply
    late = failed if failed is LATE else None
    reply = late or missed or (_reply(step.otherwise) if step.otherwise else failed) or _reply(NO_ROUTE)
    return reply, step.then if step.regardless else ()


async def _copy(
    tier: StepTier, context: RequestContext, attempts: tuple[Attempt, ...], random: Random
) -> Reply:
    replies = [reply for _, reply in await make_all(tier, context, attempts, random)]
    return next((r for r in replies if r.status == 200), replies[-1] if replies else _reply(NO_ROUTE))


async def _search(
    tier: StepTier, context: RequestContext, attempts: tuple[Attempt, ...], random: Random
) -> Reply | None:
    found = None
    for to, reply in await make_all(tier, context, attempts, random, SEARCH_US):
        if reply.status == 200:
            found = found or reply
        elif reply.status != 404:
            tier.report_unreachable(to.id)
    return found


def _reply(answer: Answer) -> Reply:
    return Reply(answer.status, answer.body, None, answer.reason)
