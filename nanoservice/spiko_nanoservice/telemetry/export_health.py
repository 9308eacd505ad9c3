"""Pure: whether a pod's exports succeed, and what to log about that: one line for each change."""

from __future__ import annotations

# After a recovery, a failure is reported at the earliest this much later: a collector that fails now and then
# must not fill the log.
LEAST_PAUSE_S = 10.0
LONGEST_ERROR = 200  # characters


class ExportHealth:
    """The outcome of exports to one collector.

    Attributes:
        error: why exports fail; empty if they succeed, None before the first attempt.
    """

    def __init__(self) -> None:
        self.error: str | None = None
        self._latest: str | None = None
        self._recovered_at: float | None = None
        self._lost_before = 0

    def record(self, error: str, lost: int) -> None:
        """Note the outcome of an attempt.

        Args:
            error: why it failed; empty if the collector took all spans.
            lost: spans lost since the start of the pod.
        """
        self._latest = error[:LONGEST_ERROR]
        if not error and not self.error:
            self._lost_before = lost

    def settle(self, now: float, lost: int) -> str | None:
        """Take over the latest outcome and return what to log; None if nothing has changed.

        Call it after every attempt and once a second.

        Args:
            now: monotonic seconds.
            lost: spans lost since the start of the pod.
        """
        latest = self._latest
        if latest is None or (self.error is not None and bool(latest) == bool(self.error)):
            return None
        if latest:
            if self._recovered_at is not None and now - self._recovered_at < LEAST_PAUSE_S:
                return None
            self.error = latest
            return (
                f"exports fail: {latest}; attempts go on, and spans that do not fit in the queue are dropped"
            )
        first, self.error = self.error is None, ""
        if first:
            return None
        self._recovered_at = now
        meanwhile, self._lost_before = lost - self._lost_before, lost
        return f"exports succeed again; {meanwhile} spans were lost meanwhile"
