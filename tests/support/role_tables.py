"""Routing tables and ring nodes for tests of roles: pure, without a socket or a clock."""

from __future__ import annotations

from random import Random
from typing import Any

from spiko_nanoservice.contract import Dependency, Instance, encode
from spiko_nanoservice.roles import (
    Attempt,
    Identity,
)
from spiko_nanoservice.roles.ring import RingNode
from spiko_nanoservice.routing.hash_ring import Space
from spiko_nanoservice.routing.table import Routes

WHO = Identity("me", Space("cass", "1.0.0", "r", "a"), "cass00")


def pod(id: str, tier: str = "cass", package: str = "priamCassandra", **fields: Any) -> Instance:
    """Return one entry of a routing table."""
    defaults: dict[str, Any] = {
        "version": "1.0.0",
        "region": "r",
        "zone": "a",
        "address": "10.0.0.1",
        "port": 8080,
    }
    return Instance(id, tier, package, **(defaults | fields))


def routes(
    *instances: Instance, rings: dict[str, int] | None = None, weights: dict[str, int] | None = None
) -> Routes:
    """Return the routes of a pod named `me`."""
    made = Routes("me")
    by_region: dict[str, list[Any]] = {}
    for instance in instances:
        by_region.setdefault(instance.region, []).append(encode(instance))
    for region, members in by_region.items():
        tiers = sorted({m["tier"] for m in members})
        dependencies = [
            encode(Dependency(t, (weights or {}).get(t, 1), (("1.0.0", 100), ("2.0.0", 0)))) for t in tiers
        ]
        made.replace(
            region,
            {
                "revision": 1,
                "dependencies": dependencies,
                "instances": members,
                "rings": (rings or {}) if region == "r" else {},
            },
        )
    return made


def node(*others: Instance, slot: int | None = 0, size: int = 2, seen: bool = True) -> RingNode:
    """Return a node of a ring; the other members have confirmed its place and are done, unless `seen` is
    False.
    """
    made = RingNode()
    made.update_routes(routes(pod("me", slot=slot), *others, rings={"1.0.0": size}), WHO)
    for other in others if seen else ():
        made.peers.confirm(other.id, (size, slot), True)
    return made


def targets(step: Any) -> list[tuple[str, str]]:
    """Return the instance, method and prefix of every attempt of a step."""
    found = []
    for attempt in step.attempts if not isinstance(step, tuple) else step:
        assert isinstance(attempt, Attempt)
        to = attempt.among.draw(Random(1))
        assert to is not None
        found.append((to.id, f"{attempt.method.decode()} {attempt.prefix.decode()}".strip()))
    return found
