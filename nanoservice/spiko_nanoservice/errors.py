"""Errors of the nanoservice.

NanoserviceError
├── SettingsError    the environment lacks or garbles something; ends the process with a message
├── CallError        a call to another tier failed; carries the reason that counters and replies use
└── LinkError        the link to a eureka broke or the other side does not follow the protocol
"""

from __future__ import annotations


class NanoserviceError(Exception):
    """Anything the nanoservice raises on purpose."""


class SettingsError(NanoserviceError):
    """The environment lacks or garbles something; the message names the variable, its value and what is allowed."""


class CallError(NanoserviceError):
    """A call failed before a complete reply came; `reason` is one of the Reason words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LinkError(NanoserviceError):
    """The link to a eureka broke."""
