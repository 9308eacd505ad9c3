"""The time now: in the format of Kubernetes, in UTC, and in seconds."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now_text() -> str:
    """Return the time in whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now_milli_text() -> str:
    """Return the time in milliseconds, so that rounding does not shorten the monkey's `minSeconds`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now_micro_text() -> str:
    """Return the time in microseconds, as in the MicroTime of a Lease."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def boottime_s() -> float:
    """Return the seconds since the machine started, including the time during which it was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
