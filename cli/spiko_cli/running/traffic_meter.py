"""Adds up the reports of eurekas: the whole run for its report, the last seconds for its progress."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from spiko_cli.eurekas import Eurekas, Target, connected
from spiko_cli.metrics.aggregates import Aggregates
from spiko_cli.metrics.sliding_window import SlidingWindow
from spiko_cli.running.progress import Tick
from spiko_operator.cluster.client import Client

POLL_S = 0.1
QUIET_S, LATEST_QUIET_S = 2.5, 10.0  # pods report every second, and eurekas add up every second
SHOWN_S = 3


class TrafficMeter:
    """Counts the requests of a run.

    Args:
        sources: tiers in which requests begin.
    """

    def __init__(self, sources: frozenset[str]) -> None:
        self._sources = sources
        self.totals = Aggregates()
        self._window = SlidingWindow(SHOWN_S, zones=False)
        self._last_report = time.monotonic()
        # Total requests at the last ticks.
        self._counted: deque[tuple[float, int]] = deque(maxlen=SHOWN_S + 1)

    @asynccontextmanager
    async def collecting(self, client: Client, target: Target) -> AsyncIterator[str]:
        """Collect reports until the block ends.

        Yields:
            Which eurekas do not answer; empty if all do.

        Raises:
            ClusterError: no eureka answers.
        """
        async with connected(client, target) as eurekas:
            await eurekas.refresh()
            collecting = asyncio.create_task(self._collect(eurekas))
            try:
                await eurekas.wait_connected()
                yield eurekas.problem()
            finally:
                collecting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await collecting

    async def _collect(self, eurekas: Eurekas) -> None:
        async for second in eurekas.seconds():
            self._last_report = time.monotonic()
            self.totals.add(second)
            self._window.add(second, self._last_report)

    def errors(self) -> Counter[str]:
        """Return the sources' failed requests so far, by cause."""
        return self.totals.from_tiers(self._sources).errors.copy()

    def tick(self, elapsed_s: float, whole_s: float, pods: str) -> Tick:
        """Return what the progress shows now.

        Args:
            elapsed_s: since the traffic began.
            whole_s: of the run's traffic.
            pods: ready of all, as the status has it.
        """
        now = time.monotonic()
        recent, covered_s = self._window.aggregates(now), self._window.covered_s(now)
        name = ", ".join(sorted(self._sources)) or "no source"
        recent_row = recent.from_tiers(self._sources).row(name, covered_s)
        so_far = self.totals.from_tiers(self._sources).row(name, elapsed_s)
        if so_far.total:
            self._counted.append((elapsed_s, so_far.total))
            (earlier_s, earlier), *_ = self._counted
            # Reports lag behind by about as much at both ends of the span, so the difference is a fair rate.
            span_s = elapsed_s - earlier_s
            recent_row = replace(recent_row, rate=(so_far.total - earlier) / span_s if span_s else 0.0)
        return Tick(
            elapsed_s,
            whole_s,
            pods,
            recent_row,
            so_far,
            recent.edge_rows(covered_s),
            recent.tier_rows(covered_s),
        )

    async def wait_quiet(self) -> bool:
        """Wait until no reports come, so that callers' and callees' counts are of the same requests.

        Returns:
            False if reports still come after 10 s.
        """
        end = time.monotonic() + LATEST_QUIET_S
        self._last_report = time.monotonic()
        while time.monotonic() - self._last_report < QUIET_S:
            if time.monotonic() > end:
                return False
            await asyncio.sleep(POLL_S)
        return True
