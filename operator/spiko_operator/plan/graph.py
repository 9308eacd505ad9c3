"""Pure: the nodes and edges that an Architecture will have, predicted from its spec alone.

The rules are Spigo's, written down once more from their description and not shared with the registry, which is compared with this:

1. A caller connects to every instance of each of its dependencies, itself excepted, that it may see.
2. A caller whose package sees its own zone only (karyon, zuul) sees what has the same zone as itself.
3. A caller outside any region sees every region; any other stays in its own, but for instances of its own tier if that lists `eureka`, and
   for what is outside any region.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from spiko_nanoservice.contract import Sees, traits_of
from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.plan.names import EUREKA
from spiko_operator.plan.services import releases
from spiko_operator.plan.topology import ANYWHERE, Topology


@dataclass(frozen=True)
class Node:
    """One instance. `name` is `arch.region.zone.tierNN`; a second version of a tier adds `@version`."""

    name: str
    tier: str
    package: str
    version: str
    region: str
    zone: str


@dataclass(frozen=True)
class Graph:
    """Nodes, and edges as pairs of node names."""

    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]

    def by_tier(self) -> dict[tuple[str, str], int]:
        """Number of edges per pair of tiers."""
        tiers = {node.name: node.tier for node in self.nodes}
        return dict(sorted(Counter((tiers[a], tiers[b]) for a, b in self.edges).items()))


def node_name(architecture: str, region: str, zone: str, tier: str, index: int, version: str = "") -> str:
    """An instance's dotted name.

    >>> node_name("lamp", "us-east-1", "us-east-1a", "webserver", 3)
    'lamp.us-east-1.us-east-1a.webserver03'
    """
    return f"{architecture}.{region}.{zone}.{tier}{index:02d}" + (f"@{version}" if version else "")


def predict(architecture: str, spec: ArchitectureSpec, topology: Topology) -> Graph:
    """All nodes and edges once discovery has settled; versions of weight 0 are nodes without callers."""
    nodes: dict[str, list[Node]] = {}
    routed: dict[str, list[Node]] = {}
    for service in spec.services:
        made = releases(service, topology, spec.scale)
        for release in made:
            label = release.version if len(made) > 1 else ""
            for space in release.spaces:
                width = max(1, len(topology.regions[space.region_index or 0].zones)) if space.zone != ANYWHERE else 1
                offset = _position(topology, space.region, space.zone)
                for slot in range(space.size):
                    name = node_name(architecture, space.region, space.zone, service.name, slot * width + offset, label)
                    package = release.identity.package
                    node = Node(name, service.name, package, release.version, space.region, space.zone)
                    nodes.setdefault(service.name, []).append(node)
                    if release.weight > 0:
                        routed.setdefault(service.name, []).append(node)
    edges = [
        (caller.name, callee.name)
        for service in spec.services
        for caller in nodes.get(service.name, ())
        for dependency in service.dependencies
        for callee in routed.get(dependency, ())
        if caller != callee and _connects(caller, callee, EUREKA in service.dependencies)
    ]
    return Graph(tuple(node for made_nodes in nodes.values() for node in made_nodes), tuple(edges))


def _connects(caller: Node, callee: Node, lists_eureka: bool) -> bool:
    traits = traits_of(caller.package)
    if traits is not None and traits.sees is Sees.ZONE and caller.zone != callee.zone:
        return False
    if caller.region in (ANYWHERE, callee.region) or callee.region == ANYWHERE:
        return True
    return lists_eureka and caller.tier == callee.tier


def _position(topology: Topology, region: str, zone: str) -> int:
    for candidate in topology.regions:
        if candidate.name == region:
            return next((i for i, z in enumerate(candidate.zones) if z.name == zone), 0)
    return 0
