"""What operator, eureka and pods say to each other: standard library only, so that both sides can import it.

The operator writes a `Configuration` and pushes it to the eurekas, each with a higher `Revision`; a eureka passes each pod the part that
concerns it. The environment names below are what a pod template may set; everything that may change without a restart is configuration.
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

PROTOCOL = 1  # a eureka speaks this version and the one before

ANYWHERE = "*"  # outside any region, or without a zone
EUREKA = "eureka"  # the reserved tier name, and the pseudo-dependency


HTTP_PORT = 8080
EUREKA_PORT = 7070

HISTOGRAM_LOWEST_US = 1
HISTOGRAM_HIGHEST_US = 60_000_000
HISTOGRAM_DIGITS = 2  # fixed in the protocol, so that all histograms merge

DEADLINE_HEADER = b"spiko-deadline-ms"
WRITTEN_HEADER = b"spiko-written-us"
REASON_HEADER = b"spiko-reason"
LONGEST_REASON = 64  # characters of a reason that a client keeps
# Bytes of tracestate or baggage: longer ones are dropped. W3C asks for at least 512 and 8,192.
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
    NO_OWNER = "no_owner"  # no node of any ring in reach has the key's slot
    MOVING = "moving"  # the node asked does not own the key as far as it knows, or not yet: ask again in a moment
    REFUSED = "refused"
    RESET = "reset"
    TIMEOUT = "timeout"
    OVERLOADED = "overloaded"
    INJECTED = "injected"
    PROTOCOL = "protocol"


@dataclass(frozen=True, order=True)
class Revision:
    """Order of configurations: leader terms first, then a counter within the term."""

    term: int
    counter: int

    def __str__(self) -> str:
        """Short form for status and logs, such as 0.7."""
        return f"{self.term}.{self.counter}"


@dataclass(frozen=True)
class Place:
    """How many instances belong in one zone (`*` without)."""

    region: str
    zone: str
    size: int


@dataclass(frozen=True)
class VersionConfig:
    """One version: its weight, relative to the sum of its tier's, and where its instances belong."""

    version: str
    weight: int
    places: tuple[Place, ...]


@dataclass(frozen=True)
class TierConfig:
    """What the registry knows of a tier."""

    name: str
    package: str
    dependencies: tuple[str, ...]
    places: tuple[Place, ...]  # by the tier's count: the weight of a dependency, whatever the versions' replicas
    versions: tuple[VersionConfig, ...]
    rate_per_second: int = 0


@dataclass(frozen=True)
class Zones:
    """A region and its zones, in order."""

    region: str
    zones: tuple[str, ...]


@dataclass(frozen=True)
class Configuration:
    """Everything that reaches pods without a restart."""

    architecture: str
    revision: Revision
    regions: tuple[Zones, ...]
    tiers: tuple[TierConfig, ...]
    started: bool = False  # was the architecture ever ready: a eureka that comes later must not grant slots at once
    deadline_ms: int = DEFAULT_DEADLINE_MS
    otlp_endpoint: str = ""
    samples_per_million: int = DEFAULT_SAMPLES_PER_MILLION


@dataclass(frozen=True)
class PodConfig:
    """The part of a `Configuration` that one pod acts on."""

    revision: Revision
    rate_per_second: int = 0
    deadline_ms: int = DEFAULT_DEADLINE_MS
    otlp_endpoint: str = ""
    samples_per_million: int = DEFAULT_SAMPLES_PER_MILLION
    regions: tuple[str, ...] = ()  # where to register besides the own region
    zones: tuple[str, ...] = ()  # the own region's zones, in order: slot and zone give the index
    started: bool = True  # was the architecture ever ready: a source holds back until then


@dataclass(frozen=True)
class Hello:
    """A pod presents itself to a eureka; protocol version first."""

    protocol: int
    id: str  # the pod's UID
    name: str
    tier: str
    package: str
    version: str
    region: str
    zone: str
    address: str
    port: int
    registration: tuple[int, int]  # process start in ms, then a counter: the higher claim is the newer one
    slot: int | None = None
    grant: int | None = None  # when the slot was granted: of two claims the older wins


@dataclass(frozen=True)
class Instance:
    """One entry of a routing table. Its slot is told to its own tier only, and only where it is a place on a ring."""

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
    """A tier that may be called: weighted by its visible declared instances; then versions by weight."""

    tier: str
    weight: int
    versions: tuple[tuple[str, int], ...]


def authority(address: str, port: int) -> str:
    """Return an address and a port as URLs and Host headers have them.

    >>> authority("10.0.0.1", 8080), authority("fd00::1", 8080)
    ('10.0.0.1:8080', '[fd00::1]:8080')
    """
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
