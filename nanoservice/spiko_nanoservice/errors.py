"""Errors of the nanoservice.

NanoserviceError
├── SettingsError    a variable of the environment is missing or invalid; the process exits with the message
├── CallError        a call to another pod failed; carries the reason that counters and replies use
├── ExportError      spans could not be sent to the collector; the message says why and has no secret
└── LinkError        the connection to a eureka broke, or the other side violated the protocol
"""

from __future__ import annotations


class NanoserviceError(Exception):
    """Base of all errors that the nanoservice raises on purpose."""


class SettingsError(NanoserviceError):
    """A variable of the environment is missing or invalid.

    The message names the variable, its value and what is allowed.
    """


class CallError(NanoserviceError):
    """A call failed before a complete reply came.

    Args:
        reason: a `contract.Reason`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ExportError(NanoserviceError):
    """Spans could not be sent to the collector.

    The message becomes part of the status of the Architecture: it never has a header of the Secret.
    """


class LinkError(NanoserviceError):
    """The connection to a eureka broke, or the other side violated the protocol."""
