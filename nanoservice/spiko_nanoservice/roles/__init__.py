"""Pure: what a tier does with a request. One small interface, one module per family of packages.

A role looks at a request and at its own data and returns a step; `tier/step_executor.py` executes it. A role
never waits, logs, reads a clock or opens a socket. What depends on the routing table alone is computed when
the table changes: `update_routes`.
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
# Limits per pod. The key written first is dropped first, so that a long run cannot exhaust the node's memory.
MOST_KEYS: Final = 100_000
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
    """One call that may be made for the request's key.

    Attributes:
        among: the instances of which one is drawn.
        prefix: of the call's path; the key follows it.
        method: of the call; the request's own method if empty.
    """

    among: Group
    prefix: bytes = KEY
    method: bytes = b""


class Until(Enum):
    """Which reply ends attempts that are made in order."""

    # The first 200; after a miss or a failure the next attempt is made.
    FOUND = auto()
    # The first reply of any kind; only an unreachable instance is skipped.
    ANSWERED = auto()


@dataclass(frozen=True, slots=True)
class Forward:
    """Send the same request to one routed instance and return its reply."""


@dataclass(frozen=True, slots=True)
class InOrder:
    """Make one attempt after the other until a reply ends them.

    If no reply does, the result is a miss if any attempt missed, else `otherwise`, else the last failure.

    Attributes:
        attempts: in order.
        until: which reply ends them.
        otherwise: see above.
        then: attempts that are made all at once after a 200.
        rest: whether the attempts that were not needed are made after a 200 as well.
        regardless: whether `then` is made after any reply.
    """

    attempts: tuple[Attempt, ...]
    until: Until
    otherwise: Answer | None = None
    then: tuple[Attempt, ...] = ()
    rest: bool = False
    regardless: bool = False


@dataclass(frozen=True, slots=True)
class Copies:
    """Make all attempts at once; the result is a 200 if one of them got it, else the last failure."""

    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """Reply at once, then make all attempts."""

    answer: Answer
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """Make all attempts at once, each with a short limit.

    The result is the first 200 in their order, else that of `look_again`.
    """

    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Again:
    """Decide again after a short pause: the node cannot know the answer yet."""


Step = Answer | Forward | InOrder | Copies | Spread | Search | Again


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a pod is.

    Attributes:
        id: the pod's UID.
        space: its tier, version, region and zone.
        name: Spigo's name, tier and index, such as mysql00; a spare has the name of its pod.
    """

    id: str
    space: Space
    name: str


class Role(Protocol):
    """What one package does with requests.

    `key` is percent-decoded and without a query; values are bytes as received; `written_us` is the time of a
    write to a ring, else 0.
    """

    def get(self, key: bytes) -> Step:
        """Decide GET /k/<key>."""

    def put(self, key: bytes, value: bytes, written_us: int) -> Step:
        """Decide PUT /k/<key>."""

    def replicate(self, key: bytes, value: bytes, written_us: int) -> Step:
        """Decide POST /replicate/<key>, with which another instance passes on a write."""

    def update_routes(self, routes: Routes, identity: Identity) -> None:
        """Follow a change of the routing table or of the pod's name."""
