"""Pure: who owns a key.

A ring is made of the nodes of one version of a tier in one zone: its slots, 0 to n-1, which the zone's eureka grants. Slot k has the token
k * floor(4294967295 / n); a key belongs to the largest token that is not above the CRC-32 of its bytes. The ring stays as it is when a node
dies: its keys have no owner until another pod has the slot. Everything here follows from one pod's table alone, so nodes with the same
table agree. Source: spigo, actors/priamCassandra; there the tokens went to nodes in arbitrary order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

from spiko_nanoservice.contract import Instance

LARGEST = 4_294_967_295


class Space(NamedTuple):
    """The pods of one version of a tier in one zone."""

    tier: str
    version: str
    region: str
    zone: str


def space_of(instance: Instance) -> Space:
    """Where an instance belongs."""
    return Space(instance.tier, instance.version, instance.region, instance.zone)


def slot_of(key: bytes, size: int) -> int:
    """The slot that owns a key in a ring of `size` slots, 1 or more.

    >>> [slot_of(key, 2) for key in (b"why?", b"Why00", b"Why11")]
    [1, 0, 0]
    """
    return min(crc32(key) // (LARGEST // size), size - 1)


@dataclass(frozen=True, slots=True)
class Ring:
    """One pod's view of its own ring.

    Attributes:
        size: slots; 0 where there is no ring: then the pod has nobody to forward to and owns everything.
        own: the pod's slot; None for a spare.
        holders: who has which slot; None for the pod itself and where nobody has it.
        members: all other pods of the space, spares as well: each may have data.
    """

    size: int
    own: int | None
    holders: tuple[Instance | None, ...]
    members: Mapping[str, Instance]

    @property
    def place(self) -> tuple[int, int | None]:
        """What a node owns follows from these two."""
        return self.size, self.own


ALONE = Ring(0, None, (), {})


def build_ring(own_id: str, space: Space, instances: Iterable[Instance], size: int) -> Ring:
    """The ring of a space as a table has it.

    Args:
        own_id: the pod's own id; its own entry tells its slot.
        space: the pod's.
        instances: the whole table, the pod's own entry included.
        size: slots of the ring, as the registry says; 0 is no ring.
    """
    if size == 0:
        return ALONE
    members: dict[str, Instance] = {}
    chosen: dict[int, Instance] = {}
    for instance in sorted((i for i in instances if space_of(i) == space), key=lambda i: i.id):
        if instance.slot is not None and instance.slot < size:
            chosen.setdefault(instance.slot, instance)  # of two for a moment, all choose the same one
        if instance.id != own_id:
            members[instance.id] = instance
    own = next((slot for slot, holder in chosen.items() if holder.id == own_id), None)
    holders = tuple(None if slot == own else chosen.get(slot) for slot in range(size))
    return Ring(size, own, holders, members)


def other_rings(
    space: Space, instances: Iterable[Instance], packages: frozenset[str]
) -> tuple[tuple[tuple[Instance, ...], ...], tuple[tuple[Instance, ...], ...]]:
    """The nodes of the tier's other rings in the pod's region, ring by ring, and those in other regions, region by region."""
    rings: dict[Space, list[Instance]] = {}
    regions: dict[str, list[Instance]] = {}
    for instance in instances:
        there = space_of(instance)
        if instance.tier != space.tier or instance.package not in packages or there == space:
            continue
        if instance.region == space.region:
            rings.setdefault(there, []).append(instance)
        else:
            regions.setdefault(instance.region, []).append(instance)
    return tuple(tuple(nodes) for nodes in rings.values()), tuple(tuple(nodes) for nodes in regions.values())
