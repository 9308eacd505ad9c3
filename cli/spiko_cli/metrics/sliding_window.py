"""Pure: the last seconds of all eurekas, added up per edge and per tier."""

from __future__ import annotations

from collections import deque
from typing import Any

from spiko_cli.metrics.aggregates import Row, Sums


class Window:
    """A sliding window.

    Args:
        seconds: its length.
        zones: whether zones make edges of their own.
    """

    def __init__(self, seconds: int, zones: bool) -> None:
        self.seconds, self._zones = seconds, zones
        self._seen: deque[tuple[float, dict[str, Any]]] = deque()
        self._first: float | None = None

    def add(self, second: dict[str, Any], now: float) -> None:
        """Take one eureka's second."""
        if self._first is None:
            self._first = now
        self._seen.append((now, second))

    def sums(self, now: float) -> Sums:
        """Everything in the window."""
        while self._seen and self._seen[0][0] < now - self.seconds:
            self._seen.popleft()
        sums = Sums(self._zones)
        for _, second in self._seen:
            sums.add(second)
        return sums

    def covered_s(self, now: float) -> float:
        """How many seconds the sums are of: the window's length, less until so much time has been heard of. What is heard first is of half a second, on average.

        >>> window = Window(3, zones=False)
        >>> window.add({"edges": [], "served": []}, 10.0)
        >>> window.covered_s(10.0), window.covered_s(11.5), window.covered_s(20.0)
        (0.5, 2.0, 3.0)
        """
        return float(self.seconds) if self._first is None else min(float(self.seconds), now - self._first + 0.5)

    def rows(self, now: float) -> tuple[list[Row], list[Row]]:
        """Edges as their callers see them, and tiers as they serve."""
        sums, covered_s = self.sums(now), self.covered_s(now)
        return sums.edge_rows(covered_s), sums.tier_rows(covered_s)
