"""Pure: what a rule of `spiko lint` has: a stable code, a severity and a remedy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """The operator rejects a manifest with an error, and accepts one with a warning."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Rule:
    """One thing that can be wrong with a manifest.

    Args:
        code: stable.
        reason: of the condition Accepted that reports a violation.
        severity: of a violation.
        meaning: what is wrong, for the reference page.
        remedy: how to fix it, for the reference page and for findings without a hint of their own.
    """

    code: str
    reason: str
    severity: Severity
    meaning: str
    remedy: str
