"""Pure: exponential back-off, the one definition for everything that retries."""

from __future__ import annotations


class Backoff:
    """Pauses that double.

    Args:
        first_s: the first pause, in seconds.
        longest_s: the upper bound of all pauses, in seconds.

    >>> backoff = Backoff(0.2, 1.0)
    >>> [backoff.next_s() for _ in range(4)]
    [0.2, 0.4, 0.8, 1.0]
    >>> backoff.reset()
    >>> backoff.next_s()
    0.2
    """

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s, self._longest_s = first_s, longest_s
        self._next_s = first_s

    def next_s(self) -> float:
        """Return the pause before the next attempt, and double the one after it."""
        pause_s = min(self._next_s, self._longest_s)
        self._next_s = min(self._longest_s, pause_s * 2)
        return pause_s

    def reset(self) -> None:
        """Start again with the first pause; call it after a success."""
        self._next_s = self._first_s
