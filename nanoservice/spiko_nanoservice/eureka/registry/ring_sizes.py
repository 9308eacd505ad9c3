"""Pure: how many slots the rings of a region have, and which pod had a slot before.

A ring follows its configured size down at once, and up as soon as every new slot has a node: while new nodes
start, the old ones own every key, so that growing takes no key out of reach. A registry that has no size of a
ring yet takes the configured size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from spiko_nanoservice.contract import Configuration, Hello, Instance, TierConfig, traits_of
from spiko_nanoservice.eureka.registry.pod_config import find_tier, space_size
from spiko_nanoservice.eureka.registry.visibility import Viewpoint
from spiko_nanoservice.routing.hash_ring import Space, space_of


def is_ring(package: str) -> bool:
    """Return whether instances of a package are nodes of rings."""
    traits = traits_of(package)
    return traits is not None and traits.ring


class RingSizes:
    """The sizes of a region's rings and the latest holder of every slot.

    Args:
        region: the registry's region.
    """

    def __init__(self, region: str) -> None:
        self._region = region
        self._sizes: dict[Space, int] = {}
        self._holders: dict[tuple[Space, int], Instance] = {}
        self._computed_for: object = None

    def update(self, configuration: Configuration, known: Mapping[str, Hello], ring_version: int) -> bool:
        """Follow the configuration and the slots that live pods have.

        Args:
            configuration: the active configuration.
            known: the merged entries of the region.
            ring_version: changes whenever an entry of a ring's node changes.

        Returns:
            False if neither has changed since the last call.
        """
        inputs = ring_version, configuration.revision
        if inputs == self._computed_for:
            return False
        self._computed_for = inputs
        held = slots_held(known.values(), self._region)
        for space, slots in held.items():
            desired = space_size(configuration, space.tier, space.version, space.region, space.zone)
            if desired <= self._sizes.get(space, desired) or slots.issuperset(range(desired)):
                self._sizes[space] = desired
        for space in self._sizes.keys() - held.keys():
            del self._sizes[space]
        return True

    def sizes_for(self, configuration: Configuration, viewer: Viewpoint) -> dict[str, int]:
        """Return the sizes of the callers' own rings by version; empty if their tier has none here."""
        tier = find_tier(configuration, viewer.tier)
        if tier is None or viewer.region != self._region:
            return {}
        return self._sizes_of(tier, viewer.region, viewer.zone)

    def _sizes_of(self, tier: TierConfig, region: str, zone: str) -> dict[str, int]:
        """Return sizes by version, without versions of weight 0.

        A tier that does not depend on itself has no rings.
        """
        if tier.name not in tier.dependencies:
            return {}
        spaces = (
            (v.version, Space(tier.name, v.version, region, zone)) for v in tier.versions if v.weight > 0
        )
        return {version: self._sizes[space] for version, space in spaces if self._sizes.get(space)}

    def take_slot(self, slot: int, instance: Instance) -> Instance | None:
        """Record that an instance holds a slot; return the other instance that held it before, if any."""
        place = space_of(instance), slot
        before = self._holders.get(place)
        self._holders[place] = instance
        return before if before is not None and before.id != instance.id else None

    def forget(self, id: str) -> None:
        """Drop a pod whose process ended: its successor need not ask it for keys."""
        for place in [place for place, holder in self._holders.items() if holder.id == id]:
            del self._holders[place]


def slots_held(hellos: Iterable[Hello], region: str) -> dict[Space, set[int]]:
    """Return the slots that pods hold in the rings of a region, by space.

    A space that has spares only has an empty set.
    """
    held: dict[Space, set[int]] = {}
    for hello in hellos:
        if hello.region == region and is_ring(hello.package):
            slots = held.setdefault(Space(hello.tier, hello.version, hello.region, hello.zone), set())
            if hello.slot is not None:
                slots.add(hello.slot)
    return held
