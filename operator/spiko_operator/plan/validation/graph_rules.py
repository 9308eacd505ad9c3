"""Pure: the rules on the dependency graph: visibility, sources, routers without dependencies, cycles."""

from __future__ import annotations

from collections.abc import Iterator

from spiko_nanoservice.contract import Sees, StorageKind, Traits, traits_of
from spiko_operator.plan import names
from spiko_operator.plan.validation.cycles import find_cycles
from spiko_operator.plan.validation.findings import Finding, found
from spiko_operator.plan.validation.partial_spec import (
    PartialService,
    PartialSpec,
    has_source,
    packages,
    traits_in,
)


def graph_rules(spec: PartialSpec) -> list[Finding]:
    """Return the findings about the dependency graph."""
    seen = [finding for service in spec.services for finding in _visibility(spec, service)]
    return [*seen, *_sources(spec), *_called(spec), *_cycles(spec)]


def _zones_of(spec: PartialSpec, service: PartialService) -> frozenset[str] | None:
    """Return the zones of a service; `*` for an instance outside any zone; None if unknown."""
    if service.count is None or service.regions is None:
        return None
    if service.count == 0 or service.regions == 0:
        return frozenset({"*"})
    return frozenset(spec.zones[: service.count])


def _visibility(spec: PartialSpec, service: PartialService) -> Iterator[Finding]:
    own = _zones_of(spec, service)
    bound = " or ".join(
        p for p in packages(service) if (t := traits_of(p)) is not None and t.sees is Sees.ZONE
    )
    if not bound or own is None:
        return
    for path, name in service.dependencies:
        callee = spec.tiers.get(name)
        theirs = _zones_of(spec, callee) if callee else None
        if theirs is None:
            continue
        blind = [zone for zone in (*spec.zones, "*") if zone in own and zone not in theirs]
        if len(blind) == len(own):
            where = (
                "runs outside any zone"
                if "*" in theirs
                else f"has instances in {', '.join(sorted(theirs))} only"
            )
            yield found(
                "UnreachableDependency",
                path,
                name,
                f'a {bound} calls instances in its own zone only, and "{name}" {where}',
            )
        elif blind:
            text = f'a {bound} in {", ".join(blind)} has no "{name}" in its zone'
            count = callee.count if callee else 0
            yield found("PartialSight", path, name, f'{text}: "{name}" has {count} instances')


def _sources(spec: PartialSpec) -> Iterator[Finding]:
    tiers = spec.tiers
    sources = [service for service in tiers.values() if has_source(service)]
    if not sources:
        if any(traits_in(service) for service in tiers.values()):
            yield found(
                "NoSource",
                "spec.services",
                None,
                "no tier is a source (package denominator), so nothing sends requests",
            )
        return
    reached: set[str] = set()
    ahead = [source.name for source in sources]
    while ahead:
        name = ahead.pop()
        if name is not None and name not in reached and name in tiers:
            reached.add(name)
            ahead += [dependency for _, dependency in tiers[name].dependencies]
    for name, service in tiers.items():
        if name not in reached and name != names.EUREKA:
            yield found(
                "UnreachedTier", f"{service.path}.name", name, f'no source can reach tier "{name[:64]}"'
            )


def _called(spec: PartialSpec) -> Iterator[Finding]:
    """Check tiers that are a dependency, and whose package only forwards requests."""
    called = {dependency for service in spec.services for _, dependency in service.dependencies}
    for name in sorted(called & spec.tiers.keys()):
        service = spec.tiers[name]
        own = traits_in(service)
        if any(map(_is_router, own)) and not any(
            dependency != names.EUREKA for _, dependency in service.dependencies
        ):
            text = f'tier "{name[:64]}" is called and has no dependency to forward requests to'
            yield found("IdleRouter", f"{service.path}.dependencies", None, text)
        if has_source(service):
            yield found(
                "CalledSource",
                f"{service.path}.package",
                service.package,
                f'tier "{name[:64]}" is a source and is called',
            )


def _cycles(spec: PartialSpec) -> Iterator[Finding]:
    """Check for cycles of forwarding tiers; stores answer requests themselves."""
    forwarding = {name: tier for name, tier in spec.tiers.items() if any(t.forwards for t in traits_in(tier))}
    calls = {
        name: [d for _, d in tier.dependencies if d in forwarding and (d != name or _calls_itself(tier))]
        for name, tier in forwarding.items()
    }
    for cycle in find_cycles(calls):
        path = next(path for path, dependency in spec.tiers[cycle[0]].dependencies if dependency == cycle[1])
        shown = [
            f'"{name[:64]}"' for name in (cycle if len(cycle) <= 6 else [*cycle[:3], "...", *cycle[-2:]])
        ]
        yield found("DependencyCycle", path, cycle[1], f"requests may loop: {' -> '.join(shown)}")


def _calls_itself(service: PartialService) -> bool:
    """Whether instances of a tier that lists itself call each other.

    They do not if there is only one; a staash never calls its own tier.
    """
    alone = service.regions == 0 or (service.count in (0, 1) and service.regions == 1)
    return not alone and any(t.forwards and t.storage is not StorageKind.STAASH for t in traits_in(service))


def _is_router(traits: Traits) -> bool:
    """Whether a package only forwards requests: it neither sends requests of its own nor stores data."""
    return traits.forwards and not traits.source and traits.storage is None
