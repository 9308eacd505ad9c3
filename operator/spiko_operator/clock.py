"""The clock as Kubernetes writes it, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def now_text() -> str:
    """The time in whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now_milli_text() -> str:
    """The time to the millisecond: a gap of the monkey's `minSeconds` is not shortened by rounding."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
