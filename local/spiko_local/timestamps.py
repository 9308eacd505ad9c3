"""Times as the Kubernetes API writes them: RFC 3339 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def now_text() -> str:
    """Return the current time in whole seconds: metav1.Time."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now_micro_text() -> str:
    """Return the current time in microseconds: metav1.MicroTime."""
    return micro_text(datetime.now(UTC))


def micro_text(moment: datetime) -> str:
    """Return a time in microseconds: metav1.MicroTime.

    Args:
        moment: in UTC.

    >>> micro_text(datetime(2026, 1, 1, tzinfo=UTC))
    '2026-01-01T00:00:00.000000Z'
    """
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
