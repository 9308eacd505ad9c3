"""Counts of the pods that act on the configuration: each pod counts in one region."""

from __future__ import annotations

from spiko_nanoservice.contract import (
    PROTOCOL,
    Configuration,
    Hello,
    Place,
    Revision,
    TierConfig,
    VersionConfig,
    Zones,
)
from spiko_nanoservice.eureka.registry.ack_status import EVERY_S
from spiko_nanoservice.eureka.registry.registry import Registry

REGIONS = ("r", "s")
ANY = (Place("*", "*", 1),)
BOTH = tuple(Place(region, "a", 1) for region in REGIONS)
CONFIGURATION = Configuration(
    "arch",
    Revision(0, 1),
    tuple(Zones(region, ("a",)) for region in REGIONS),
    (
        TierConfig("www", "denominator", ("db",), ANY, (VersionConfig("1.0.0", 100, ANY),)),
        TierConfig("db", "store", ("db", "eureka"), BOTH, (VersionConfig("1.0.0", 100, BOTH),)),
    ),
)
PODS = (("www", "denominator", "*", "*"), ("db", "store", "r", "a"), ("db", "store", "s", "a"))


def a_registry(region: str, behind: int | None = None) -> Registry:
    """Return a registry with three pods that route by the current table, except `behind`."""
    registry = Registry(f"e-{region}", region, "a", 0.0)
    registry.configure(CONFIGURATION, 0.0)
    for number, (tier, package, at, zone) in enumerate(PODS, start=1):
        name = f"{tier}{at}"
        hello = Hello(PROTOCOL, name, tier, tier, package, "1.0.0", at, zone, "10.0.0.1", 1, (1, 1))
        registry.hello(number, hello, 0.0)
    for number in range(1, 4):
        if number != behind:
            revision = registry.views.by_viewpoint[registry.sessions[number].viewpoint].revision
            registry.ack(number, revision, CONFIGURATION.revision, 0.0)
    registry.tick(EVERY_S)
    return registry


def test_a_pod_in_several_regions_is_counted_in_one() -> None:
    """Given pods in two regions, then each counts in its own; one outside any region counts in the first."""
    words = [a_registry(region).programmed_message() for region in REGIONS]

    assert [(2, 2), (1, 1)] == [(word["pods"], word["acked"]) for word in words]


def test_a_pod_of_another_region_that_is_behind_counts() -> None:
    """Given a pod of another region with an old table of this one, then not all pods act on the
    configuration.
    """
    word = a_registry("s", behind=1).programmed_message()

    assert word["acked"] < word["pods"]
