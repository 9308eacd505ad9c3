"""What operator, eurekas and pods exchange.

It uses the standard library only, so that both sides can import it.

The operator writes a `Configuration` and pushes it to the eurekas, each time with a higher `Revision`; a
eureka sends each pod the part that the pod acts on. A pod template may set the environment variables below;
everything that may change without a restart is part of the configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from spiko_nanoservice.contract.encoding import ContractError as ContractError
from spiko_nanoservice.contract.encoding import decode as decode
from spiko_nanoservice.contract.encoding import encode as encode
from spiko_nanoservice.contract.packages import PACKAGES as PACKAGES
from spiko_nanoservice.contract.packages import Package as Package
from spiko_nanoservice.contract.packages import Sees as Sees
from spiko_nanoservice.contract.packages import StorageKind as StorageKind
from spiko_nanoservice.contract.packages import Traits as Traits
from spiko_nanoservice.contract.packages import traits_of as traits_of

# A eureka supports this version and the one before.
PROTOCOL = 1

# The region of a pod outside any region, and the zone of a pod without one.
ANYWHERE = "*"
# The reserved tier name, and the pseudo-dependency.
EUREKA = "eureka"

HTTP_PORT = 8080
EUREKA_PORT = 7070

HISTOGRAM_LOWEST_US = 1
HISTOGRAM_HIGHEST_US = 60_000_000
# Fixed in the protocol, so that all histograms merge.
HISTOGRAM_DIGITS = 2

DEADLINE_HEADER = b"spiko-deadline-ms"
WRITTEN_HEADER = b"spiko-written-us"
REASON_HEADER = b"spiko-reason"
# Characters of a reason that a client keeps.
LONGEST_REASON = 64
# Bytes of a tracestate or baggage header; a longer one is dropped. W3C asks for at least 512 and 8,192.
LONGEST_PROPAGATED = 8_192
DEFAULT_DEADLINE_MS = 2_000
DEFAULT_RATE_PER_SECOND = 100
DEFAULT_SAMPLES_PER_MILLION = 1_000_000

ENV_ARCHITECTURE = "SPIKO_ARCHITECTURE"
ENV_TIER = "SPIKO_TIER"
ENV_PACKAGE = "SPIKO_PACKAGE"
ENV_VERSION = "SPIKO_VERSION"
ENV_REGION = "SPIKO_REGION"
ENV_ZONE = "SPIKO_ZONE"
ENV_BEHAVIOR = "SPIKO_BEHAVIOR"
ENV_EUREKA = "SPIKO_EUREKA"
ENV_EUREKA_REGION = "SPIKO_EUREKA_REGION"
ENV_NAMESPACE = "SPIKO_NAMESPACE"
ENV_POD_NAME = "SPIKO_POD_NAME"
ENV_POD_UID = "SPIKO_POD_UID"
ENV_POD_IP = "SPIKO_POD_IP"
ENV_NODE_NAME = "SPIKO_NODE_NAME"
ENV_BIND_ADDRESS = "SPIKO_BIND_ADDRESS"
ENV_BIND_PORT = "SPIKO_BIND_PORT"
ENV_RESOLVER = "SPIKO_RESOLVER"
ENV_LIFELINE = "SPIKO_LIFELINE"


class Reason(StrEnum):
    """Why a call failed, in `spiko-reason`, counters and `error.type`."""

    NO_ROUTE = "no_route"
    # No node of any reachable ring has the key's slot.
    NO_OWNER = "no_owner"
    # The node does not own the key in its view, or not yet: the caller asks again after a pause.
    MOVING = "moving"
    REFUSED = "refused"
    RESET = "reset"
    TIMEOUT = "timeout"
    OVERLOADED = "overloaded"
    INJECTED = "injected"
    PROTOCOL = "protocol"


@dataclass(frozen=True, order=True)
class Revision:
    """Orders configurations: by the leader's term, then by a counter within the term."""

    term: int
    counter: int

    def __str__(self) -> str:
        """Return the short form for status and logs, such as 0.7."""
        return f"{self.term}.{self.counter}"


@dataclass(frozen=True)
class Place:
    """How many instances belong in one zone."""

    region: str
    zone: str
    size: int


@dataclass(frozen=True)
class VersionConfig:
    """One version: its weight, relative to the sum of its tier's weights, and the zones of its instances."""

    version: str
    weight: int
    places: tuple[Place, ...]


@dataclass(frozen=True)
class TierConfig:
    """One tier.

    `places` has the tier's declared count: it is the weight of a dependency on the tier, whatever replicas
    the versions have.
    """

    name: str
    package: str
    dependencies: tuple[str, ...]
    places: tuple[Place, ...]
    versions: tuple[VersionConfig, ...]
    rate_per_second: int = 0


@dataclass(frozen=True)
class Zones:
    """A region and its zones, in order."""

    region: str
    zones: tuple[str, ...]


@dataclass(frozen=True)
class Configuration:
    """Everything that reaches pods without a restart.

    `started` says whether the architecture was ever ready: a eureka that starts later must not grant slots at
    once.
    """

    architecture: str
    revision: Revision
    regions: tuple[Zones, ...]
    tiers: tuple[TierConfig, ...]
    started: bool = False
    deadline_ms: int = DEFAULT_DEADLINE_MS
    otlp_endpoint: str = ""
    samples_per_million: int = DEFAULT_SAMPLES_PER_MILLION


@dataclass(frozen=True)
class PodConfig:
    """The part of a `Configuration` that one pod acts on.

    Attributes:
        revision: of the configuration.
        rate_per_second: requests per second that a source sends.
        deadline_ms: of requests that begin at the pod or come without a deadline.
        otlp_endpoint: base URL of the collector; empty for none.
        samples_per_million: the share of traces beginning at the pod that are sampled.
        regions: the regions to register in, the own one first.
        zones: the zones of the own region in order; slot and zone give the instance's index.
        started: whether the architecture was ever ready: until then a source holds back.
    """

    revision: Revision
    rate_per_second: int = 0
    deadline_ms: int = DEFAULT_DEADLINE_MS
    otlp_endpoint: str = ""
    samples_per_million: int = DEFAULT_SAMPLES_PER_MILLION
    regions: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    started: bool = True


@dataclass(frozen=True)
class Hello:
    """A pod's registration; the protocol version comes first.

    Attributes:
        protocol: the version that the pod supports.
        id: the pod's UID.
        registration: start of the process in milliseconds, then a counter: of two registrations the higher
            one is newer.
        slot: the pod's slot; None before the first grant, and for a spare.
        grant: the number of the slot's grant: of two claims to a slot the lower number wins.
    """

    protocol: int
    id: str
    name: str
    tier: str
    package: str
    version: str
    region: str
    zone: str
    address: str
    port: int
    registration: tuple[int, int]
    slot: int | None = None
    grant: int | None = None


@dataclass(frozen=True)
class Instance:
    """One entry of a routing table.

    It has a slot only for callers of the same tier, and only if the tier is a ring.
    """

    id: str
    tier: str
    package: str
    version: str
    region: str
    zone: str
    address: str
    port: int
    slot: int | None = None


@dataclass(frozen=True)
class Dependency:
    """A tier that may be called, weighted by its visible declared instances, and its versions by weight."""

    tier: str
    weight: int
    versions: tuple[tuple[str, int], ...]


def authority(address: str, port: int) -> str:
    """Return an address and a port in the form of URLs and Host headers.

    >>> authority("10.0.0.1", 8080), authority("fd00::1", 8080)
    ('10.0.0.1:8080', '[fd00::1]:8080')
    """
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
