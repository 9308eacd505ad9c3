"""The time now, in the format of Kubernetes, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def now_text() -> str:
    """Return the time in whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now_milli_text() -> str:
    """Return the time in milliseconds, so that rounding does not shorten the monkey's `minSeconds`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
