"""Pure: how a Deployment moves from its old ReplicaSets to its new one. After the deployment controller of k8s.io/kubernetes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Set:
    """One ReplicaSet as far as this matters.

    Args:
        name: of it.
        replicas: wanted.
        available: of those.
        created: time, for the order.
        most: replicas plus surge when it was last scaled (its annotation), 0 if unknown.
    """

    name: str
    replicas: int
    available: int
    created: str
    most: int = 0


@dataclass(frozen=True)
class Limits:
    """What a rolling update keeps to."""

    replicas: int
    surge: int
    unavailable: int


def read_limits(replicas: int, rolling: Mapping[str, Any]) -> Limits:
    """Percentages become numbers: surge rounded up, unavailable down; both zero would never move.

    >>> read_limits(10, {"maxSurge": "25%", "maxUnavailable": "25%"}), read_limits(1, {"maxSurge": 0, "maxUnavailable": "25%"})
    (Limits(replicas=10, surge=3, unavailable=2), Limits(replicas=1, surge=0, unavailable=1))
    """
    surge = scaled(rolling.get("maxSurge", 0), replicas, up=True)
    unavailable = scaled(rolling.get("maxUnavailable", 0), replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Limits(replicas, surge, min(unavailable, replicas) if replicas else unavailable)


def scaled(value: int | str, of: int, up: bool) -> int:
    """A number, or a percentage of another."""
    if isinstance(value, int):
        return value
    part = of * int(str(value).rstrip("%")) / 100
    return math.ceil(part) if up else math.floor(part)


def step(new: Set | None, old: Sequence[Set], limits: Limits) -> dict[str, int]:
    """The next step of a rolling update: wanted replicas of the sets that change. `new` None: it is still to be made."""
    total = sum(each.replicas for each in old) + (new.replicas if new else 0)
    if new is None or new.replicas != limits.replicas:
        wanted = _grown(new.replicas if new else 0, total, limits)
        if new is None or wanted != new.replicas:
            return {new.name if new else "": wanted}
    least = limits.replicas - limits.unavailable
    spare = total - least - (new.replicas - new.available if new else 0)
    if spare <= 0:
        return {}
    changes = _cleaned(old, spare)
    left = [Set(each.name, changes.get(each.name, each.replicas), each.available, each.created) for each in old]
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


def _grown(replicas: int, total: int, limits: Limits) -> int:
    if replicas > limits.replicas:
        return limits.replicas
    room = limits.replicas + limits.surge - total
    return replicas + max(0, min(room, limits.replicas - replicas))


def _cleaned(old: Sequence[Set], spare: int) -> dict[str, int]:
    """Unavailable pods of old sets go first."""
    changes = {}
    for each in sorted(old, key=lambda s: s.created):
        sick = min(spare, each.replicas - each.available)
        if sick > 0:
            changes[each.name] = each.replicas - sick
            spare -= sick
    return changes


def proportions(sets: Sequence[Set], limits: Limits) -> dict[str, int]:
    """Wanted replicas when a Deployment is scaled in the middle of a rolling update: each set in proportion to its size."""
    total = sum(each.replicas for each in sets)
    allowed = limits.replicas + limits.surge if limits.replicas else 0
    add = allowed - total
    ordered = sorted(
        sets, key=lambda s: (-s.replicas, s.created) if add > 0 else (-s.replicas, [-ord(c) for c in s.created])
    )
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
    """As Go rounds.

    >>> round_half_away(2.5), round_half_away(-2.5)
    (3, -3)
    """
    return int(math.copysign(math.floor(abs(value) + 0.5), value))
