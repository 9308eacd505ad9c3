"""Errors of the console.

ConsoleError
└── OtlpError    a request that is no OTLP export; its status is what the sender is answered
"""

from __future__ import annotations


class ConsoleError(Exception):
    """Anything the console raises on purpose."""


class OtlpError(ConsoleError):
    """A request that is no OTLP export."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
