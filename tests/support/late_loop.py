"""An event loop with a simulated clock, and one whose every pass takes long: a kubelet on a busy machine."""

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
