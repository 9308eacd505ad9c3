"""Pure: what a tier does with a request. One small interface, one file per family of packages.

A role looks at a request and at its own data and returns a step; the shell (`tier.py`, `steps.py`) carries it out. A role never waits,
logs, reads a clock or opens a socket. What depends on the table only is prepared when the table changes: `learn`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Protocol

from spiko_nanoservice.contract import Reason
from spiko_nanoservice.routing.hash_ring import Space
from spiko_nanoservice.routing.table import Group, Routes

KEY: Final = b"/k/"
REPLICATE: Final = b"/replicate/"
MOST_KEYS: Final = 100_000  # per pod; the oldest written goes first, so that a long run cannot eat the node
MOST_BYTES: Final = 64 * 1024 * 1024  # of keys and values


@dataclass(slots=True)
class Answer:
    """Reply at once."""

    status: int
    body: bytes = b""
    reason: str = ""


KEPT: Final = Answer(200)
MISS: Final = Answer(404)
NO_ROUTE: Final = Answer(503, b"no route\n", Reason.NO_ROUTE)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call that may be made: to an instance drawn from `among`, for the request's key behind `prefix`, by `method` or the request's own."""

    among: Group
    prefix: bytes = KEY
    method: bytes = b""


class Until(Enum):
    """When attempts in order end."""

    FOUND = auto()  # at the first 200: a miss or a failure is no answer
    ANSWERED = auto()  # at whoever is there, whatever it says; only one that is away is passed over


@dataclass(frozen=True, slots=True)
class Forward:
    """Call one routed instance with the same request and pass its reply up."""


@dataclass(frozen=True, slots=True)
class InOrder:
    """Make one attempt after the other.

    If none ends it, the answer is a miss if anybody missed, else `otherwise`, else the last failure. After a 200 `then` is made all at once,
    and with `rest` the attempts that were not needed as well; with `regardless` after any answer.
    """

    attempts: tuple[Attempt, ...]
    until: Until
    otherwise: Answer | None = None
    then: tuple[Attempt, ...] = ()
    rest: bool = False
    regardless: bool = False


@dataclass(frozen=True, slots=True)
class Copies:
    """Make all attempts at once: 200 if one of them was, else the last failure."""

    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """Reply at once, then make all attempts."""

    answer: Answer
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """Make all attempts at once, each for a moment only: the first 200 in their order, else look at one's own data again."""

    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Again:
    """Nothing can be said yet: decide again in a moment."""


Step = Answer | Forward | InOrder | Copies | Spread | Search | Again


@dataclass(frozen=True, slots=True)
class Self:
    """Who a pod is: its id, its place, and Spigo's name for it: tier and index, such as mysql00; a spare has its pod's name."""

    id: str
    space: Space
    name: str


class Role(Protocol):
    """One package's way with requests. Keys and values are bytes as they came over the wire; `written_us` is when a write began."""

    def get(self, key: bytes) -> Step:
        """GET /k/<key>."""

    def put(self, key: bytes, value: bytes, written_us: int) -> Step:
        """PUT /k/<key> with a value."""

    def replicate(self, key: bytes, value: bytes, written_us: int) -> Step:
        """POST /replicate/<key>: another instance passes a write on."""

    def learn(self, routes: Routes, who: Self) -> None:
        """The table, or who we are, has changed."""
