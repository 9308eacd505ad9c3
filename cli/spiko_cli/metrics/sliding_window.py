"""Pure: the last seconds of all eurekas, added up per edge and per tier."""

from __future__ import annotations

from collections import deque

from spiko_cli.metrics.aggregates import Aggregates, Row
from spiko_local.objects import Object


class SlidingWindow:
    """A sliding window over one-second reports.

    Args:
        seconds: its length.
        zones: whether each pair of zones is an edge of its own.
    """

    def __init__(self, seconds: int, zones: bool) -> None:
        self.seconds, self._zones = seconds, zones
        self._reports: deque[tuple[float, Object]] = deque()
        self._first: float | None = None

    def add(self, second: Object, now: float) -> None:
        """Add one eureka's report.

        Args:
            second: the report.
            now: monotonic seconds, as in all methods.
        """
        if self._first is None:
            self._first = now
        self._reports.append((now, second))

    def aggregates(self, now: float) -> Aggregates:
        """Return all reports in the window, added up; older ones are dropped."""
        while self._reports and self._reports[0][0] < now - self.seconds:
            self._reports.popleft()
        found = Aggregates(self._zones)
        for _, second in self._reports:
            found.add(second)
        return found

    def covered_s(self, now: float) -> float:
        """Return how many seconds the window's reports cover.

        That is its length, or less while the first report is younger than that. The first report is of half a
        second, on average.

        >>> window = SlidingWindow(3, zones=False)
        >>> window.add({"edges": [], "served": []}, 10.0)
        >>> window.covered_s(10.0), window.covered_s(11.5), window.covered_s(20.0)
        (0.5, 2.0, 3.0)
        """
        return (
            float(self.seconds) if self._first is None else min(float(self.seconds), now - self._first + 0.5)
        )

    def rows(self, now: float) -> tuple[list[Row], list[Row]]:
        """Return rows of edges as their callers see them, and rows of tiers as they serve."""
        found, covered_s = self.aggregates(now), self.covered_s(now)
        return found.edge_rows(covered_s), found.tier_rows(covered_s)
