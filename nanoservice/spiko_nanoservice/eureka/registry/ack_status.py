"""Pure: which configuration is active at one eureka, for how many pods, and how many of them act on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from spiko_nanoservice import messages as m
from spiko_nanoservice.contract import ANYWHERE, Configuration, Hello, Revision, encode
from spiko_nanoservice.eureka.registry.effects import Effect, Inform
from spiko_nanoservice.eureka.registry.sessions import Session
from spiko_nanoservice.eureka.registry.views import Views
from spiko_nanoservice.messages import Message

# Counting visits every session, so 1,000 acknowledgements must not cause 1,000 counts.
EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class AckCounts:
    """How many pods act on a configuration.

    Attributes:
        revision: the active configuration.
        pods: pods that are counted at this eureka: its own, and every pod that is behind.
        acked: those of `pods` that act on the configuration and route by the current table.
        complete: whether every other eureka of the region reports its entries here.
    """

    revision: Revision
    pods: int
    acked: int
    complete: bool


def count_acks(
    configuration: Configuration, region: str, sessions: Iterable[Session], views: Views
) -> tuple[int, int]:
    """Return how many pods are counted at this eureka, and how many of them act on the configuration.

    Args:
        configuration: the active configuration.
        region: the eureka's region.
        sessions: of the pods whose entry this eureka owns.
        views: the routing tables.
    """
    acked = behind = 0
    for session in sessions:
        if session.config_acked != configuration.revision or session.acked != views.of(session).revision:
            behind += 1
        elif is_counted_in(configuration, session.hello, region):
            acked += 1
    return acked + behind, acked


def is_counted_in(configuration: Configuration, hello: Hello, region: str) -> bool:
    """Return whether a region counts a pod.

    A pod that has registered in several regions counts in its own, or in the first one if it has none.
    """
    return hello.region == region or (hello.region == ANYWHERE and configuration.regions[0].region == region)


class AckStatus:
    """The counts that were reported last, and when the next count is due."""

    def __init__(self) -> None:
        self._counts: AckCounts | None = None
        self._stale_since: float | None = None

    @property
    def due(self) -> float | None:
        """When the pods must be counted again; None if nothing has changed since the last count."""
        return None if self._stale_since is None else self._stale_since + EVERY_S

    def update(self, now: float, count: Callable[[], AckCounts]) -> list[Effect]:
        """Note that an event may have changed the counts, and return the effects of counts that differ.

        The pods are counted at most every `EVERY_S`.
        """
        if self._stale_since is None:
            self._stale_since = now
        if now < self._stale_since + EVERY_S:
            return []
        self._stale_since = None
        before, self._counts = self._counts, count()
        return [Inform(self.message())] if self._counts != before else []

    def message(self) -> Message:
        """Return the counts that were reported last as a message."""
        counts = self._counts
        if counts is None:
            return {"t": m.PROGRAMMED, "revision": None, "pods": 0, "acked": 0, "complete": False}
        revision = encode(counts.revision)
        return {
            "t": m.PROGRAMMED,
            "revision": revision,
            "pods": counts.pods,
            "acked": counts.acked,
            "complete": counts.complete,
        }
