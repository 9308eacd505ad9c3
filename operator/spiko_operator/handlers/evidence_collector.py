"""Evidence of pods that are ended, as it comes in: eurekas are listened to, the API server is asked what is Ready again.

Used for Faults and by the monkey. Listening begins before the act, so that nothing of it is missed; an API server that is away in the middle
costs no evidence, it is asked again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from spiko_operator.api.fault import Method, Victim
from spiko_operator.context import Context
from spiko_operator.errors import ClusterError
from spiko_operator.eureka_links import Key
from spiko_operator.handlers.architecture import eureka_urls
from spiko_operator.plan import names
from spiko_operator.plan.faults.evidence import Evidence, find_replacements

Object = dict[str, Any]
LOOK_S, SELDOM_S = 0.1, 0.5
LOOKING_SHARE = 4.0  # looking at a tier of 1,000 pods takes its time, of which it gets a fifth at most
HEARING_S = 2.0
AWAY_S, MOST_AWAY_S = 0.5, 15.0
log = logging.getLogger("spiko.operator")


class Gathering:
    """What is known of some victims of one kill.

    Args:
        context: the operator's.
        architecture: whose pods they are.
        method: the kill's.
        victims: as written down.
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
        """Hear what eurekas tell of the victims, as long as this is open."""
        listeners = {one.victim.uid: _listener(one) for one in self.evidence}
        for uid, listener in listeners.items():
            self._context.links.follow(self._key, uid, listener)
        try:
            yield
        finally:
            for uid, listener in listeners.items():
                self._context.links.unfollow(self._key, uid, listener)

    async def begin(self) -> None:
        """See what is there before the act, and wait two seconds at most until every eureka has said who knows the victims.

        Raises:
            ClusterError: the API server does not say; nobody has been touched.
        """
        await self._list()
        self._before = frozenset(pod["metadata"]["uid"] for pod in self.pods)
        end = time.monotonic() + HEARING_S
        while not self._has_heard_all() and time.monotonic() < end:  # noqa: ASYNC110  # asked again and again: connections come and go
            await asyncio.sleep(0.005)

    def _has_heard_all(self) -> bool:
        """An operator that has just begun is not connected to all of them yet."""
        there = len(eureka_urls(self._context, *self._key))
        return all(sum(count is not None for count in one.holders.values()) >= there for one in self.evidence)

    async def wait(self) -> None:
        """Look, if somebody's replacement is awaited, and wait a moment; a longer one when the last act is long ago."""
        now_s = time.monotonic()
        awaited = [one.acted_s for one in self.evidence if one.acted_s is not None and one.replaced_ms is None]
        if awaited:
            await self.look()
        pause_s = LOOK_S if awaited and now_s < max(awaited) + 10.0 else SELDOM_S / 2
        await asyncio.sleep(max(pause_s, LOOKING_SHARE * (time.monotonic() - now_s)))

    async def look(self) -> bool:
        """See what is Ready in the victims' stead; whether the API server answered."""
        try:
            await self._list()
        except ClusterError:
            return False  # what eurekas tell must not be lost for it
        find_replacements(self.evidence, self._method, self._before, self.pods, time.monotonic())
        return True

    async def _list(self) -> None:
        self.pods = await self._context.client.list("Pod", self._key[0], self._labels)

    def is_complete(self) -> bool:
        """Whether of everybody who was ended all that will come has come, but late reports."""
        now_s = time.monotonic()
        return all(one.complete(now_s) for one in self.evidence if one.victim.state == "Killed" and one.acted_s)

    def written(self) -> list[Victim]:
        """The victims with their evidence so far."""
        return [one.written() for one in self.evidence]


async def surely(write: Callable[[], Awaitable[None]]) -> None:
    """Write what was done, and the evidence of it, again and again until the API server takes it."""
    pause_s = AWAY_S
    while True:
        try:
            await write()
        except ClusterError as error:
            log.warning("what was done is not written yet: %s; again in %.1f s", error, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(MOST_AWAY_S, pause_s * 2)
        else:
            return


def _listener(one: Evidence) -> Callable[[Object], None]:
    return lambda message: one.hear(message, time.monotonic())
