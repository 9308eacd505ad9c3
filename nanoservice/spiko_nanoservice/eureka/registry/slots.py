"""Pure: which pod is which number.

A space is one version of a tier in one zone, of size n; its slots are 0 to n-1. Only that zone's eureka grants, lowest free slot first; a
pod brings its slot and grant number along when it registers again. Of two claims to a slot the older grant wins; the other pod gets another
slot, or none: then it is a spare, routed but without a number. After a scale-down slots from n on move to free ones below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Claim:
    """A live pod of a space. `here` says whether this eureka can tell it its slot."""

    id: str
    slot: int | None
    grant: int | None
    here: bool


def assign(
    claims: Sequence[Claim], size: int, next_grant: int, may_grant: bool
) -> dict[str, tuple[int | None, int | None]]:
    """New (slot, grant) of the pods whose slot changes.

    Args:
        claims: every live pod of the space that any eureka of the region knows of.
        size: slots of the space.
        next_grant: number of the next grant; later ones count up from it.
        may_grant: False while a restarted eureka may not know everybody yet: then claims are only compared.

    >>> assign([Claim("a", None, None, True), Claim("b", 0, 7, True)], 2, 9, True)
    {'a': (1, 9)}
    >>> assign([Claim("a", 0, 8, True), Claim("b", 0, 7, True)], 1, 9, True)
    {'a': (None, None)}

    """
    holders: dict[int, Claim] = {}
    without: list[Claim] = []
    for claim in sorted(claims, key=lambda c: (c.grant if c.grant is not None else 1 << 62, c.id)):
        if claim.slot is None or claim.grant is None or claim.slot in holders:
            without.append(claim)
        else:
            holders[claim.slot] = claim
    free = [slot for slot in range(size) if slot not in holders]
    beyond = [holders[slot] for slot in sorted(holders) if slot >= size]
    changed: dict[str, tuple[int | None, int | None]] = {}
    for claim in (*beyond, *without):
        if not claim.here:
            continue
        if free and may_grant:
            changed[claim.id] = (free.pop(0), next_grant)
            next_grant += 1
        elif claim.slot is not None and claim in without:
            changed[claim.id] = (None, None)
    return changed
