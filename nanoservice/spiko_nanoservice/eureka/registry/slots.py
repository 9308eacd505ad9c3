"""Pure: which pod has which slot.

A space is one version of a tier in one zone, of size n; its slots are 0 to n-1. Only the eureka of that zone
grants slots, the lowest free slot first; a pod brings its slot and grant number along when it registers
again. Of two claims to one slot the older grant wins. The other pod gets another slot, or none: then it is a
spare, which is routed to but has no number. After a scale-down pods with slots from n on move to free slots
below n.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spiko_nanoservice.contract import Configuration, Hello
from spiko_nanoservice.eureka.registry.entries import Entries
from spiko_nanoservice.eureka.registry.pod_config import space_size

GRANT_WAIT_S = 3.0
UNGRANTED = 1 << 62  # sorts behind every grant number


@dataclass(frozen=True, slots=True)
class Claim:
    """A live pod of a space.

    `here` is True if this eureka owns the pod's entry, so that it can send the pod a slot.
    """

    id: str
    slot: int | None
    grant: int | None
    here: bool


Grants = dict[str, tuple[int | None, int | None]]
"""Slot and grant number by pod id; (None, None) for a pod that lost its slot."""


def assign(claims: Sequence[Claim], size: int, next_grant: int, may_grant: bool) -> Grants:
    """Return the new (slot, grant) of the pods whose slot changes.

    Args:
        claims: every live pod of the space that any eureka of the region knows.
        size: the number of slots of the space.
        next_grant: the number of the next grant; later grants count up from it.
        may_grant: False while a restarted eureka may not know every pod yet: then claims are compared only.

    >>> assign([Claim("a", None, None, True), Claim("b", 0, 7, True)], 2, 9, True)
    {'a': (1, 9)}
    >>> assign([Claim("a", 0, 8, True), Claim("b", 0, 7, True)], 1, 9, True)
    {'a': (None, None)}
    """
    holders: dict[int, Claim] = {}
    without: list[Claim] = []
    for claim in sorted(claims, key=lambda c: (c.grant if c.grant is not None else UNGRANTED, c.id)):
        if claim.slot is None or claim.grant is None or claim.slot in holders:
            without.append(claim)
        else:
            holders[claim.slot] = claim
    free = [slot for slot in range(size) if slot not in holders]
    beyond = [holders[slot] for slot in sorted(holders) if slot >= size]
    changed: Grants = {}
    for claim in (*beyond, *without):
        if not claim.here:
            continue
        if free and may_grant:
            changed[claim.id] = (free.pop(0), next_grant)
            next_grant += 1
        elif claim.slot is not None and claim in without:
            changed[claim.id] = (None, None)
    return changed


class SlotGranter:
    """Grants the slots of one zone.

    A eureka that starts late in an architecture that was ready before may not know every pod yet, so it
    grants no new slot for `GRANT_WAIT_S`. Slots are computed again only when the entries or the configuration
    have changed.

    Args:
        region: the eureka's region.
        zone: the eureka's zone.
        entries: the merged entries of the region.
        now: start of the eureka, monotonic seconds.
        grant_base: the first grant number; above every number that earlier processes used.
    """

    def __init__(self, region: str, zone: str, entries: Entries, now: float, grant_base: int) -> None:
        self._region, self._zone, self._entries = region, zone, entries
        self._waits_until = now + GRANT_WAIT_S
        self._may_grant = False
        self._next_grant = grant_base
        self._computed_for: object = None

    def due(self) -> float | None:
        """Return when the wait of a late eureka ends; None once it may grant."""
        return None if self._may_grant else self._waits_until

    def grant(self, configuration: Configuration, now: float) -> Grants:
        """Return the new slots of the pods whose entry this eureka owns."""
        self._may_grant = self._may_grant or not configuration.started or now >= self._waits_until
        inputs = self._entries.version, configuration.revision, self._may_grant
        if inputs == self._computed_for:
            return {}
        self._computed_for = inputs
        spaces: dict[tuple[str, str], list[Hello]] = {}
        for hello in self._entries.known.values():
            if hello.region == self._region and hello.zone == self._zone:
                spaces.setdefault((hello.tier, hello.version), []).append(hello)
        granted: Grants = {}
        for (tier, version), hellos in spaces.items():
            claims = [Claim(h.id, h.slot, h.grant, h.id in self._entries.own) for h in hellos]
            self._next_grant = max(self._next_grant, 1 + max((c.grant or 0 for c in claims), default=0))
            size = space_size(configuration, tier, version, self._region, self._zone)
            granted |= assign(claims, size, self._next_grant, self._may_grant)
        return granted
