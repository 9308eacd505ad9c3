"""`Architecture`: the tiers of a system, how many, where, and who calls whom.

The five Spigo words (`name`, `package`, `count`, `regions`, `dependencies`) keep their meaning; everything else refines them. Fields that
are part of a version's identity (`package`, `image`, `behavior`) have no defaults in the schema: a default changed later would change the
identity of what runs.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spiko_nanoservice.contract import Package
from spiko_operator.api.common import (
    MAX_DEPENDENCIES,
    MAX_SERVICES,
    MAX_VERSIONS,
    Condition,
    ImageName,
    Model,
    PlaceName,
    Quantity,
    TierName,
    VersionName,
)

KIND = "Architecture"
PLURAL = "architectures"
DEFAULT_VERSION = "1.0.0"

Microseconds = Annotated[int, Field(ge=0, le=60_000_000)]
PerMillion = Annotated[int, Field(ge=0, le=1_000_000)]
_HOST = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?)"
_PORT = r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
ENDPOINT_PATTERN = rf"^http://{_HOST}(:{_PORT})?(/[^\s?#]*)?$"
Replicas = Annotated[int, Field(ge=0, le=10_000)]


class Constant(Model):
    """The same service time for every request."""

    microseconds: Annotated[Microseconds, Field(description="service time of every request")]


class Lognormal(Model):
    """A lognormal service time, given by two percentiles."""

    median_microseconds: Annotated[Microseconds, Field(description="median service time")]
    p99_microseconds: Annotated[Microseconds, Field(description="99th percentile; must be above the median")]


class ServiceTime(Model):
    """How long a pod works on a request before it answers or calls a dependency: exactly one distribution."""

    constant: Annotated[Constant | None, Field(description="the same for every request")] = None
    lognormal: Annotated[Lognormal | None, Field(description="drawn per request from a lognormal distribution")] = None


class Behavior(Model):
    """What a version does besides its role. Identity of a version: immutable."""

    service_time: Annotated[
        ServiceTime | None,
        Field(description="work of its own before it answers or calls a dependency; none if left out"),
    ] = None
    errors_per_million: Annotated[
        PerMillion | None, Field(description="share of requests answered with 503 at once; 0 if left out")
    ] = None


class Load(Model):
    """What a source (package denominator) sends. Live: changing it restarts no pod."""

    rate_per_second: Annotated[
        int | None, Field(ge=0, le=100_000, description="requests per second; 100 if left out")
    ] = None


class Version(Model):
    """One immutable version of a service: identity (package, image, behavior), and capacity, which may change."""

    version: Annotated[VersionName, Field(description="interface.feature.bugfix, such as 1.2.3")]
    package: Annotated[Package | None, Field(description="the service's if left out; immutable")] = None
    image: Annotated[ImageName | None, Field(description="the service's if left out; immutable")] = None
    behavior: Annotated[Behavior | None, Field(description="the service's if left out; immutable")] = None
    replicas: Annotated[Replicas | None, Field(description="per region; the service's count if left out")] = None


class Share(Model):
    """A version's share of a service's requests."""

    version: Annotated[VersionName, Field(description="a declared one")]
    weight: Annotated[
        int, Field(ge=0, le=1_000_000, description="share relative to the sum of the split's weights, such as 99 and 1")
    ]


class Routing(Model):
    """Who gets a service's requests; changing it restarts no pod."""

    split: Annotated[
        list[Share] | None,
        Field(
            min_length=1,
            max_length=MAX_VERSIONS,
            description="weight per version, not all 0; the first declared version gets all requests if left out",
        ),
    ] = None


class Service(Model):
    """One tier."""

    name: Annotated[TierName, Field(description="unique; eureka is reserved")]
    package: Annotated[Package, Field(description="the tier's role")]
    count: Annotated[Replicas, Field(description="instances per region; 0 is one without a zone")]
    regions: Annotated[int, Field(ge=0, le=6, description="0 is one instance outside any region")] = 0
    dependencies: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=38)]],
        Field(max_length=MAX_DEPENDENCIES, description="tiers that this one calls; may name itself, or eureka"),
    ] = Field(default_factory=list)
    load: Annotated[Load | None, Field(description="requests that a denominator sends; live")] = None
    image: Annotated[ImageName | None, Field(description="the runtime's if left out; immutable per version")] = None
    behavior: Annotated[Behavior | None, Field(description="immutable per version")] = None
    versions: Annotated[
        list[Version] | None,
        Field(min_length=1, max_length=MAX_VERSIONS, description="the one version 1.0.0 if left out"),
    ] = None
    routing: Routing | None = None


