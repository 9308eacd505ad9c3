"""Requests that follow the routing tables of an Architecture's pods, built by the registry's own rules."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from spiko_nanoservice.contract import ANYWHERE, EUREKA, Instance, Revision, traits_of
from spiko_nanoservice.eureka.registry.pod_config import find_tier
from spiko_nanoservice.eureka.registry.view import View
from spiko_nanoservice.eureka.registry.visibility import Viewpoint, dependencies_of, regions_of
from spiko_nanoservice.routing.table import Routes
from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.plan.configuration import build_configuration
from spiko_operator.plan.graph import Node, predict
from spiko_operator.plan.topology import choose, wanted_regions

NOWHERE = ("", "")  # of requests without a route


class RoutedRequests:
    """The pods of an Architecture with complete routing tables.

    Args:
        body: the Architecture.
        seed: of the draws.
    """

    def __init__(self, body: dict[str, Any], seed: int = 1) -> None:
        spec = ArchitectureSpec.model_validate(body["spec"], strict=False)
        topology = choose(None, {}, wanted_regions(spec.services))
        self._configuration = build_configuration("a", spec, topology, Revision(0, 1), started=True)
        self._nodes = {node.name: node for node in predict("a", spec, topology).nodes}
        self._routes = {node.name: self._table(node) for node in self._nodes.values()}
        self._random = Random(seed)

    def _table(self, node: Node) -> Routes:
        tier = find_tier(self._configuration, node.tier)
        assert tier is not None
        routes, across = Routes(node.name), EUREKA in tier.dependencies
        viewpoint = Viewpoint(node.tier, node.package, node.region, node.zone)
        names = tuple(region.region for region in self._configuration.regions)
        for region in regions_of(tier, node.region, names):
            dependencies = dependencies_of(self._configuration, viewpoint, region)
            view = View(viewpoint, across, dependencies)
            for other in self._nodes.values():
                place = (other.tier, other.package, other.version, other.region, other.zone)
                instance = Instance(other.name, *place, "10.0.0.1", 1)
                if other.region in (region, ANYWHERE) and view.includes(instance):
                    view.members[instance.id] = instance
            routes.replace(region, view.table(partial=False))
        return routes

    def send(self, count: int) -> Counter[tuple[str, str]]:
        """Send requests from the sources in turn; return how many reached each tier and version."""
        sources = [n for n in self._nodes.values() if (t := traits_of(n.package)) is not None and t.source]
        reached: Counter[tuple[str, str]] = Counter()
        for number in range(count):
            at = sources[number % len(sources)]
            while (traits := traits_of(at.package)) is not None and traits.forwards:
                to = self._routes[at.name].pick(self._random)
                if to is None:
                    reached[NOWHERE] += 1
                    break
                at = self._nodes[to.id]
                reached[at.tier, at.version] += 1
        return reached
