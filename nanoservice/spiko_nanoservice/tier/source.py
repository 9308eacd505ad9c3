"""Sends the requests of a denominator: an open loop that does not wait for replies. Its rate changes live.

Once it has begun, only a rate of 0 stops it: while no instance can be called, every request that is due
counts as an error `no_route` of the edge that it would have taken.

The time of a request, its root span and its deadline begin when the request was due: a source that was
stopped for a while shows the wait that its clients would have had. A request that is due for longer than
`LONGEST_LAG_S` or its deadline is not sent, and counted as that.

The mix is Spigo's, a third each: GET `why?`, which every store has from the start; GET `Why<q><q*q>` with q
from 0 to w-1; PUT of the w-th such key, after which w grows. `Why00` is never written, so the share of misses
falls as w grows. Source: spigo actors/denominator.
"""

from __future__ import annotations

import asyncio
import time
from random import Random

from spiko_nanoservice.tier.caller import LATE
from spiko_nanoservice.tier.due_times import SECOND_NS, DueTimes
from spiko_nanoservice.tier.request_context import Call, RequestContext
from spiko_nanoservice.tier.tier import Tier

# After a stall at most so much of the missed time is made up for.
LONGEST_LAG_S = 1.0
SHORTEST_SLEEP_S = 0.001
# The timers of uvloop count milliseconds and may fire early by as much; the request is then due already.
TIMER_TOLERANCE_NS = 1_000_000
# How often a source that holds back looks for a route.
LOOK_S = 0.01
# An architecture that does not become ready has traffic after this.
HOLD_BACK_S = 10.0


class Source:
    """Sends requests through a tier's routes.

    Args:
        tier: the denominator.
        random: draws the mix.

    Attributes:
        hold_back_s: the longest wait for an architecture that was never ready.
    """

    def __init__(self, tier: Tier, random: Random) -> None:
        self._tier, self._random = tier, random
        self._written = 1
        self._rate = 0
        self._started = False
        self._begun = False
        self.hold_back_s = HOLD_BACK_S
        self._hold_until: float | None = None
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def set_rate(self, per_second: int, started: bool) -> None:
        """Set the rate; 0 stops the source.

        In an architecture that was never ready, tiers may not see the tiers below them yet, so requests would
        count as errors. The first request therefore waits until the architecture was ready and there is a
        route, at most `hold_back_s` from the first of the two.

        Args:
            per_second: requests per second.
            started: whether the architecture was ever ready.
        """
        if (per_second, started) != (self._rate, self._started):
            self._rate, self._started = per_second, started
            self._changed.set()

    async def run(self) -> None:
        """Send until cancelled: request n of a rate is due n / rate seconds after the rate was set."""
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            rate = self._rate
            if rate == 0:
                await self._wait(None)
                continue
            if not self._begun and (left := self._held_back(loop.time())) > 0.0:
                await self._wait(min(left, LOOK_S))
                continue
            self._begun = True
            due = DueTimes(rate, time.perf_counter_ns())
            try:
                while not self._changed.is_set():
                    self._send_due(due)
                    left_ns = due.next_ns - time.perf_counter_ns()
                    await self._wait(max(SHORTEST_SLEEP_S, left_ns / SECOND_NS))
            finally:
                # The rate changed, or the pod stops, perhaps after a stall: what was due until now counts.
                self._send_due(due)

    def _send_due(self, due: DueTimes) -> None:
        """Send what is due, and count what is due for too long."""
        now_ns = time.perf_counter_ns()
        lag_ns = min(int(LONGEST_LAG_S * SECOND_NS), self._tier.config.deadline_ms * 1_000_000)
        too_late, times = due.take(now_ns + TIMER_TOLERANCE_NS, lag_ns + TIMER_TOLERANCE_NS)
        self._tier.counters.not_sent(too_late)
        for at_ns in times:
            self._send(min(at_ns, now_ns))

    def _held_back(self, now: float) -> float:
        """Return the seconds until the source begins in any case."""
        routed = self._tier.routes.has_route
        if routed and self._started:
            return 0.0
        if self._hold_until is None and (routed or self._started):
            self._hold_until = now + self.hold_back_s
        return self.hold_back_s if self._hold_until is None else self._hold_until - now

    async def _wait(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    def next_request(self) -> tuple[bytes, bytes, bytes]:
        """Return method, path and body of the next request of the mix."""
        kind = self._random.randrange(3)
        if kind == 0:
            return b"GET", b"/k/why%3F", b""
        if kind == 1:
            q = self._random.randrange(self._written)
            return b"GET", b"/k/Why%d%d" % (q, q * q), b""
        w = self._written
        self._written += 1
        return b"PUT", b"/k/Why%d%d" % (w, w * w), b"me"

    def _send(self, due_ns: int) -> None:
        tier = self._tier
        to = tier.routes.pick(self._random)
        if to is None:
            if (missed := tier.routes.pick_missing(self._random)) is not None:
                tier.counters.unrouted(*missed)
            return
        method, path, body = self.next_request()
        left_us = tier.config.deadline_ms * 1000
        context = RequestContext(method, path, body, due_ns, left_us, tier.tracer.originate())
        call = Call(context, to, method, path)
        task = asyncio.get_running_loop().create_task(self._call(call, due_ns))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _call(self, call: Call, due_ns: int) -> None:
        if await self._tier.caller.call(call, due_ns) is LATE:
            self._tier.counters.not_sent(1)

    @property
    def busy(self) -> int:
        """The number of requests that wait for their reply."""
        return len(self._tasks)

    async def finish(self, timeout_s: float) -> None:
        """Wait for the replies to the requests that were sent, at most `timeout_s`; call it after the end of
        `run`.
        """
        # A loop that was just cancelled sends what is due in its next step.
        await asyncio.sleep(0)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)
