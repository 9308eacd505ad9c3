"""Pure: arithmetic on times in the format of Kubernetes: UTC, with or without a fraction."""

from __future__ import annotations

from datetime import UTC, datetime


def epoch_s(now: str) -> int:
    """Return whole seconds since the epoch.

    >>> epoch_s("1970-01-01T00:01:00Z")
    60
    """
    return int(datetime.fromisoformat(now).timestamp())


def span_s(since: str, until: str) -> float:
    """Return the seconds from one time to another; negative if `until` is earlier.

    >>> span_s("1970-01-01T00:01:00Z", "1970-01-01T00:01:07.250Z")
    7.25
    """
    return (datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds()


def later(since: str, seconds: float) -> str:
    """Return the time so many seconds later, rounded up to a whole second.

    >>> later("1970-01-01T00:01:00.9Z", 1.2)
    '1970-01-01T00:01:03Z'
    """
    end_s = -(-(datetime.fromisoformat(since).timestamp() + seconds) // 1)
    return datetime.fromtimestamp(end_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
