"""Reads the figures of `/metrics` from the parts of the operator."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from spiko_operator.cluster.cache import Cache
from spiko_operator.eureka_links import Links
from spiko_operator.metrics import Figures
from spiko_operator.plan.conditions import ACCEPTED
from spiko_operator.plan.objects import condition
from spiko_operator.progress import Progress
from spiko_operator.queueing import KeyedQueue


class EventTimes:
    """When the last event of each kind of object came."""

    def __init__(self) -> None:
        self._started, self._last = time.monotonic(), dict[str, float]()

    def record(self, kind: str) -> None:
        """Take the time of an event."""
        self._last[kind] = time.monotonic()

    def age_s(self) -> float | None:
        """Return the seconds since the last event of any kind; None before the first."""
        return time.monotonic() - max(self._last.values()) if self._last else None

    def ages_s(self, kinds: Iterable[str]) -> dict[str, float]:
        """Return the seconds since the last event of each kind; before the first, since the start."""
        now_s = time.monotonic()
        return {kind: now_s - self._last.get(kind, self._started) for kind in kinds}


def read_figures(
    progress: Progress,
    queues: Mapping[str, KeyedQueue[Any]],
    event_ages_s: Mapping[str, float],
    cache: Cache,
    links: Links,
) -> Figures:
    """Return the figures of this moment.

    Args:
        progress: of the operator.
        queues: by kind of key.
        event_ages_s: seconds since the last event, by kind of object.
        cache: of the operator.
        links: to eurekas.
    """
    architectures = cache.all("Architecture")
    connected, wanted = links.count()
    return Figures(
        list_age_s=progress.list_age_s,
        leader=progress.role == "leader",
        queue_depths={kind: queue.depth for kind, queue in queues.items()},
        queue_ages_s={kind: queue.oldest_wait_s() for kind, queue in queues.items()},
        pass_ages_s={kind: queue.longest_pass_s() for kind, queue in queues.items()},
        event_ages_s=event_ages_s,
        cached=dict.fromkeys(event_ages_s, 0) | cache.count(),
        divergences=dict.fromkeys(event_ages_s, 0) | cache.divergences,
        rejected=sum(condition(body, ACCEPTED).get("status") == "False" for body in architectures),
        links={"connected": connected, "disconnected": wanted - connected},
        link_errors={"connection": links.failures, "unexpected": links.errors},
    )
