"""Pure: the last seconds of all eurekas, added up per edge and per tier."""

from __future__ import annotations

from collections import deque
from typing import Any

from spiko_cli.sums import Row, Sums


class Window:
    """A sliding window.

    Args:
        seconds: its length.
        zones: whether zones make edges of their own.
    """

    def __init__(self, seconds: int, zones: bool) -> None:
        self.seconds, self._zones = seconds, zones
        self._seen: deque[tuple[float, dict[str, Any]]] = deque()

    def add(self, second: dict[str, Any], now: float) -> None:
        """Take one eureka's second."""
        self._seen.append((now, second))

    def sums(self, now: float) -> Sums:
        """Everything in the window."""
        while self._seen and self._seen[0][0] < now - self.seconds:
            self._seen.popleft()
        sums = Sums(self._zones)
        for _, second in self._seen:
            sums.add(second)
        return sums

    def rows(self, now: float) -> tuple[list[Row], list[Row]]:
        """Edges as their callers see them, and tiers as they serve."""
        sums = self.sums(now)
        return sums.edge_rows(self.seconds), sums.tier_rows(self.seconds)
