"""Pure: the readable parts of an Architecture that may have errors, for the rules between its fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from spiko_nanoservice.contract import Traits, traits_of
from spiko_operator.api.service import DEFAULT_VERSION

MOST_NUMBER = 10**9  # far above every limit of the schema
_REGIONS = tuple(f"the {which} region" for which in ("first", "second", "third", "fourth", "fifth", "sixth"))


@dataclass(frozen=True)
class PartialVersion:
    """One declared version."""

    name: str
    path: str
    package: str | None = None
    replicas: int | None = None


@dataclass(frozen=True)
class PartialService:
    """One service; None where a value is missing, of the wrong type or far out of range."""

    path: str
    name: str | None
    package: str | None
    count: int | None
    regions: int | None
    dependencies: tuple[tuple[str, str], ...]  # path, name
    versions: tuple[PartialVersion, ...] | None
    split: tuple[tuple[str, str, int | None], ...] | None  # path, version, weight
    service_times: tuple[tuple[str, Mapping[str, Any]], ...]  # path, serviceTime
    has_load: bool
    rate: int | None  # of its load


@dataclass(frozen=True)
class PartialSpec:
    """The readable parts of an Architecture.

    `zones` are the names of a region's zones in order; `places` are the regions and zones in the spec, None
    if the nodes' labels decide.
    """

    name: str | None
    victim: str | None
    services: tuple[PartialService, ...]
    zones: tuple[str, ...]
    places: tuple[tuple[str, tuple[str, ...]], ...] | None = None
    monkey: Mapping[str, Any] = field(default_factory=dict)
    otlp_endpoint: str | None = None
    scale: int = 100
    runtime: Mapping[str, Any] = field(default_factory=dict)

    def zones_of(self, region: int) -> tuple[str, ...]:
        """Return the names of the zones of a region, in order."""
        listed = self.places[region][1] if self.places and region < len(self.places) else ()
        return listed or self.zones

    def region_name(self, region: int) -> str:
        """Return the name of a region, or which one it is if the nodes' labels decide."""
        return self.places[region][0] if self.places and region < len(self.places) else _REGIONS[region]

    @cached_property
    def tiers(self) -> Mapping[str, PartialService]:
        """Services by name; of two with the same name, the last one."""
        return {service.name: service for service in self.services if service.name}


def read_partial_spec(document: Mapping[str, Any]) -> PartialSpec:
    """Return the readable parts of a document. Never raises."""
    metadata, spec = _mapping(document.get("metadata")), _mapping(document.get("spec"))
    services = spec.get("services")
    read = [
        _service(f"spec.services[{i}]", item)
        for i, item in enumerate(services if isinstance(services, list) else ())
        if isinstance(item, Mapping)
    ]
    return PartialSpec(
        _text(metadata.get("name")),
        _text(spec.get("victim")),
        tuple(read),
        _zones(spec),
        _places(spec),
        _mapping(_mapping(spec.get("chaos")).get("monkey")),
        _text(_mapping(spec.get("telemetry")).get("otlpEndpoint")),
        _scale(spec),
        _mapping(spec.get("runtime")),
    )


def _scale(spec: Mapping[str, Any]) -> int:
    scale = _number(spec.get("scale", 100))
    return 100 if scale is None else scale


def _zones(spec: Mapping[str, Any]) -> tuple[str, ...]:
    regions = _mapping(spec.get("topology")).get("regions")
    for region in regions if isinstance(regions, list) else ():
        zones = _mapping(region).get("zones")
        if isinstance(zones, list) and zones and all(isinstance(zone, str) for zone in zones):
            return tuple(zones)
    return ("the first zone", "the second zone", "the third zone")


def _places(spec: Mapping[str, Any]) -> tuple[tuple[str, tuple[str, ...]], ...] | None:
    regions = _mapping(spec.get("topology")).get("regions")
    if not isinstance(regions, list):
        return None
    read = [(_mapping(region).get("name"), _mapping(region).get("zones")) for region in regions]
    if not all(isinstance(name, str) and isinstance(zones, list) for name, zones in read):
        return None
    return tuple((str(name), tuple(str(zone) for zone in zones or ())) for name, zones in read)


def _service(path: str, item: Mapping[str, Any]) -> PartialService:
    dependencies = item.get("dependencies")
    versions = item.get("versions")
    split = _mapping(item.get("routing")).get("split")
    entries = [
        (f"{path}.versions[{i}]", _mapping(v))
        for i, v in enumerate(versions if isinstance(versions, list) else ())
    ]
    behaviors = [(where, _mapping(entry.get("behavior"))) for where, entry in ((path, item), *entries)]
    times = [(f"{where}.behavior.serviceTime", behavior.get("serviceTime")) for where, behavior in behaviors]
    regions, load = item.get("regions", 0), _mapping(item.get("load"))
    return PartialService(
        path=path,
        name=_text(item.get("name")),
        package=_text(item.get("package")),
        count=_number(item.get("count")),
        regions=_number(regions),
        dependencies=tuple(
            (f"{path}.dependencies[{i}]", name)
            for i, name in enumerate(dependencies if isinstance(dependencies, list) else ())
            if isinstance(name, str)
        ),
        versions=tuple(
            PartialVersion(str(v["version"]), where, _text(v.get("package")), _number(v.get("replicas")))
            for where, v in entries
            if isinstance(v.get("version"), str)
        )
        if isinstance(versions, list)
        else None,
        split=tuple(
            (f"{path}.routing.split[{i}]", str(s["version"]), _number(s.get("weight")))
            for i, s in enumerate(map(_mapping, split))
            if isinstance(s.get("version"), str)
        )
        if isinstance(split, list)
        else None,
        service_times=tuple((where, time) for where, time in times if isinstance(time, Mapping)),
        has_load=item.get("load") is not None,
        rate=_number(load.get("ratePerSecond")),
    )


def declared(service: PartialService) -> tuple[str, ...]:
    """Return the names of a service's versions."""
    return (DEFAULT_VERSION,) if service.versions is None else tuple(v.name for v in service.versions)


def has_source(service: PartialService) -> bool:
    """Whether a version of a service sends requests of its own."""
    return any(traits.source for traits in traits_in(service))


def traits_in(service: PartialService) -> list[Traits]:
    """Return the traits of the known packages of a service's versions."""
    return [traits for package in packages(service) if (traits := traits_of(package)) is not None]


def packages(service: PartialService) -> tuple[str, ...]:
    """Return the packages of a service's versions."""
    own = [version.package or service.package for version in service.versions or ()] or [service.package]
    return tuple(sorted({package for package in own if package is not None}))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: Any) -> int | None:
    is_number = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_NUMBER
    return value if is_number else None
