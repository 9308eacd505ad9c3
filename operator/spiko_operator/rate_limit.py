"""Pure: a limit of a rate for each of many keys, which allows bursts."""

from __future__ import annotations

from collections.abc import Hashable

MOST_KEYS = 10_000


class TokenBuckets:
    """A token bucket for each key.

    Args:
        burst: tokens of a full bucket.
        refill_s: seconds until one token is added.

    >>> buckets = TokenBuckets(2, 10.0)
    >>> [buckets.take("a", now) for now in (0.0, 1.0, 2.0, 11.0)], buckets.take("b", 2.0)
    ([True, True, False, True], True)
    """

    def __init__(self, burst: int, refill_s: float) -> None:
        self._burst, self._refill_s = burst, refill_s
        self._full_at: dict[Hashable, float] = {}  # when the bucket of a key is full again

    def take(self, key: Hashable, now: float) -> bool:
        """Take a token and return whether there was one; `now` is in seconds."""
        full_at = max(now, self._full_at.pop(key, now)) + self._refill_s
        if full_at - now > self._burst * self._refill_s:
            self._full_at[key] = full_at - self._refill_s
            return False
        self._full_at[key] = full_at
        if len(self._full_at) > MOST_KEYS:
            self._full_at = {key: at for key, at in self._full_at.items() if at > now}
        return True
