"""Pure: which node of a ring owns a key.

A ring consists of the nodes of one version of a tier in one zone. Its slots, 0 to n-1, are granted by the
zone's eureka. Slot k has the token k * floor(4294967295 / n); a key belongs to the slot with the largest
token that is not above the CRC-32 of the key's bytes. The ring keeps its size when a node dies: the node's
keys have no owner until another pod has the slot. Everything here follows from one pod's routing table alone,
so nodes with the same table agree. Source: spigo, actors/priamCassandra, which gave the tokens to nodes in
arbitrary order.
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
    """Return the space of an instance."""
    return Space(instance.tier, instance.version, instance.region, instance.zone)


def slot_of(key: bytes, size: int) -> int:
    """Return the slot that owns a key in a ring of `size` slots, 1 or more.

    >>> [slot_of(key, 2) for key in (b"why?", b"Why00", b"Why11")]
    [1, 0, 0]
    """
    return min(crc32(key) // (LARGEST // size), size - 1)


@dataclass(frozen=True, slots=True)
class Ring:
    """One pod's view of its own ring.

    Attributes:
        size: number of slots; 0 without a ring: then the pod owns every key.
        own: the pod's slot; None for a spare.
        holders: the node of each slot; None for the pod itself and for a vacant slot.
        members: all other pods of the space by id, including spares: each may hold keys.
    """

    size: int
    own: int | None
    holders: tuple[Instance | None, ...]
    members: Mapping[str, Instance]

    @property
    def place(self) -> tuple[int, int | None]:
        """Size and own slot: they decide which keys the pod owns."""
        return self.size, self.own


ALONE = Ring(0, None, (), {})


def build_ring(own_id: str, space: Space, instances: Iterable[Instance], size: int) -> Ring:
    """Return the ring of a space according to a routing table.

    Args:
        own_id: the pod's id; its own entry has its slot.
        space: of the pod.
        instances: the whole table, the pod's own entry included.
        size: number of slots according to the registry; 0 without a ring.
    """
    if size == 0:
        return ALONE
    members: dict[str, Instance] = {}
    chosen: dict[int, Instance] = {}
    for instance in sorted((i for i in instances if space_of(i) == space), key=lambda i: i.id):
        if instance.slot is not None and instance.slot < size:
            # While two pods claim a slot, all nodes choose the one with the lower id.
            chosen.setdefault(instance.slot, instance)
        if instance.id != own_id:
            members[instance.id] = instance
    own = next((slot for slot, holder in chosen.items() if holder.id == own_id), None)
    holders = tuple(None if slot == own else chosen.get(slot) for slot in range(size))
    return Ring(size, own, holders, members)


def other_rings(
    space: Space, instances: Iterable[Instance], packages: frozenset[str]
) -> tuple[tuple[tuple[Instance, ...], ...], tuple[tuple[Instance, ...], ...]]:
    """Return the nodes of the tier's other rings in the region, and those in other regions.

    The first are grouped by ring, the second by region.
    """
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
