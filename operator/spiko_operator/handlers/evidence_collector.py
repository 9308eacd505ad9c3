"""Collects the evidence of kills: eurekas report callers and failed calls, the API server shows which replacements are Ready.

Faults and the chaos monkey use it. Listening begins before the act, so no report of it is missed; while the API server does not
answer, no evidence is lost: it is asked again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

from spiko_operator.api.fault import Method, Victim
from spiko_operator.backoff import Backoff
from spiko_operator.context import Context
from spiko_operator.errors import ClusterError
from spiko_operator.handlers.architecture import eureka_urls
from spiko_operator.plan import names
from spiko_operator.plan.faults.evidence import Evidence, find_replacements
from spiko_operator.plan.objects import Key, Object

LOOK_S, SELDOM_S = 0.1, 0.5
LOOKING_SHARE = (
    4.0  # pauses per look: listing a tier of 1,000 pods takes long, and may take a fifth of the time at most
)
HEARING_S = 2.0
AWAY_S, MOST_AWAY_S = 0.5, 15.0
log = logging.getLogger("spiko.operator")


class EvidenceCollector:
    """The victims of one kill with their evidence.

    Args:
        context: the operator's.
        architecture: whose pods they are.
        method: the kill's.
        victims: as recorded.
    """

    def __init__(self, context: Context, architecture: Key, method: Method, victims: Sequence[Victim]) -> None:
        self._context, self._key, self._method = context, architecture, method
        self.evidence = [Evidence(victim) for victim in victims]
        self.pods: list[Object] = []
        self._before: frozenset[str] = frozenset()
        tiers = sorted({victim.tier for victim in victims})
        only = f",{names.TIER}={tiers[0]}" if len(tiers) == 1 and tiers[0] else ""
        self._labels = f"{names.ARCHITECTURE}={architecture[1]}{only}"

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the reports of eurekas on the victims while this context is open."""
        listeners = {one.victim.uid: _listener(one) for one in self.evidence}
        for uid, listener in listeners.items():
            self._context.links.follow(self._key, uid, listener)
        try:
            yield
        finally:
            for uid, listener in listeners.items():
                self._context.links.unfollow(self._key, uid, listener)

    async def begin(self) -> None:
        """List the pods before the act, and wait up to two seconds until every eureka has reported the victims' callers.

        Raises:
            ClusterError: the API server does not answer; no pod was touched.
        """
        await self._list()
        self._before = frozenset(pod["metadata"]["uid"] for pod in self.pods)
        end = time.monotonic() + HEARING_S
        while not self._has_heard_all() and time.monotonic() < end:  # noqa: ASYNC110  # connections come and go
            await asyncio.sleep(0.005)

    def _has_heard_all(self) -> bool:
        """Whether every eureka has reported: an operator that has just started is not connected to all of them yet."""
        there = len(eureka_urls(self._context, *self._key))
        return all(sum(count is not None for count in one.holders.values()) >= there for one in self.evidence)

    async def wait(self) -> None:
        """Look for replacements if one is awaited, and wait a moment; longer when the last act is long ago."""
        now_s = time.monotonic()
        awaited = [one.acted_s for one in self.evidence if one.acted_s is not None and one.replaced_ms is None]
        if awaited:
            await self.look()
        pause_s = LOOK_S if awaited and now_s < max(awaited) + 10.0 else SELDOM_S / 2
        await asyncio.sleep(max(pause_s, LOOKING_SHARE * (time.monotonic() - now_s)))

    async def look(self) -> bool:
        """Look for the pods that replace the victims; False if the API server does not answer."""
        try:
            await self._list()
        except ClusterError:
            return False  # the reports of eurekas must not be lost for it
        find_replacements(self.evidence, self._method, self._before, self.pods, time.monotonic())
        return True

    async def _list(self) -> None:
        self.pods = await self._context.client.list("Pod", self._key[0], self._labels)

    def is_complete(self) -> bool:
        """Whether the evidence of every killed pod is complete, but for late reports."""
        now_s = time.monotonic()
        return all(one.complete(now_s) for one in self.evidence if one.victim.state == "Killed" and one.acted_s)

    def victims(self) -> list[Victim]:
        """Return the victims with their evidence so far."""
        return [one.recorded() for one in self.evidence]


async def write_until_accepted(write: Callable[[], Awaitable[None]]) -> None:
    """Write what was done, and retry until the API server accepts it."""
    backoff = Backoff(AWAY_S, MOST_AWAY_S)
    while True:
        try:
            await write()
        except ClusterError as error:
            pause_s = backoff.next_s()
            log.warning("a kill is not recorded yet: %s; retrying in %.1f s", error, pause_s)
            await asyncio.sleep(pause_s)
        else:
            return


def _listener(one: Evidence) -> Callable[[Object], None]:
    return lambda message: one.hear(message, time.monotonic())
