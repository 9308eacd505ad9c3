"""Pure: when the requests of an open loop are due, and which of them are too late to be sent."""

from __future__ import annotations

SECOND_NS = 1_000_000_000


class DueTimes:
    """The due times of one rate: request n is due n / rate seconds after the start.

    Every request is returned or counted once, however long the calls of `take` are apart.

    Args:
        per_second: the rate, at least 1.
        start_ns: when the first request is due, on any monotonic clock; the one of `take`.
    """

    def __init__(self, per_second: int, start_ns: int) -> None:
        self._rate, self._start_ns = per_second, start_ns
        self._next = 0

    @property
    def next_ns(self) -> int:
        """When the next request is due."""
        return self._due_ns(self._next)

    def take(self, now_ns: int, longest_lag_ns: int) -> tuple[int, list[int]]:
        """Return the requests that are due and were not taken before.

        >>> due = DueTimes(10, 0)
        >>> due.take(250_000_000, SECOND_NS)
        (0, [0, 100000000, 200000000])
        >>> due.take(600_000_000, 150_000_000)
        (2, [500000000, 600000000])

        Returns:
            How many are due for longer than `longest_lag_ns`, and the due times of the others.
        """
        end = self._count_until(now_ns)
        first_sent = max(self._next, min(end, self._count_until(now_ns - longest_lag_ns - 1)))
        too_late = first_sent - self._next
        self._next = max(self._next, end)
        return too_late, [self._due_ns(n) for n in range(first_sent, end)]

    def _due_ns(self, n: int) -> int:
        # Rounded up, so that no request is due before its time.
        return self._start_ns - (-n * SECOND_NS // self._rate)

    def _count_until(self, at_ns: int) -> int:
        """Return how many requests are due at or before a time."""
        elapsed_ns = at_ns - self._start_ns
        return elapsed_ns * self._rate // SECOND_NS + 1 if elapsed_ns >= 0 else 0