class RegionTopology(Model):
    """A region and its zones, by the values of the nodes' labels."""

    name: Annotated[PlaceName, Field(description="value of the label topology.kubernetes.io/region")]
    zones: Annotated[
        list[PlaceName],
        Field(min_length=1, max_length=16, description="values of the label topology.kubernetes.io/zone, in order"),
    ]


class SpecTopology(Model):
    """Where pods may go; chosen from the nodes' labels if left out, and only growing afterwards."""

    regions: Annotated[
        list[RegionTopology],
        Field(min_length=1, max_length=6, description="in order; a tier of n regions uses the first n"),
    ]


class Telemetry(Model):
    """Where spans go, and how many traces are kept."""

    otlp_endpoint: Annotated[
        str | None,
        Field(
            max_length=255,
            pattern=ENDPOINT_PATTERN,
            description="base URL of an OTLP/HTTP collector; port 4318 if left out",
        ),
    ] = None
    samples_per_million: Annotated[PerMillion | None, Field(description="traces kept; 1000000 if left out")] = None


class ResourceAmounts(Model):
    """CPU and memory, as Kubernetes quantities."""

    cpu: Annotated[Quantity | None, Field(description="such as 100m")] = None
    memory: Annotated[Quantity | None, Field(description="such as 32Mi")] = None


class Resources(Model):
    """What a pod asks for and may use."""

    requests: ResourceAmounts | None = None
    limits: ResourceAmounts | None = None


class Toleration(Model):
    """A taint that pods tolerate."""

    key: Annotated[str | None, Field(max_length=316, description="of the taint; every one if left out")] = None
    operator: Annotated[Literal["Exists", "Equal"] | None, Field(description="Equal compares the value")] = None
    value: Annotated[str | None, Field(max_length=63, description="of the taint")] = None
    effect: Annotated[
        Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None, Field(description="every one if left out")
    ] = None


class Runtime(Model):
    """How pods run, whatever their tier. Recorded at first acceptance; changing it is a rolling update."""

    image: Annotated[ImageName | None, Field(description="the nanoservice image")] = None
    resources: Resources | None = None
    tolerations: Annotated[
        list[Toleration] | None, Field(max_length=16, description="besides those of a lost node, for 5 s")
    ] = None


class Monkey(Model):
    """Kills one pod of the victim tier at random intervals. Live: changing it restarts no pod."""

    mode: Annotated[
        Literal["Off", "DryRun", "Enforce"],
        Field(
            description='DryRun reports in events which pod it would kill; YAML reads a bare Off as false: write "Off"'
        ),
    ] = "Off"
    method: Annotated[
        Literal["Evict", "Delete"] | None,
        Field(description="Evict (if left out) respects disruption budgets; Delete kills without a grace period"),
    ] = None
    mean_seconds: Annotated[
        int, Field(ge=1, le=2_592_000, description="mean time between kills; what exceeds minSeconds is exponential")
    ] = 300
    min_seconds: Annotated[
        int | None,
        Field(ge=1, le=2_592_000, description="never sooner after the last; a tenth of meanSeconds if left out"),
    ] = None
    seed: Annotated[
        int | None,
        Field(
            ge=0,
            le=2**31 - 1,
            description="the same seed and pods give the same victims, in the same order; from the Architecture's UID if left out",
        ),
    ] = None


class Chaos(Model):
    """Faults that recur; a single one is an object of kind Fault."""

    monkey: Monkey | None = None


class ArchitectureSpec(Model):
    """Desired state."""

    description: Annotated[str | None, Field(max_length=1024, description="for people")] = None
    victim: Annotated[str | None, Field(max_length=38, description="tier targeted by the chaos monkey")] = None
    chaos: Chaos | None = None
    scale: Annotated[int, Field(ge=1, le=10_000, description="percent of every count")] = 100
    topology: SpecTopology | None = None
    telemetry: Telemetry | None = None
    runtime: Runtime | None = None
    services: Annotated[list[Service], Field(min_length=1, max_length=MAX_SERVICES, description="the tiers")]


