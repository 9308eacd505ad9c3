"""Pure: what a tier does with a request. One small interface, one file per family of packages.

A role looks at a request and at its own data and returns a step; the shell (`tier.py`) carries it out. A role never waits, logs, reads a
clock or opens a socket.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Answer:
    """Reply at once."""

    status: int
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Forward:
    """Call one routed instance with the same request and pass its reply up."""


@dataclass(frozen=True, slots=True)
class Replicate:
    """Reply at once, then tell every connected instance of these packages."""

    answer: Answer
    packages: frozenset[str]


Step = Answer | Forward | Replicate


class Role(Protocol):
    """One package's way with requests. Keys and values are bytes as they came over the wire."""

    def get(self, key: bytes) -> Step:
        """GET /k/<key>."""

    def put(self, key: bytes, value: bytes) -> Step:
        """PUT /k/<key> with a value."""

    def replicate(self, key: bytes, value: bytes) -> Step:
        """POST /replicate/<key>: another instance passes a write on."""


def make_role(package: str) -> Role | None:
    """The role of a package; None if this release has none for it."""
    from spiko_nanoservice.roles.router import Router
    from spiko_nanoservice.roles.store import Store

    if package in ("denominator", "elb", "zuul", "karyon", "monolith"):
        return Router()
    if package in ("store", "cache"):
        return Store(package)
    return None
