"""Carrying out what a role has decided: the calls of one step, and what their replies come to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from random import Random
from typing import Protocol

from spiko_nanoservice.contract import Instance, Reason
from spiko_nanoservice.exchange import Exchange
from spiko_nanoservice.http_client import Reply
from spiko_nanoservice.roles import NO_ROUTE, Again, Answer, Attempt, Copies, InOrder, Search, Spread, Step, Until

AWAY = frozenset({Reason.REFUSED, Reason.RESET, Reason.NO_OWNER})
SEARCH_US = 250_000  # who has just left may answer no more: nobody waits longer for it
PAUSES_S = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32)  # tables differ for milliseconds only
LATE = Reply(504, b"deadline passed\n", None, Reason.TIMEOUT)
Result = tuple[Reply, tuple[Attempt, ...]]


class Caller(Protocol):
    """What steps need of their tier."""

    async def forward(self, exchange: Exchange, parent_id: bytes) -> Reply:
        """Call one routed instance."""

    async def call(
        self,
        exchange: Exchange,
        to: Instance,
        method: bytes,
        path: bytes,
        parent_id: bytes,
        limit_us: int | None = None,
    ) -> Reply:
        """Call this instance."""

    def look_again(self, exchange: Exchange) -> Answer:
        """A search has found nothing."""

    def absent(self, id: str) -> None:
        """A search got no answer from it."""


async def carry_out(caller: Caller, exchange: Exchange, step: Step, random: Random) -> Result:
    """Make the calls of a step.

    Returns:
        The reply to the request, and the attempts that are due after it.

    """
    match step:
        case Answer():
            return _reply(step), ()
        case Spread(answer, attempts):
            return _reply(answer), attempts
        case InOrder():
            return await _in_order(caller, exchange, step, random)
        case Copies(attempts):
            return await _copy(caller, exchange, attempts, random), ()
        case Search(attempts):
            found = await _search(caller, exchange, attempts, random)
            return found or _reply(caller.look_again(exchange)), ()
        case Again():
            return Reply(503, b"moving\n", None, Reason.MOVING), ()
        case _:
            return await caller.forward(exchange, exchange.span_id), ()


async def make_all(
    caller: Caller, exchange: Exchange, attempts: Iterable[Attempt], random: Random, limit_us: int | None = None
) -> list[tuple[Instance, Reply]]:
    """Make all attempts at once."""
    drawn = [(to, attempt) for attempt in attempts if (to := attempt.among.draw(random)) is not None]
    replies = await asyncio.gather(*(_make(caller, exchange, attempt, to, limit_us) for to, attempt in drawn))
    return [(to, reply) for (to, _), reply in zip(drawn, replies, strict=True)]


async def _make(caller: Caller, exchange: Exchange, attempt: Attempt, to: Instance, limit_us: int | None) -> Reply:
    path = attempt.prefix + exchange.raw_key
    return await caller.call(exchange, to, attempt.method or exchange.method, path, exchange.span_id, limit_us)


async def _in_order(caller: Caller, exchange: Exchange, step: InOrder, random: Random) -> Result:
    missed = failed = None
    for number, attempt in enumerate(step.attempts, start=1):
        to = attempt.among.draw(random)
        if to is None:
            continue
        reply = await _make(caller, exchange, attempt, to, None)
        if reply.status == 200 or (step.until is Until.ANSWERED and reply.reason not in AWAY):
            kept = reply.status == 200
            rest = step.attempts[number:] if step.rest and kept else ()
            return reply, rest + step.then if kept or step.regardless else ()
        if exchange.left_us() <= 0:
            missed, failed = None, LATE
            break
        if reply.status == 404:
            missed = reply
        else:
            failed = reply
    late = failed if failed is LATE else None
    reply = late or missed or (_reply(step.otherwise) if step.otherwise else failed) or _reply(NO_ROUTE)
    return reply, step.then if step.regardless else ()


async def _copy(caller: Caller, exchange: Exchange, attempts: tuple[Attempt, ...], random: Random) -> Reply:
    replies = [reply for _, reply in await make_all(caller, exchange, attempts, random)]
    return next((r for r in replies if r.status == 200), replies[-1] if replies else _reply(NO_ROUTE))


async def _search(caller: Caller, exchange: Exchange, attempts: tuple[Attempt, ...], random: Random) -> Reply | None:
    found = None
    for to, reply in await make_all(caller, exchange, attempts, random, SEARCH_US):
        if reply.status == 200:
            found = found or reply
        elif reply.status != 404:
            caller.absent(to.id)
    return found


def _reply(answer: Answer) -> Reply:
    return Reply(answer.status, answer.body, None, answer.reason)
