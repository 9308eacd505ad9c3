"""Pure: the packages and their traits: one row for each in one table.

Visibility, lint, the predicted graph, staash, the slots of rings and the table in the docs use it. What a
package does with a request is its role, in `spiko_nanoservice.roles`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum


class Package(StrEnum):
    """A tier's role, spelled as Spigo spells it."""

    DENOMINATOR = "denominator"
    ELB = "elb"
    ZUUL = "zuul"
    KARYON = "karyon"
    MONOLITH = "monolith"
    STAASH = "staash"
    STORE = "store"
    CACHE = "cache"
    VOLUME = "volume"
    PRIAM_CASSANDRA = "priamCassandra"
    RIAK = "riak"


class Sees(Enum):
    """Which instances of its dependencies a caller inside a region may call."""

    REGION = "all zones of its region"
    ZONE = "its own zone"


class StorageKind(IntEnum):
    """Kinds of storage, in Spigo's order, in which a staash asks them."""

    CACHE = 1
    VOLUME = 2
    RING = 3
    STORE = 4
    STAASH = 5


@dataclass(frozen=True)
class Traits:
    """What distinguishes a package.

    Args:
        does: what it does with a request, for the docs.
        sees: which instances of its dependencies it may call.
        source: whether requests begin here; then the tier has a `load`.
        forwards: whether it sends requests on to its dependencies; a tier without any cannot answer.
        ring: whether its instances are nodes of hash rings; then key handover and owner routing apply.
        storage: which kind of storage it is to a staash; None if a staash does not ask it.
    """

    does: str
    sees: Sees = Sees.REGION
    source: bool = False
    forwards: bool = False
    ring: bool = False
    storage: StorageKind | None = None


_FORWARD = "forwards the request to one dependency and returns the reply"
_KEEP = "keeps keys in memory; copies writes to connected instances of its package"
_RING = "keeps keys on a ring of its tier's instances, with copies in other zones and regions"

PACKAGES: Mapping[Package, Traits] = {
    Package.DENOMINATOR: Traits(
        "sends requests of its own, at the rate of its load", source=True, forwards=True
    ),
    Package.ELB: Traits(_FORWARD, forwards=True),
    Package.ZUUL: Traits(_FORWARD, sees=Sees.ZONE, forwards=True),
    Package.KARYON: Traits(_FORWARD, sees=Sees.ZONE, forwards=True),
    Package.MONOLITH: Traits(_FORWARD, forwards=True),
    Package.STAASH: Traits(
        "asks each kind of storage that it depends on until one has the key; writes to all of them",
        forwards=True,
        storage=StorageKind.STAASH,
    ),
    Package.STORE: Traits(_KEEP, storage=StorageKind.STORE),
    Package.CACHE: Traits(_KEEP, storage=StorageKind.CACHE),
    Package.VOLUME: Traits(_KEEP, storage=StorageKind.VOLUME),
    Package.PRIAM_CASSANDRA: Traits(_RING, ring=True, storage=StorageKind.RING),
    Package.RIAK: Traits(_RING, ring=True, storage=StorageKind.RING),
}


def traits_of(package: str) -> Traits | None:
    """Return the traits of a package; None for a name that this release does not know, such as `eureka`.

    >>> traits_of("karyon").sees, traits_of("eureka")
    (<Sees.ZONE: 'its own zone'>, None)
    """
    try:
        return PACKAGES[Package(package)]
    except ValueError:
        return None
