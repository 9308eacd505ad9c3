"""Pure: what a registry wants done after an event. `server.py` performs it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from spiko_nanoservice.contract import Hello
from spiko_nanoservice.messages import Message


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message to the pod of one session."""

    session: int
    message: Message


@dataclass(frozen=True, slots=True)
class Tell:
    """Send a message to the other eurekas of the region, or with `all_regions` to all other eurekas."""

    message: Message
    all_regions: bool = False


@dataclass(frozen=True, slots=True)
class Inform:
    """Send a message to every control connection: the operator and the command line."""

    message: Message


@dataclass(frozen=True, slots=True)
class Ask:
    """Probe the pods of a eureka whose connection ended.

    Those that do not answer are reported to `Registry.unanswered`.
    """

    peer: str
    hellos: tuple[Hello, ...]


Effect = Send | Tell | Inform | Ask


def dumps(message: Message) -> str:
    """Return a message as it goes over the wire."""
    return json.dumps(message, separators=(",", ":"))
