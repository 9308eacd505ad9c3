"""Pure: counts since the start of a pod, for `/metrics`. They are updated once a second, not per request."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import Protocol

BOUNDS_US = (
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000,
    100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000,
)  # fmt: skip
# Other pods choose the reasons, so the number of label values needs a limit.
MOST_REASONS = 32
OTHER = "other"


class Interval(Protocol):
    """Counts since the last report; the first `folded` values of `response` are in a `Cumulative` already."""

    ok: int
    miss: int
    errors: dict[str, int]
    response: array[int]
    folded: int
    not_sent: int


class Cumulative:
    """Outcomes, and latencies up to each bound (cumulative, as Prometheus counts them)."""

    __slots__ = ("buckets", "errors", "miss", "not_sent", "ok", "sum_us", "timed")

    def __init__(self) -> None:
        self.ok = 0
        self.miss = 0
        self.not_sent = 0
        self.errors: dict[str, int] = {}
        self.buckets = [0] * len(BOUNDS_US)
        self.sum_us = 0
        self.timed = 0

    def count(self, interval: Interval) -> None:
        """Add an interval's outcomes; call it once for each interval."""
        self.ok += interval.ok
        self.miss += interval.miss
        self.not_sent += interval.not_sent
        for reason, count in interval.errors.items():
            kept = reason if reason in self.errors or len(self.errors) < MOST_REASONS else OTHER
            self.errors[kept] = self.errors.get(kept, 0) + count

    def time(self, interval: Interval) -> None:
        """Add the latencies that the interval got since the last call; call it any number of times."""
        values = sorted(interval.response[interval.folded :])
        interval.folded += len(values)
        if values:
            self.buckets = [
                n + bisect_right(values, bound) for n, bound in zip(self.buckets, BOUNDS_US, strict=True)
            ]
            self.sum_us += sum(values)
            self.timed += len(values)

    def with_pending(self, interval: Interval) -> Cumulative:
        """Return a copy that includes an interval that is not over.

        The latencies of the interval are added to this object, its outcomes to the copy only.
        """
        self.time(interval)
        made = Cumulative()
        made.ok, made.miss, made.errors = self.ok, self.miss, dict(self.errors)
        made.not_sent = self.not_sent
        made.buckets, made.sum_us, made.timed = self.buckets, self.sum_us, self.timed
        made.count(interval)
        return made
