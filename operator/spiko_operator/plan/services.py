"""Pure: the versions of a service, with the fields that a version inherits from its service filled in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.api.service import DEFAULT_VERSION, Service
from spiko_operator.plan.state import digest
from spiko_operator.plan.topology import Space, Topology, scaled, spaces


@dataclass(frozen=True)
class Identity:
    """The immutable part of a version.

    `behavior` has plain values; `image` is empty if the runtime's is used.
    """

    package: str
    image: str
    behavior: tuple[tuple[str, Any], ...]

    def hash(self) -> str:
        """Return a hash of the identity."""
        return digest([self.package, self.image, [list(pair) for pair in self.behavior]])


@dataclass(frozen=True)
class Release:
    """One version of one service, with its places."""

    tier: str
    version: str
    identity: Identity
    behavior_json: dict[str, Any]
    weight: int
    spaces: tuple[Space, ...]


def releases(service: Service, topology: Topology, scale_percent: int) -> tuple[Release, ...]:
    """Return the versions of a service in the order of the spec; 1.0.0 alone if it declares no versions."""
    split = {
        share.version: share.weight for share in (service.routing.split if service.routing else None) or ()
    }
    found = []
    for position, version in enumerate(service.versions or [None]):
        name = version.version if version else DEFAULT_VERSION
        behavior = (version.behavior if version else None) or service.behavior
        plain = behavior.model_dump(mode="json", by_alias=True, exclude_none=True) if behavior else {}
        image = (version.image if version else None) or service.image or ""
        package = (version.package if version else None) or service.package
        count = version.replicas if version and version.replicas is not None else service.count
        weight = split.get(name, 0) if split else int(position == 0)
        placed = (
            ()
            if version and version.replicas == 0
            else spaces(topology, service.regions, scaled(count, scale_percent))
        )
        identity = Identity(package.value, image, tuple(sorted(plain.items(), key=lambda item: item[0])))
        found.append(Release(service.name, name, identity, plain, weight, placed))
    return tuple(found)


def all_releases(spec: ArchitectureSpec, topology: Topology) -> list[Release]:
    """Return every version of every service."""
    return [release for service in spec.services for release in releases(service, topology, spec.scale)]
