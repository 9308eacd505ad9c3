"""A work queue with unique keys, as in Kubernetes controllers.

A key that is added several times is processed once, and never by two workers at the same time. After it was
processed it rests for 0.1 s, so that a burst of events is processed together. A key whose processing fails is
requeued after 0.5 s, doubling to 60 s, with jitter, until it succeeds. A key is dropped without a word if the
process is about to stop, because it does not lead any more, or if the key's namespace is being deleted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Hashable
from random import Random
from typing import Generic, TypeVar

from spiko_operator.errors import NamespaceTerminating, NotLeader

FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 60.0
REST_S = 0.1
K = TypeVar("K", bound=Hashable)
log = logging.getLogger("spiko.operator")


class KeyedQueue(Generic[K]):
    """A queue of keys and its workers.

    Args:
        work: processes a key; returns in how many seconds to requeue it, or None.
        workers: number of keys processed at the same time.
        random: for jitter.
        rest_s: seconds between the end of one processing of a key and the start of the next.
    """

    def __init__(
        self,
        work: Callable[[K], Awaitable[float | None]],
        workers: int,
        random: Random,
        rest_s: float = REST_S,
    ) -> None:
        self._work, self._workers, self._random, self._rest_s = work, workers, random, rest_s
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        # Keys that wait for a worker, in the order of the queue, and keys in a worker: since when, seconds.
        self._queued: dict[K, float] = {}
        self._running: dict[K, float] = {}
        self._busy: set[K] = set()  # being processed, or at rest afterwards
        self._dirty: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}

    def add(self, key: K) -> None:
        """Queue a key; if it is being processed or at rest, it is processed once more afterwards."""
        if key in self._busy:
            self._dirty.add(key)
        elif key not in self._queued:
            self._queued[key] = time.monotonic()
            self._ready.put_nowait(key)

    def add_after(self, key: K, delay_s: float) -> None:
        """Queue a key after a delay; of two delays for a key, the earlier deadline wins."""
        loop = asyncio.get_running_loop()
        before = self._timers.get(key)
        if before is not None:
            if before.when() <= loop.time() + delay_s and not before.cancelled():
                return
            before.cancel()
        self._timers[key] = loop.call_later(delay_s, self._due, key)

    @property
    def depth(self) -> int:
        """The number of keys that wait for a worker; those in backoff do not."""
        return len(self._queued)

    def oldest_wait_s(self) -> float:
        """Return for how long the oldest of these keys waits, seconds; 0 if there is none."""
        return _age_s(self._queued)

    def longest_pass_s(self) -> float:
        """Return for how long the key that a worker took first is processed, seconds; 0 if there is none."""
        return _age_s(self._running)

    async def run(self) -> None:
        """Process keys until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._serve())

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _end_rest(self, key: K) -> None:
        self._busy.discard(key)
        if key in self._dirty:
            self._dirty.discard(key)
            self.add(key)

    async def _serve(self) -> None:
        while True:
            key = await self._ready.get()
            del self._queued[key]
            self._busy.add(key)
            self._running[key] = time.monotonic()
            try:
                requeue_s = await self._work(key)
            except (NotLeader, NamespaceTerminating):
                self._failures.pop(key, None)
            except Exception as error:  # the failure of one key must not stop the others
                delay_s = self._delay_s(key)
                log.warning(
                    "%s: %s; requeued after %.1f s", key, error, delay_s, exc_info=_is_unexpected(error)
                )
                self.add_after(key, delay_s)
            else:
                self._failures.pop(key, None)
                if requeue_s is not None:
                    self.add_after(key, requeue_s)
            finally:
                del self._running[key]
                asyncio.get_running_loop().call_later(self._rest_s, self._end_rest, key)

    def _delay_s(self, key: K) -> float:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        longest = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(failures - 1, 16))
        return longest * (0.5 + self._random.random() / 2)


def _age_s(since: dict[K, float]) -> float:
    """Return the age of the first entry, which is the oldest."""
    return time.monotonic() - next(iter(since.values())) if since else 0.0


def _is_unexpected(error: Exception) -> bool:
    """Whether to log a traceback: for errors that Spiko does not raise itself."""
    return not type(error).__module__.startswith("spiko_")
