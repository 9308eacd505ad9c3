"""What the handlers share: client, cache, links, settings. Made once, in `main.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from opentelemetry.trace import Tracer

from spiko_operator.cluster.cache import Cache
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.execute import Executor
from spiko_operator.links import Links
from spiko_operator.reach import Reacher
from spiko_operator.settings import Settings


@dataclass(frozen=True)
class Applied:
    """The version of an object that our last apply led to, and the digest of what was applied."""

    uid: str
    generation: int
    wish: str

    @classmethod
    def of(cls, body: dict[str, Any], wish: str) -> Applied:
        """The version at hand; -2 for kinds without a generation, which never matches."""
        return cls(body["metadata"]["uid"], body["metadata"].get("generation", -2), wish)

    def is_of(self, body: dict[str, Any]) -> bool:
        """Whether nobody has changed the object's spec since."""
        return (self.uid, self.generation) == (body["metadata"]["uid"], body["metadata"].get("generation", -1))


@dataclass
class Context:
    """Everything a handler needs.

    `applied` is by namespace, kind and name. `late_reports_s` is how long evidence of a kill is waited for when all else is known: pods
    report every second.
    """

    settings: Settings
    client: Client
    cache: Cache
    executor: Executor
    links: Links
    reach: Reacher
    tracer: Tracer
    applied: dict[tuple[str, str, str], Applied] = field(default_factory=dict)
    late_reports_s: float = 2.5
