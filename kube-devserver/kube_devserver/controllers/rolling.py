"""Pure: how a Deployment moves from its old ReplicaSets to its new one. After the deployment controller of
k8s.io/kubernetes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Set:
    """The properties of a ReplicaSet that decide a rolling update.

    Args:
        name: of the set.
        replicas: desired.
        available: of them.
        created: its creationTimestamp, for the order.
        most: replicas plus surge when it was last scaled (its annotation); 0 if unknown.
    """

    name: str
    replicas: int
    available: int
    created: str
    most: int = 0


@dataclass(frozen=True)
class Limits:
    """The bounds of a rolling update."""

    replicas: int
    surge: int
    unavailable: int


def read_limits(replicas: int, rolling: Mapping[str, Any]) -> Limits:
    """Resolve percentages: surge is rounded up, unavailable down; if both are 0, one pod may be unavailable.

    >>> read_limits(10, {"maxSurge": "25%", "maxUnavailable": "25%"})
    Limits(replicas=10, surge=3, unavailable=2)
    >>> read_limits(1, {"maxSurge": 0, "maxUnavailable": "25%"})
    Limits(replicas=1, surge=0, unavailable=1)
    """
    surge = scaled(rolling.get("maxSurge", 0), replicas, up=True)
    unavailable = scaled(rolling.get("maxUnavailable", 0), replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Limits(replicas, surge, min(unavailable, replicas) if replicas else unavailable)


def scaled(value: int | str, of: int, up: bool) -> int:
    """A number, or a percentage of `of`."""
    if isinstance(value, int):
        return value
    part = of * int(str(value).rstrip("%")) / 100
    return math.ceil(part) if up else math.floor(part)


def step(new: Set | None, old: Sequence[Set], limits: Limits) -> dict[str, int]:
    """The next step of a rolling update: desired replicas of the sets that change.

    Args:
        new: the new set; None if it does not exist yet, and then its name is empty in the result.
        old: the other sets.
        limits: of the update.
    """
    total = sum(each.replicas for each in old) + (new.replicas if new else 0)
    if new is None or new.replicas != limits.replicas:
        wanted = _scaled_up(new.replicas if new else 0, total, limits)
        if new is None or wanted != new.replicas:
            return {new.name if new else "": wanted}
    least = limits.replicas - limits.unavailable
    spare = total - least - (new.replicas - new.available if new else 0)
    if spare <= 0:
        return {}
    changes = _without_unavailable(old, spare)
    left = [Set(s.name, changes.get(s.name, s.replicas), s.available, s.created) for s in old]
    available = sum(each.available for each in left) + (new.available if new else 0)
    down = available - least
    for each in sorted(left, key=lambda s: s.created):
        if down <= 0:
            break
        taken = min(each.replicas, down)
        if taken:
            changes[each.name] = each.replicas - taken
            down -= taken
    return changes


def _scaled_up(replicas: int, total: int, limits: Limits) -> int:
    if replicas > limits.replicas:
        return limits.replicas
    room = limits.replicas + limits.surge - total
    return replicas + max(0, min(room, limits.replicas - replicas))


def _without_unavailable(old: Sequence[Set], spare: int) -> dict[str, int]:
    """Reduce old sets by their unavailable pods first."""
    changes = {}
    for each in sorted(old, key=lambda s: s.created):
        unavailable = min(spare, each.replicas - each.available)
        if unavailable > 0:
            changes[each.name] = each.replicas - unavailable
            spare -= unavailable
    return changes


def proportions(sets: Sequence[Set], limits: Limits) -> dict[str, int]:
    """Desired replicas when a Deployment is scaled during a rolling update: in proportion to sizes."""
    total = sum(each.replicas for each in sets)
    allowed = limits.replicas + limits.surge if limits.replicas else 0
    add = allowed - total
    ordered = sorted(sets, key=lambda s: s.created, reverse=add <= 0)
    ordered.sort(key=lambda s: -s.replicas)
    added, found = 0, {}
    for each in ordered:
        share = 0
        if each.replicas and add:
            before = each.most or limits.replicas + limits.surge
            share = round_half_away(each.replicas * allowed / before) - each.replicas if before else 0
            rest = add - added
            share = min(share, rest) if add > 0 else max(share, rest)
        found[each.name] = each.replicas + share
        added += share
    if ordered and add - added:
        first = ordered[0].name
        found[first] = max(0, found[first] + add - added)
    return found


def round_half_away(value: float) -> int:
    """Round as Go does.

    >>> round_half_away(2.5), round_half_away(-2.5)
    (3, -3)
    """
    return int(math.copysign(math.floor(abs(value) + 0.5), value))
