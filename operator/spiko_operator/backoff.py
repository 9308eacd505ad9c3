"""Pure: the pause between attempts, which doubles up to a limit."""

from __future__ import annotations


class Backoff:
    """Pauses between attempts.

    Args:
        first_s: the first pause, seconds.
        longest_s: the limit, seconds.

    >>> backoff = Backoff(0.5, 1.5)
    >>> [backoff.next_s() for _ in range(4)]
    [0.5, 1.0, 1.5, 1.5]
    """

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s, self._longest_s = first_s, longest_s
        self._pause_s = first_s

    def next_s(self) -> float:
        """Return the pause before the next attempt, seconds."""
        pause_s, self._pause_s = self._pause_s, min(self._longest_s, self._pause_s * 2)
        return pause_s

    def reset(self) -> None:
        """Start again with the first pause, after a success."""
        self._pause_s = self._first_s
