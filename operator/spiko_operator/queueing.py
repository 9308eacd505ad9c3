"""A keyed queue: a key that is queued many times is worked on once, never twice at the same time, and later if it failed.

Failures are state: a key that failed comes again after 0.5 s doubling to 60 s, with jitter, for ever; success resets it. Nothing here is
specific to Kubernetes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from random import Random
from typing import Generic, TypeVar

FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 60.0
K = TypeVar("K", bound=Hashable)
log = logging.getLogger("spiko.operator")


class KeyedQueue(Generic[K]):
    """Keys in, one piece of work at a time per key.

    Args:
        work: called with a key; returns in how many seconds to come again, or None.
        workers: keys worked on at the same time.
        random: for jitter.
    """

    def __init__(self, work: Callable[[K], Awaitable[float | None]], workers: int, random: Random) -> None:
        self._work, self._workers, self._random = work, workers, random
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        self._queued: set[K] = set()
        self._busy: set[K] = set()
        self._dirty: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}

    def add(self, key: K) -> None:
        """Work on a key soon; if it is being worked on, once more afterwards."""
        if key in self._busy:
            self._dirty.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._ready.put_nowait(key)

    def add_after(self, key: K, delay_s: float) -> None:
        """Work on a key in a while; the earlier of two wishes counts."""
        loop = asyncio.get_running_loop()
        before = self._timers.get(key)
        if before is not None:
            if before.when() <= loop.time() + delay_s and not before.cancelled():
                return
            before.cancel()
        self._timers[key] = loop.call_later(delay_s, self._due, key)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._serve())

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

    async def _serve(self) -> None:
        while True:
            key = await self._ready.get()
            self._queued.discard(key)
            self._busy.add(key)
            try:
                again = await self._work(key)
            except Exception as error:  # a process's edge: one key's failure must not end the others
                delay_s = self._delay_s(key)
                log.warning("%s: %s; again in %.1f s", key, error, delay_s, exc_info=_unexpected(error))
                self.add_after(key, delay_s)
            else:
                self._failures.pop(key, None)
                if again is not None:
                    self.add_after(key, again)
            finally:
                self._busy.discard(key)
                if key in self._dirty:
                    self._dirty.discard(key)
                    self.add(key)

    def _delay_s(self, key: K) -> float:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        longest = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(failures - 1, 16))
        return longest * (0.5 + self._random.random() / 2)


def _unexpected(error: Exception) -> bool:
    """A traceback only for what is not ours."""
    return not type(error).__module__.startswith("spiko_")
