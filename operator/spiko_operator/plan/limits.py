"""Pure: the limits that an operator sets for Architectures, and the size of an Architecture by arithmetic.

Nothing is built to count it: a manifest of 95 bytes can ask for a million pods.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.api.service import Service
from spiko_operator.plan.topology import Topology, scaled


@dataclass(frozen=True)
class Size:
    """What an Architecture asks for.

    Args:
        pods: of all tiers, and the eurekas.
        objects: Deployments, Services, disruption budgets, and the state.
    """

    pods: int = 0
    objects: int = 0

    def __add__(self, other: Size) -> Size:
        return Size(self.pods + other.pods, self.objects + other.objects)


@dataclass(frozen=True)
class Limits:
    """Settings of the operator that bound what an Architecture may ask for.

    Args:
        pods, objects: of one Architecture.
        all_pods, all_objects: of all Architectures of the operator.
        images: patterns of images; empty for any image.
        tolerations: patterns of the keys of taints; empty for any key.
        collectors: patterns of the hosts of OTLP collectors; empty for any host.
    """

    pods: int = 2_000
    objects: int = 5_000
    all_pods: int = 5_000
    all_objects: int = 15_000
    images: tuple[str, ...] = ()
    tolerations: tuple[str, ...] = ()
    collectors: tuple[str, ...] = ()


def is_allowed(value: str, patterns: Iterable[str]) -> bool:
    """Whether a value matches a pattern, in which `*` stands for any characters; also if there is no pattern.

    >>> is_allowed("spiko/a:1", ["spiko/*"]), is_allowed("x/spiko/a", ["spiko/*"]), is_allowed("x", [])
    (True, False, True)
    """
    expressions = [".*".join(map(re.escape, pattern.split("*"))) for pattern in patterns]
    return not expressions or any(re.fullmatch(expression, value) for expression in expressions)


def size_of(spec: ArchitectureSpec, topology: Topology) -> Size:
    """Return the size of an Architecture.

    Args:
        spec: its spec.
        topology: with at least as many regions as the spec needs.
    """
    zones = len(topology.zones)
    # A Deployment and a Service for each zone, the Service of all eurekas, a budget, and the state.
    total = Size(zones, 2 * zones + 3)
    for service in spec.services:
        total += size_of_service(service, topology, spec.scale)
    return total


def size_of_service(service: Service, topology: Topology, scale_percent: int) -> Size:
    """Return the size of one tier."""
    replicas = [version.replicas for version in service.versions] if service.versions else [None]
    counts = [service.count if given is None else given for given in replicas if given != 0]
    zones = [len(region.zones) for region in topology.regions[: service.regions]]
    total = Size(0, 2)  # Service and budget
    for count in (scaled(count, scale_percent) for count in counts):
        if not zones:
            total += Size(1, 1)
        elif not count:
            total += Size(len(zones), len(zones))
        else:
            total += Size(count * len(zones), sum(min(count, each) for each in zones))
    return total