class NotReady(Model):
    """A Deployment that lacks pods."""

    tier: Annotated[str, Field(max_length=38, description="its tier")]
    version: Annotated[str, Field(max_length=17, description="its version")]
    place: Annotated[str, Field(max_length=128, description="region and zone")]
    ready: Annotated[int, Field(ge=0, description="pods that are Ready")]
    desired: Annotated[int, Field(ge=0, description="pods that there should be, with scale")]


class Summary(Model):
    """The printer columns."""

    tiers: Annotated[str, Field(max_length=24, description="ready/all")]
    pods: Annotated[str, Field(max_length=24, description="ready/desired")]


class Condemned(Model):
    """The pod that the monkey has chosen: written down before it is touched."""

    pod: Annotated[str, Field(max_length=253, description="its name")]
    uid: Annotated[str, Field(max_length=64, description="a pod of the same name with another UID is another pod")]
    tier: Annotated[str, Field(max_length=38, description="its tier")]
    version: Annotated[str, Field(max_length=17, description="its version")]
    place: Annotated[str, Field(max_length=128, description="region and zone")]
    replica_set: Annotated[str | None, Field(max_length=253, description="its owner, whose next pod replaces it")] = (
        None
    )


class MonkeyKill(Model):
    """One kill of the monkey's; durations are from the act, in milliseconds, left out if nobody lived to measure them."""

    pod: Annotated[str, Field(max_length=253, description="its name")]
    uid: Annotated[str, Field(max_length=64, description="a pod of the same name with another UID is another pod")]
    tier: Annotated[str, Field(max_length=38, description="its tier")]
    place: Annotated[str, Field(max_length=128, description="region and zone")]
    at: Annotated[str, Field(max_length=32, description="when it was counted, at the act")]
    noticed_milliseconds: Annotated[int | None, Field(ge=0, description="until its last caller had left it")] = None
    replaced_milliseconds: Annotated[int | None, Field(ge=0, description="until the next pod was Ready")] = None
    requests_hurt: Annotated[int | None, Field(ge=0, description="calls to it that failed")] = None


class ChaosStatus(Model):
    """What the monkey did, and what its schedule follows from: the next kill is due at `since` plus the interval of draw number `draw`."""

    mode: Annotated[str | None, Field(max_length=16, description="in force")] = None
    seed: Annotated[int | None, Field(ge=0, description="in force; another one begins with draw 0")] = None
    draw: Annotated[int | None, Field(ge=0, description="number of the next draw since it was switched on")] = None
    since: Annotated[str | None, Field(max_length=32, description="the last draw, or when it was switched on")] = None
    next_at: Annotated[str | None, Field(max_length=32, description="not sooner")] = None
    waiting: Annotated[str | None, Field(max_length=256, description="why a kill that is due does not happen")] = None
    victim: Annotated[Condemned | None, Field(description="chosen, not yet known to be ended")] = None
    kills: Annotated[int | None, Field(ge=0, description="in all")] = None
    recent: Annotated[list[MonkeyKill] | None, Field(max_length=8, description="the last kills, newest first")] = None


class ArchitectureStatus(Model):
    """Observed state; written on transitions only."""

    observed_generation: Annotated[int | None, Field(ge=0, description="of the spec that the status is about")] = None
    scale: Annotated[int | None, Field(ge=0, description="percent in force, for the scale subresource")] = None
    summary: Summary | None = None
    regions: Annotated[list[RegionTopology] | None, Field(max_length=6, description="topology in force")] = None
    config_revision: Annotated[str | None, Field(max_length=32, description="configuration that the eurekas hold")] = (
        None
    )
    not_ready: Annotated[
        list[NotReady] | None, Field(max_length=32, description="Deployments that lack pods, the first 32")
    ] = None
    chaos: ChaosStatus | None = None
    conditions: Annotated[
        list[Condition] | None, Field(max_length=16, description="Accepted, Applied, Programmed, Ready, ZonesLabelled")
    ] = None
