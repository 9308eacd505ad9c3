"""Errors of the console.

ConsoleError
└── OtlpError    a request that is not an OTLP export, with the HTTP status of the answer
"""

from __future__ import annotations


class ConsoleError(Exception):
    """Base class of all errors of the console."""


class OtlpError(ConsoleError):
    """A request that is not an OTLP export; `status` is the HTTP status of the answer."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
