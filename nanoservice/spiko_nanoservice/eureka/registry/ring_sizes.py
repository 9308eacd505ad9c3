"""Pure: how many slots the rings have, and who had a slot before.

A ring follows its configured size down at once, and up when every new slot has a node: while new nodes start, the old ones own everything,
so growing takes no key out of reach. A registry that does not know yet takes the configured size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from spiko_nanoservice.contract import Configuration, Hello, Instance, TierConfig, traits_of
from spiko_nanoservice.eureka.registry.pod_config import space_size
from spiko_nanoservice.routing.hash_ring import Space


def is_ring(package: str) -> bool:
    """Whether instances of a package are nodes of rings."""
    traits = traits_of(package)
    return traits is not None and traits.ring


@dataclass(slots=True)
class Rings:
    """What one registry remembers of the rings of its region."""

    sizes: dict[Space, int] = field(default_factory=dict)
    holders: dict[tuple[Space, int], Instance] = field(default_factory=dict)

    def resize(self, configuration: Configuration, held: Mapping[Space, set[int]]) -> None:
        """Follow the configuration.

        Args:
            configuration: in force.
            held: the slots that live pods have, by space.

        """
        for space, slots in held.items():
            wanted = space_size(configuration, space.tier, space.version, space.region, space.zone)
            if wanted <= self.sizes.get(space, wanted) or slots.issuperset(range(wanted)):
                self.sizes[space] = wanted
        for space in self.sizes.keys() - held.keys():
            del self.sizes[space]

    def sizes_for(self, tier: TierConfig, region: str, zone: str) -> dict[str, int]:
        """Sizes of a tier's rings in a zone by version; none if the tier does not depend on itself, and of no version without a share."""
        if tier.name not in tier.dependencies:
            return {}
        spaces = ((v.version, Space(tier.name, v.version, region, zone)) for v in tier.versions if v.weight > 0)
        return {version: self.sizes[space] for version, space in spaces if self.sizes.get(space)}

    def succeed(self, space: Space, slot: int, instance: Instance) -> Instance | None:
        """Somebody has a slot now; who had it before, if somebody else did."""
        before = self.holders.get((space, slot))
        self.holders[space, slot] = instance
        return before if before is not None and before.id != instance.id else None

    def forget(self, id: str) -> None:
        """A pod has ended: nobody needs to ask it for keys."""
        for place in [place for place, holder in self.holders.items() if holder.id == id]:
            del self.holders[place]


def slots_held(hellos: Iterable[Hello], region: str) -> dict[Space, set[int]]:
    """The slots of all rings of a region, by space; a space of spares only has none."""
    held: dict[Space, set[int]] = {}
    for hello in hellos:
        if hello.region == region and is_ring(hello.package):
            slots = held.setdefault(Space(hello.tier, hello.version, hello.region, hello.zone), set())
            if hello.slot is not None:
                slots.add(hello.slot)
    return held
