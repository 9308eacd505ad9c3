"""The time as Kubernetes writes it."""

from __future__ import annotations

from datetime import UTC, datetime


def now_text() -> str:
    """UTC, whole seconds: metav1.Time."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now_micro_text() -> str:
    """UTC, microseconds: metav1.MicroTime."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
