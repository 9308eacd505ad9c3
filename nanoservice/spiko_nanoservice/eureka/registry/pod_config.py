"""Pure: look-ups in a configuration."""

from __future__ import annotations

from spiko_nanoservice.contract import Configuration, Hello, PodConfig, TierConfig
from spiko_nanoservice.eureka.registry.visibility import regions_of


def find_tier(configuration: Configuration, name: str) -> TierConfig | None:
    """Return a tier by name; None if the architecture has no such tier now."""
    return configuration.tiers_by_name.get(name)


def space_size(configuration: Configuration, tier: str, version: str, region: str, zone: str) -> int:
    """Return how many slots a version of a tier has in a zone."""
    found = find_tier(configuration, tier)
    return sum(
        place.size
        for candidate in (found.versions if found else ())
        if candidate.version == version
        for place in candidate.places
        if (place.region, place.zone) == (region, zone)
    )


def pod_config(configuration: Configuration, hello: Hello) -> PodConfig:
    """Return the part of a configuration that a pod acts on."""
    tier = find_tier(configuration, hello.tier)
    names = tuple(region.region for region in configuration.regions)
    zones = next((region.zones for region in configuration.regions if region.region == hello.region), ())
    return PodConfig(
        revision=configuration.revision,
        rate_per_second=tier.rate_per_second if tier else 0,
        deadline_ms=configuration.deadline_ms,
        otlp_endpoint=configuration.otlp_endpoint,
        otlp_gzip=configuration.otlp_gzip,
        samples_per_million=configuration.samples_per_million,
        regions=regions_of(tier, hello.region, names) if tier else (hello.region,),
        zones=zones,
        started=configuration.started,
    )
