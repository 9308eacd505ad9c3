"""Event loops with a simulated clock, which a test moves, or which skips the time of waiting."""

from __future__ import annotations

import asyncio


class LateLoop(asyncio.SelectorEventLoop):
    """A loop whose clock moves only when a test, or a pass of the loop, moves it.

    Args:
        pass_s: simulated seconds that every pass takes.
    """

    def __init__(self, pass_s: float = 0.0) -> None:
        super().__init__()
        self.now, self.pass_s = 0.0, pass_s

    def time(self) -> float:
        """Return the simulated time."""
        return self.now

    def _run_once(self) -> None:
        self.now += self.pass_s
        self.call_soon(lambda: None)  # a pass does not wait in the selector for a timer of simulated time
        super()._run_once()  # type: ignore[misc]


class SkippingLoop(asyncio.SelectorEventLoop):
    """A loop whose simulated clock skips to the next timer when nothing is left to do: hours take seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def time(self) -> float:
        """Return the simulated time."""
        return self.now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.now = max(self.now, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]
