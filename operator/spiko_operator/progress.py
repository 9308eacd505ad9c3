"""Pure: whether the operator makes progress, for the probes of the kubelet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MISSED_LISTS = 3  # full lists that may be missed before the liveness probe fails
# A key may wait, and a pass may take, so long: the first pass of the largest Architecture has 5,000 writes, 8
# at once, so it takes that long if the API server needs a second for each.
LONGEST_WAIT_S = 600.0
Role = Literal["leader", "standby"]


@dataclass(frozen=True)
class Progress:
    """The progress of the operator at one moment. The defaults are those before it is connected.

    Args:
        listed: whether the first full list has succeeded, so that the caches are complete.
        list_age_s: seconds since the last full list; before the first, since the start.
        event_age_s: seconds since the last event of any watch; None before the first.
        queue_age_s: for how long the oldest Architecture waits for a worker, seconds. One in backoff does not
            wait. Faults and monkeys do not count, since a pass of theirs may wait for an hour.
        pass_age_s: for how long the longest reconcile pass in progress runs, seconds.
        role: None before the operator has one.
    """

    listed: bool = False
    list_age_s: float = 0.0
    event_age_s: float | None = None
    queue_age_s: float = 0.0
    pass_age_s: float = 0.0
    role: Role | None = None

    def page(self) -> dict[str, object]:
        """Return what the probes answer, ready for JSON."""
        return {
            "listed": self.listed,
            "role": self.role,
            "list_age_seconds": round(self.list_age_s, 3),
            "watch_age_seconds": None if self.event_age_s is None else round(self.event_age_s, 3),
            "queue_age_seconds": round(self.queue_age_s, 3),
            "pass_age_seconds": round(self.pass_age_s, 3),
        }


def find_stall(progress: Progress, resync_s: float) -> str | None:
    """Return why the operator makes no progress, or None.

    Before the first full list it makes progress: that list is retried for as long as it takes. A standby
    waits, and makes no lists and passes.

    Args:
        progress: of the operator.
        resync_s: seconds between full lists.

    >>> find_stall(Progress(listed=True, list_age_s=181.0), 60.0)
    'no full list for 181 s: the API server does not answer, or rejects the list'
    >>> find_stall(Progress(list_age_s=181.0), 60.0)
    """
    if not progress.listed or progress.role == "standby":
        return None
    if progress.list_age_s > MISSED_LISTS * resync_s:
        age = f"no full list for {progress.list_age_s:.0f} s"
        return f"{age}: the API server does not answer, or rejects the list"
    if progress.queue_age_s > LONGEST_WAIT_S:
        return f"an Architecture has waited for a worker for {progress.queue_age_s:.0f} s: the workers hang"
    if progress.pass_age_s > LONGEST_WAIT_S:
        return f"a reconcile pass has run for {progress.pass_age_s:.0f} s: its worker hangs"
    return None


def find_missing(progress: Progress) -> str | None:
    """Return what the operator lacks to begin its work, or None. A standby makes its first full list later.

    >>> find_missing(Progress(role="leader"))
    'the first full list has not succeeded yet'
    """
    if progress.role == "standby":
        return None
    if not progress.listed:
        return "the first full list has not succeeded yet"
    if progress.role is None:
        return "the operator is neither leader nor standby yet"
    return None
