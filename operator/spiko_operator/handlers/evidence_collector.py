"""Collects the evidence of kills: eurekas report callers and failed calls, the API server shows replacements.

Faults and the chaos monkey use it. The operator subscribes to reports before the kill, so that it misses
none. If the API server does not answer, the pods are listed again, and no evidence is lost.
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
from spiko_operator.handlers.architecture import eureka_pods
from spiko_operator.plan import names
from spiko_operator.plan.faults.evidence import Evidence, find_replacements
from spiko_operator.plan.objects import Key, Object

LIST_S, SLOW_LIST_S = 0.1, 0.25  # pause between two lists of pods, soon and long after the last kill
SOON_S = 10.0
# Pause after a list, as a multiple of its duration: listing a tier of 1,000 pods is slow, and must take at
# most a fifth of the time.
PAUSES_PER_LIST = 4.0
REPORTS_S = 2.0  # how long to wait for the reports of all eurekas before the kill
FIRST_RETRY_S, LONGEST_RETRY_S = 0.5, 15.0
log = logging.getLogger("spiko.operator")


class EvidenceCollector:
    """The victims of one kill with their evidence.

    Args:
        context: of the operator.
        architecture: key of the victims' Architecture.
        method: of the kill.
        victims: as recorded.
    """

    def __init__(
        self, context: Context, architecture: Key, method: Method, victims: Sequence[Victim]
    ) -> None:
        self._context, self._key, self._method = context, architecture, method
        self.evidence = [Evidence(victim) for victim in victims]
        self.pods: list[Object] = []
        self._before: frozenset[str] = frozenset()
        tiers = sorted({victim.tier for victim in victims})
        only = f",{names.TIER}={tiers[0]}" if len(tiers) == 1 and tiers[0] else ""
        self._labels = f"{names.ARCHITECTURE}={architecture[1]}{only}"

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Subscribe to the reports of eurekas about the victims for the duration of the context."""
        listeners = {one.victim.uid: _listener(one) for one in self.evidence}
        for uid, listener in listeners.items():
            self._context.links.follow(self._key, uid, listener)
        try:
            yield
        finally:
            for uid, listener in listeners.items():
                self._context.links.unfollow(self._key, uid, listener)

    async def begin(self) -> None:
        """List the pods before the kill, and wait up to 2 s for the reports of all eurekas.

        Raises:
            ClusterError: the API server does not answer; no pod was killed.
        """
        await self._list()
        self._before = frozenset(pod["metadata"]["uid"] for pod in self.pods)
        end = time.monotonic() + REPORTS_S
        while not self._has_all_reports() and time.monotonic() < end:  # noqa: ASYNC110  # connections come and go
            await asyncio.sleep(0.005)

    def _has_all_reports(self) -> bool:
        """Whether every eureka has reported.

        An operator that just started is not connected to all of them.
        """
        eurekas = len(eureka_pods(self._context, *self._key))
        return all(
            sum(count is not None for count in one.holders.values()) >= eurekas for one in self.evidence
        )

    async def wait(self) -> None:
        """List the pods if a replacement is missing, and wait; longer if the last kill was long ago."""
        now_s = time.monotonic()
        missing = [
            one.acted_s for one in self.evidence if one.acted_s is not None and one.replaced_ms is None
        ]
        if missing:
            await self.look()
        pause_s = LIST_S if missing and now_s < max(missing) + SOON_S else SLOW_LIST_S
        await asyncio.sleep(max(pause_s, PAUSES_PER_LIST * (time.monotonic() - now_s)))

    async def look(self) -> bool:
        """List the pods and find the replacements of the victims; False if the API server does not answer."""
        try:
            await self._list()
        except ClusterError:
            return False  # the subscription to reports must continue
        find_replacements(self.evidence, self._method, self._before, self.pods, time.monotonic())
        return True

    async def _list(self) -> None:
        self.pods = await self._context.client.list("Pod", self._key[0], self._labels)

    def is_complete(self) -> bool:
        """Whether the evidence of every killed pod is complete, except for late reports."""
        now_s = time.monotonic()
        return all(
            one.complete(now_s) for one in self.evidence if one.victim.state == "Killed" and one.acted_s
        )

    def victims(self) -> list[Victim]:
        """Return the victims with their evidence so far."""
        return [one.recorded() for one in self.evidence]


async def write_until_accepted(write: Callable[[], Awaitable[None]]) -> None:
    """Write the record of a kill, and retry until the API server accepts it."""
    backoff = Backoff(FIRST_RETRY_S, LONGEST_RETRY_S)
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
    return lambda message: one.receive(message, time.monotonic())
