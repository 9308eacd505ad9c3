"""What operator, eurekas and pods exchange.

It uses the standard library only, so that both sides can import it.

The operator writes a `Configuration` and pushes it to the eurekas, each time with a higher `Revision`; a
eureka sends each pod the part that the pod acts on. A pod template may set the environment variables below;
everything that may change without a restart is part of the configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Annotated

from spiko_nanoservice.contract.bounds import (
    MOST_COUNTER,
    MOST_TERM,
    Address,
    Count,
    Counter,
    DeadlineMs,
    Items,
    Name,
    PerMillion,
    Port,
    StartMs,
    Term,
    Url,
    Weight,
)
from spiko_nanoservice.contract.encoding import decode as decode
from spiko_nanoservice.contract.encoding import encode as encode
from spiko_nanoservice.contract.errors import ContractError as ContractError
from spiko_nanoservice.contract.json_text import parse_json as parse_json
from spiko_nanoservice.contract.json_text import parse_object as parse_object
from spiko_nanoservice.contract.packages import PACKAGES as PACKAGES
from spiko_nanoservice.contract.packages import Package as Package
from spiko_nanoservice.contract.packages import Sees as Sees
from spiko_nanoservice.contract.packages import StorageKind as StorageKind
from spiko_nanoservice.contract.packages import Traits as Traits
from spiko_nanoservice.contract.packages import traits_of as traits_of

# A eureka supports this version and the one before.
PROTOCOL = 1

# Bounds of lists: items of a list, places of a version, tiers of an architecture.
MOST_ITEMS, MOST_PLACES, MOST_TIERS = 128, 1_024, 1_000

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
# The directory in which a cluster without containers puts volumes; the paths of mounts begin there.
ENV_VOLUMES_ROOT = "SPIKO_VOLUMES_ROOT"
KEYS_PATH = "/var/run/spiko/keys"
# The directory with what an OTLP collector asks for: the optional files `headers` and `ca.crt`.
OTLP_SECRET_PATH = "/var/run/spiko-otlp"


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

    term: Term
    counter: Counter

    def __str__(self) -> str:
        """Return the short form for status and logs, such as 0.7."""
        return f"{self.term}.{self.counter}"

    def next(self) -> Revision | None:
        """Return a higher revision: the next counter, else the next term; None above the last one."""
        if self.counter < MOST_COUNTER:
            return Revision(self.term, self.counter + 1)
        return Revision(self.term + 1, 0) if self.term < MOST_TERM else None


@dataclass(frozen=True)
class Place:
    """How many instances belong in one zone."""

    region: Name
    zone: Name
    size: Count


@dataclass(frozen=True)
class VersionConfig:
    """One version: its weight, relative to the sum of its tier's weights, and the zones of its instances."""

    version: Name
    weight: Weight
    places: Annotated[tuple[Place, ...], Items(MOST_PLACES)]


@dataclass(frozen=True)
class TierConfig:
    """One tier.

    `places` has the tier's declared count: it is the weight of a dependency on the tier, whatever replicas
    the versions have.
    """

    name: Name
    package: Name
    dependencies: Annotated[tuple[Name, ...], Items(MOST_ITEMS)]
    places: Annotated[tuple[Place, ...], Items(MOST_PLACES)]
    versions: Annotated[tuple[VersionConfig, ...], Items(MOST_ITEMS)]
    rate_per_second: Count = 0


@dataclass(frozen=True)
class Zones:
    """A region and its zones, in order."""

    region: Name
    zones: Annotated[tuple[Name, ...], Items(MOST_ITEMS)]


@dataclass(frozen=True)
class Configuration:
    """Everything that reaches pods without a restart.

    `started` says whether the architecture was ever ready: a eureka that starts later must not grant slots at
    once.
    """

    architecture: Name
    revision: Revision
    regions: Annotated[tuple[Zones, ...], Items(MOST_ITEMS)]
    tiers: Annotated[tuple[TierConfig, ...], Items(MOST_TIERS)]
    started: bool = False
    deadline_ms: DeadlineMs = DEFAULT_DEADLINE_MS
    otlp_endpoint: Url = ""
    otlp_gzip: bool = False
    samples_per_million: PerMillion = DEFAULT_SAMPLES_PER_MILLION

    @cached_property
    def tiers_by_name(self) -> dict[str, TierConfig]:
        """The tiers by name; a eureka looks tiers up with every registration."""
        return {tier.name: tier for tier in self.tiers}


@dataclass(frozen=True)
class PodConfig:
    """The part of a `Configuration` that one pod acts on.

    Attributes:
        revision: of the configuration.
        rate_per_second: requests per second that a source sends.
        deadline_ms: of requests that begin at the pod or come without a deadline.
        otlp_endpoint: base URL of the collector; empty for none.
        otlp_gzip: whether spans are compressed.
        samples_per_million: the share of traces beginning at the pod that are sampled.
        regions: the regions to register in, the own one first.
        zones: the zones of the own region in order; slot and zone give the instance's index.
        started: whether the architecture was ever ready: until then a source holds back.
    """

    revision: Revision
    rate_per_second: Count = 0
    deadline_ms: DeadlineMs = DEFAULT_DEADLINE_MS
    otlp_endpoint: Url = ""
    otlp_gzip: bool = False
    samples_per_million: PerMillion = DEFAULT_SAMPLES_PER_MILLION
    regions: Annotated[tuple[Name, ...], Items(MOST_ITEMS)] = ()
    zones: Annotated[tuple[Name, ...], Items(MOST_ITEMS)] = ()
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

    protocol: Count
    id: Name
    name: Name
    tier: Name
    package: Name
    version: Name
    region: Name
    zone: Name
    address: Address
    port: Port
    registration: tuple[StartMs, Counter]
    slot: Count | None = None
    grant: Counter | None = None


@dataclass(frozen=True)
class Instance:
    """One entry of a routing table.

    It has a slot only for callers of the same tier, and only if the tier is a ring.
    """

    id: Name
    tier: Name
    package: Name
    version: Name
    region: Name
    zone: Name
    address: Address
    port: Port
    slot: Count | None = None


@dataclass(frozen=True)
class Dependency:
    """A tier that may be called, weighted by its visible declared instances, and its versions by weight."""

    tier: Name
    weight: Weight
    versions: Annotated[tuple[tuple[Name, Weight], ...], Items(MOST_ITEMS)]


def authority(address: str, port: int) -> str:
    """Return an address and a port in the form of URLs and Host headers.

    >>> authority("10.0.0.1", 8080), authority("fd00::1", 8080)
    ('10.0.0.1:8080', '[fd00::1]:8080')
    """
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
