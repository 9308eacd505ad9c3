"""Spec of one service of an `Architecture`: its role, instances, dependencies, versions and routing.

The five fields of Spigo's architecture files (`name`, `package`, `count`, `regions`, `dependencies`) keep
their meaning; the other fields refine them. The fields that identify a version (`package`, `image`,
`behavior`) have no defaults in the schema: changing such a default later would change the identity of
versions that run.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from spiko_nanoservice.contract import Package
from spiko_operator.api.common import (
    MAX_DEPENDENCIES,
    MAX_VERSIONS,
    ImageName,
    Model,
    PerMillion,
    TierName,
    VersionName,
)

DEFAULT_VERSION = "1.0.0"

Microseconds = Annotated[int, Field(ge=0, le=60_000_000)]
Replicas = Annotated[int, Field(ge=0, le=10_000)]


class Constant(Model):
    """The same service time for every request."""

    microseconds: Annotated[Microseconds, Field(description="service time of every request")]


class Lognormal(Model):
    """A lognormal service time, given by two percentiles."""

    median_microseconds: Annotated[Microseconds, Field(description="median service time")]
    p99_microseconds: Annotated[
        Microseconds, Field(description="99th percentile of the service time; must be above the median")
    ]


class ServiceTime(Model):
    """How long an instance works on a request before it answers or calls a dependency.

    Exactly one distribution.
    """

    constant: Annotated[Constant | None, Field(description="the same service time for every request")] = None
    lognormal: Annotated[
        Lognormal | None,
        Field(description="service time drawn for each request from a lognormal distribution"),
    ] = None


class Behavior(Model):
    """How a version behaves besides its role. Identity of a version: immutable."""

    service_time: Annotated[
        ServiceTime | None,
        Field(
            description="processing time before the instance answers or calls a dependency, as exactly one "
            "distribution; 0 if left out. Identity of a version: immutable"
        ),
    ] = None
    errors_per_million: Annotated[
        PerMillion | None,
        Field(
            description="requests per million that are answered with 503 at once; 0 if left out. Identity "
            "of a version: immutable"
        ),
    ] = None


class Load(Model):
    """Requests that a source (package denominator) sends. Live: a change restarts no pod."""

    rate_per_second: Annotated[
        int | None,
        Field(
            ge=0,
            le=100_000,
            description="requests per second; 100 if left out. Live: a change restarts no pod",
        ),
    ] = None


class Version(Model):
    """One version of a service: an immutable identity (package, image, behavior), and its replicas."""

    version: Annotated[VersionName, Field(description="interface.feature.bugfix, such as 1.2.3")]
    package: Annotated[
        Package | None,
        Field(
            description="role of this version; the service's if left out. Identity of the version: immutable"
        ),
    ] = None
    image: Annotated[
        ImageName | None,
        Field(
            description="image of this version; the service's if left out. Identity of the version: immutable"
        ),
    ] = None
    behavior: Annotated[
        Behavior | None,
        Field(
            description="behavior of this version; the service's if left out. Identity of the version: "
            "immutable"
        ),
    ] = None
    replicas: Annotated[
        Replicas | None,
        Field(
            description="instances of this version per region, before spec.scale; the service's count if "
            "left out. Live: a change restarts no pod"
        ),
    ] = None


class Share(Model):
    """The share of a service's requests that one version receives."""

    version: Annotated[VersionName, Field(description="a version that the service declares")]
    weight: Annotated[
        int,
        Field(
            ge=0,
            le=1_000_000,
            description="share of the requests relative to the sum of the split's weights, such as 99 and 1",
        ),
    ]


class Routing(Model):
    """Which version receives a service's requests. Live: a change restarts no pod."""

    split: Annotated[
        list[Share] | None,
        Field(
            min_length=1,
            max_length=MAX_VERSIONS,
            description="weight of each version, not all 0; if left out, the first declared version "
            "receives all requests. Live: a change restarts no pod",
        ),
    ] = None


class Service(Model):
    """One tier."""

    name: Annotated[TierName, Field(description="unique name of the tier; eureka is reserved")]
    package: Annotated[
        Package, Field(description="role of the tier's instances. Identity of a version: immutable")
    ]
    count: Annotated[
        Replicas,
        Field(
            description="instances per region, before spec.scale; 0 is one instance per region outside any "
            "zone. Live: a change restarts no pod"
        ),
    ]
    regions: Annotated[
        int,
        Field(
            ge=0,
            le=6,
            description="number of regions; 0 is one instance outside any region. Live: a change restarts "
            "no pod",
        ),
    ] = 0
    dependencies: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=38)]],
        Field(
            max_length=MAX_DEPENDENCIES,
            description="tiers that this tier may call; a store lists itself to replicate, and eureka to "
            "replicate across regions. Live: a change restarts no pod",
        ),
    ] = Field(default_factory=list)
    load: Annotated[
        Load | None,
        Field(description="requests that a denominator sends. Live: a change restarts no pod"),
    ] = None
    image: Annotated[
        ImageName | None,
        Field(
            description="image of the tier's pods; spec.runtime.image if left out. Identity of a version: "
            "immutable"
        ),
    ] = None
    behavior: Annotated[
        Behavior | None,
        Field(description="how the tier behaves besides its role. Identity of a version: immutable"),
    ] = None
    versions: Annotated[
        list[Version] | None,
        Field(
            min_length=1,
            max_length=MAX_VERSIONS,
            description="versions that run side by side; the one version 1.0.0 if left out. Adding or "
            "removing a version restarts no other pod",
        ),
    ] = None
    routing: Annotated[
        Routing | None,
        Field(description="which version receives the tier's requests. Live: a change restarts no pod"),
    ] = None
