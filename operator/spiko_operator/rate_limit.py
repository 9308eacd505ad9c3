"""Pure: a token bucket, which limits a rate and allows bursts."""

from __future__ import annotations


class TokenBucket:
    """Tokens that are taken one by one, and come back at a constant rate.

    Args:
        per_second: tokens that come back per second.
        burst: tokens that the bucket holds at most, and at first.
        now_s: monotonic seconds.

    >>> bucket = TokenBucket(1.0, 2.0, now_s=0.0)
    >>> [bucket.take(at) for at in (0.0, 0.0, 0.0, 1.5)]
    [True, True, False, True]
    """

    def __init__(self, per_second: float, burst: float, now_s: float) -> None:
        self._per_second, self._burst = per_second, burst
        self._tokens, self._at_s = burst, now_s

    def take(self, now_s: float) -> bool:
        """Take one token; return False if there is none."""
        self._tokens = min(self._burst, self._tokens + (now_s - self._at_s) * self._per_second)
        self._at_s = now_s
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
