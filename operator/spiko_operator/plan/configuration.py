"""Pure: the configuration for the eurekas, which distribute weights, rates and dependencies to the pods."""

from __future__ import annotations

from spiko_nanoservice.contract import (
    DEFAULT_DEADLINE_MS,
    DEFAULT_RATE_PER_SECOND,
    DEFAULT_SAMPLES_PER_MILLION,
    PACKAGES,
    Configuration,
    Package,
    Place,
    Revision,
    TierConfig,
    VersionConfig,
    Zones,
)
from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.api.service import Service
from spiko_operator.plan.services import releases
from spiko_operator.plan.topology import Space, Topology, scaled, spaces


def build_configuration(
    architecture: str,
    spec: ArchitectureSpec,
    topology: Topology,
    revision: Revision,
    started: bool,
    collector: str = "",
) -> Configuration:
    """Return the configuration of one architecture.

    Args:
        architecture: its name.
        spec: the accepted spec.
        topology: the active topology.
        revision: higher than that of every configuration with other content.
        started: whether the architecture was ever Ready.
        collector: the endpoint if the spec names none; empty for none.
    """
    telemetry = spec.telemetry
    samples = (
        telemetry.samples_per_million if telemetry and telemetry.samples_per_million is not None else None
    )
    return Configuration(
        architecture=architecture,
        revision=revision,
        regions=tuple(
            Zones(region.name, tuple(zone.name for zone in region.zones)) for region in topology.regions
        ),
        tiers=tuple(_tier(service, spec, topology) for service in spec.services),
        started=started,
        deadline_ms=DEFAULT_DEADLINE_MS,
        otlp_endpoint=(telemetry.otlp_endpoint if telemetry else None) or collector,
        samples_per_million=DEFAULT_SAMPLES_PER_MILLION if samples is None else samples,
        otlp_gzip=telemetry is not None and telemetry.compression == "Gzip",
    )


def _tier(service: Service, spec: ArchitectureSpec, topology: Topology) -> TierConfig:
    rendered = releases(service, topology, spec.scale)
    given = service.load.rate_per_second if service.load else None
    rate = DEFAULT_RATE_PER_SECOND if given is None else given
    return TierConfig(
        name=service.name,
        package=service.package.value,
        dependencies=tuple(service.dependencies),
        places=_places(spaces(topology, service.regions, scaled(service.count, spec.scale))),
        versions=tuple(
            VersionConfig(release.version, release.weight, _places(release.spaces)) for release in rendered
        ),
        rate_per_second=rate
        if any(PACKAGES[Package(release.identity.package)].source for release in rendered)
        else 0,
    )


def _places(found: tuple[Space, ...]) -> tuple[Place, ...]:
    return tuple(Place(space.region, space.zone, space.size) for space in found)
