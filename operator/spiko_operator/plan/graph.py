"""Pure: the nodes and edges of an Architecture, predicted from its spec alone.

The rules are Spigo's. They are implemented here a second time, independently of the registry, so that tests
can compare the two:

1. A caller connects to every visible instance of each of its dependencies, except itself.
2. A package that sees its own zone only (karyon, zuul) connects to instances in the same zone.
3. A caller outside any region connects to every region. Other callers connect to their own region and to
   instances outside any region; if the tier lists `eureka`, they also connect to instances of their own tier
   in other regions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from spiko_nanoservice.contract import Sees, traits_of
from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.plan.names import EUREKA
from spiko_operator.plan.services import Release, releases
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
        """Return the number of edges for each pair of tiers."""
        tiers = {node.name: node.tier for node in self.nodes}
        return dict(sorted(Counter((tiers[a], tiers[b]) for a, b in self.edges).items()))


def node_name(architecture: str, region: str, zone: str, tier: str, index: int, version: str = "") -> str:
    """Return the dotted name of an instance.

    >>> node_name("lamp", "us-east-1", "us-east-1a", "webserver", 3)
    'lamp.us-east-1.us-east-1a.webserver03'
    """
    return f"{architecture}.{region}.{zone}.{tier}{index:02d}" + (f"@{version}" if version else "")


def predict(architecture: str, spec: ArchitectureSpec, topology: Topology) -> Graph:
    """Return the nodes and edges after discovery has settled.

    Versions of weight 0 are nodes without callers.
    """
    nodes: dict[str, list[Node]] = {}
    routed: dict[str, list[Node]] = {}
    for service in spec.services:
        declared = releases(service, topology, spec.scale)
        for release in declared:
            label = release.version if len(declared) > 1 else ""
            instances = list(_nodes(architecture, topology, release, label))
            nodes.setdefault(service.name, []).extend(instances)
            if release.weight > 0:
                routed.setdefault(service.name, []).extend(instances)
    edges = [
        (caller.name, callee.name)
        for service in spec.services
        for caller in nodes.get(service.name, ())
        for dependency in service.dependencies
        for callee in routed.get(dependency, ())
        if caller != callee and _connects(caller, callee, EUREKA in service.dependencies)
    ]
    return Graph(tuple(node for instances in nodes.values() for node in instances), tuple(edges))


def _nodes(architecture: str, topology: Topology, release: Release, label: str) -> Iterator[Node]:
    """Return the instances of one version. Their index counts through all zones of a region."""
    for space in release.spaces:
        region = topology.regions[space.region_index or 0]
        zones = len(region.zones) if space.zone != ANYWHERE else 1
        offset = next((i for i, zone in enumerate(region.zones) if zone.name == space.zone), 0)
        for slot in range(space.size):
            index = slot * zones + offset
            name = node_name(architecture, space.region, space.zone, release.tier, index, label)
            package = release.identity.package
            yield Node(name, release.tier, package, release.version, space.region, space.zone)


def _connects(caller: Node, callee: Node, lists_eureka: bool) -> bool:
    traits = traits_of(caller.package)
    if traits is not None and traits.sees is Sees.ZONE and caller.zone != callee.zone:
        return False
    if caller.region in (ANYWHERE, callee.region) or callee.region == ANYWHERE:
        return True
    return lists_eureka and caller.tier == callee.tier
