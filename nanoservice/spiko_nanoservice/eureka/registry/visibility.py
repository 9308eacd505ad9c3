"""Pure: which instances a caller may connect to, and with what weight.

Spigo's rules, except that callers stay in their region.

| package of the caller | sees instances in |
|---|---|
| denominator outside any region | every region |
| karyon, zuul | its own zone |
| everything else | every zone of its region |

A tier that lists `eureka` sees its *own* instances in every region, and no other tier across regions. A
karyon or zuul never sees instances without a zone. Source: spigo, handlers.go, without its leak of callers
from other regions into such tiers.
"""

from __future__ import annotations

from dataclasses import dataclass

from spiko_nanoservice.contract import (
    ANYWHERE,
    EUREKA,
    Configuration,
    Dependency,
    Sees,
    TierConfig,
    traits_of,
)


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """What decides which instances a caller sees: all pods of one tier and package in one zone share a table.

    The package is part of it because a version may have a package of its own.
    """

    tier: str
    package: str
    region: str
    zone: str


def sees(viewer: Viewpoint, across: bool, tier: str, region: str, zone: str) -> bool:
    """Return whether a caller may connect to an instance of a tier that it depends on.

    Args:
        viewer: the caller.
        across: whether the caller's tier lists `eureka`.
        tier: the callee's tier.
        region: the callee's region.
        zone: the callee's zone.

    >>> sees(Viewpoint("web", "karyon", "r", "a"), False, "db", "r", "b")
    False
    """
    if (
        viewer.region != ANYWHERE
        and region not in (viewer.region, ANYWHERE)
        and not (across and tier == viewer.tier)
    ):
        return False
    traits = traits_of(viewer.package)
    return traits is None or traits.sees is Sees.REGION or zone == viewer.zone


def regions_of(tier: TierConfig, region: str, configured: tuple[str, ...]) -> tuple[str, ...]:
    """Return the regions whose eurekas a pod registers with, its own first."""
    if region == ANYWHERE:
        return configured
    if EUREKA in tier.dependencies:
        return (region, *(other for other in configured if other != region))
    return (region,)


def dependencies_of(configuration: Configuration, viewer: Viewpoint, here: str) -> tuple[Dependency, ...]:
    """Return the dependencies of a caller that one region's registry answers for.

    Each is weighted by its visible declared instances.

    Args:
        configuration: the active configuration.
        viewer: the caller.
        here: the registry's region; a caller that registers in several regions adds up the weights.
    """
    tiers = {tier.name: tier for tier in configuration.tiers}
    caller = tiers.get(viewer.tier)
    if caller is None:
        return ()
    across = EUREKA in caller.dependencies
    found = []
    for name in caller.dependencies:
        callee = tiers.get(name)
        if callee is None:
            continue
        weight = sum(
            place.size
            for place in callee.places
            if place.region in (here, ANYWHERE) and sees(viewer, across, name, place.region, place.zone)
        )
        if weight:
            found.append(Dependency(name, weight, tuple((v.version, v.weight) for v in callee.versions)))
    return tuple(found)
