"""Pure: regions, zones, and the placement of instances.

The topology is chosen once, at first acceptance, and afterwards only grows: the loss of a zone must not move
the pods of other zones. The k-th instance of a region is in zone k mod Z of its Z zones, and has index k. `*`
stands for "no region" and "no zone".

Source: placement of spigo-0.4 (asgard.Create), except that scaling never reduces a count to 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spiko_operator.api.architecture import SpecTopology
from spiko_operator.api.service import Service

REGION_LABEL = "topology.kubernetes.io/region"
ZONE_LABEL = "topology.kubernetes.io/zone"
ANYWHERE = "*"
LOGICAL_ZONES = 3
LOGICAL_REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-1", "ap-southeast-2")


@dataclass(frozen=True)
class Zone:
    """A zone. `index` is unique in the architecture and part of object names, so it never changes."""

    name: str
    index: int
    logical: bool


@dataclass(frozen=True)
class Region:
    """A region with its zones in the order that instances are dealt to them."""

    name: str
    zones: tuple[Zone, ...]


@dataclass(frozen=True)
class Topology:
    """All regions in order; a tier of n regions uses the first n."""

    regions: tuple[Region, ...]

    @property
    def zones(self) -> tuple[Zone, ...]:
        """All zones of all regions."""
        return tuple(zone for region in self.regions for zone in region.zones)

    def to_json(self) -> list[dict[str, Any]]:
        """Return plain values, for the state and the annotation."""
        return [
            {
                "name": region.name,
                "zones": [{"name": z.name, "index": z.index, "logical": z.logical} for z in region.zones],
            }
            for region in self.regions
        ]

    @classmethod
    def from_json(cls, document: Sequence[Mapping[str, Any]]) -> Topology:
        """Return the topology from the values of `to_json`.

        Raises:
            KeyError, TypeError, ValueError: the values have another shape.
        """
        return cls(
            tuple(
                Region(
                    str(region["name"]),
                    tuple(Zone(str(z["name"]), int(z["index"]), bool(z["logical"])) for z in region["zones"]),
                )
                for region in document
            )
        )


@dataclass(frozen=True)
class Space:
    """A place with `size` instances of a tier, which are one Deployment.

    `zone_index` is None without a zone.
    """

    region: str
    zone: str
    zone_index: int | None
    region_index: int | None
    size: int

    @property
    def place(self) -> str:
        """The place in the Deployment's name: z<n>, r<n> or empty."""
        if self.zone_index is not None:
            return f"z{self.zone_index}"
        return "" if self.region_index is None else f"r{self.region_index}"


def from_labels(labels: Iterable[Mapping[str, str]]) -> dict[str, list[str]]:
    """Return region -> sorted zones from the labels of nodes; a node needs both labels.

    >>> from_labels([{REGION_LABEL: "r", ZONE_LABEL: "b"}, {REGION_LABEL: "r", ZONE_LABEL: "a"}, {}])
    {'r': ['a', 'b']}
    """
    found: dict[str, set[str]] = {}
    for node in labels:
        if node.get(REGION_LABEL) and node.get(ZONE_LABEL):
            found.setdefault(node[REGION_LABEL], set()).add(node[ZONE_LABEL])
    return {region: sorted(zones) for region, zones in sorted(found.items())}


def wanted_regions(services: Iterable[Service]) -> int:
    """Return how many regions the tiers need: the largest `regions`, at least 1."""
    return max((service.regions for service in services), default=1) or 1


def choose(spec: SpecTopology | None, labeled: Mapping[str, Sequence[str]], wanted: int) -> Topology:
    """Return the topology at first acceptance: from the spec, else the nodes' labels, else logical.

    Args:
        spec: `spec.topology`; its zones are used as node selectors.
        labeled: region -> zones of the nodes, from `from_labels`.
        wanted: number of regions; missing regions are added as logical ones.

    >>> [z.name for z in choose(None, {}, 1).zones]
    ['us-east-1a', 'us-east-1b', 'us-east-1c']
    """
    return grow(Topology(()), spec, labeled, wanted)


def grow(
    topology: Topology, spec: SpecTopology | None, labeled: Mapping[str, Sequence[str]], wanted: int
) -> Topology:
    """Return the topology with new regions and zones; existing ones are never removed or renumbered.

    Regions that no tier uses are left out, because each of their zones would cost a eureka. New regions come
    from the spec, else from the labels of nodes; if those are too few, from the list of logical regions.
    """
    regions = {region.name: list(region.zones) for region in topology.regions}
    following = len(topology.zones)
    places = {region.name: list(region.zones) for region in spec.regions} if spec is not None else labeled
    for name, zones in places.items():
        if name not in regions and len(regions) >= wanted:
            continue
        if name in regions and spec is None:
            continue  # new zones of nodes are used only if the spec names them
        known = regions.setdefault(name, [])
        for zone in zones:
            if zone not in {z.name for z in known}:
                known.append(Zone(zone, following, logical=False))
                following += 1
    for name in LOGICAL_REGIONS:
        if len(regions) >= wanted:
            break
        if name not in regions:
            regions[name] = [
                Zone(f"{name}{'abc'[i]}", following + i, logical=True) for i in range(LOGICAL_ZONES)
            ]
            following += LOGICAL_ZONES
    return Topology(tuple(Region(name, tuple(zones)) for name, zones in regions.items()))


def scaled(count: int, scale_percent: int) -> int:
    """Return a count after `spec.scale`, rounded down; at least 1 if the count is not 0.

    >>> scaled(6, 10), scaled(18, 200), scaled(0, 500)
    (1, 36, 0)
    """
    return max(1, count * scale_percent // 100) if count else 0


def spaces(topology: Topology, regions: int, count: int) -> tuple[Space, ...]:
    """Return the places of the instances of one version of a tier.

    Args:
        topology: the active topology, with at least `regions` regions.
        regions: the tier's `regions`.
        count: instances per region, after scaling; 0 is one instance without a zone.

    >>> topology = choose(None, {}, 1)
    >>> [(s.zone, s.size) for s in spaces(topology, 1, 2)]
    [('us-east-1a', 1), ('us-east-1b', 1)]
    >>> spaces(topology, 0, 5)[0].region
    '*'
    """
    if regions == 0:
        return (Space(ANYWHERE, ANYWHERE, None, None, 1),)
    chosen = topology.regions[:regions]
    if count == 0:
        return tuple(Space(region.name, ANYWHERE, None, i, 1) for i, region in enumerate(chosen))
    return tuple(
        Space(region.name, zone.name, zone.index, i, size)
        for i, region in enumerate(chosen)
        for position, zone in enumerate(region.zones)
        if (size := len(range(position, count, len(region.zones))))
    )
