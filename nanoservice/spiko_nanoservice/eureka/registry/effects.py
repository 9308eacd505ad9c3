"""Pure: what a registry wants said to whom; carried out by `server.py`."""

from __future__ import annotations

import json
from dataclasses import dataclass

from spiko_nanoservice.contract import Hello
from spiko_nanoservice.messages import Message


@dataclass(frozen=True, slots=True)
class Send:
    """To one pod."""

    session: int
    message: Message


@dataclass(frozen=True, slots=True)
class Tell:
    """To the other eurekas; those of other regions hear of configurations only."""

    message: Message
    all_regions: bool = False


@dataclass(frozen=True, slots=True)
class Inform:
    """To whoever follows from outside: operator, command line."""

    message: Message


@dataclass(frozen=True, slots=True)
class Ask:
    """Pods of a eureka that has vanished, whether they are there themselves: those that do not answer go to `Registry.unanswered`."""

    peer: str
    hellos: tuple[Hello, ...]


Effect = Send | Tell | Inform | Ask


def dumps(message: Message) -> str:
    """A message as it goes over the wire."""
    return json.dumps(message, separators=(",", ":"))
