"""Pure: the rules on the dependency graph: visibility, shares, sources, idle routers, cycles."""

from __future__ import annotations

from collections.abc import Iterator

from spiko_nanoservice.contract import StorageKind, Traits
from spiko_operator.plan import names
from spiko_operator.plan.validation.cycles import find_cycles
from spiko_operator.plan.validation.findings import Finding, found
from spiko_operator.plan.validation.instances import Instances
from spiko_operator.plan.validation.partial_spec import PartialService, PartialSpec, has_source, traits_in
from spiko_operator.plan.validation.share_rules import share_rules
from spiko_operator.plan.validation.visibility_rules import visibility_rules


def graph_rules(spec: PartialSpec) -> list[Finding]:
    """Return the findings about the dependency graph."""
    instances = Instances(spec)
    seen = [*visibility_rules(spec, instances), *share_rules(spec, instances)]
    return [*seen, *_sources(spec), *_called(spec), *_cycles(spec, instances)]


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


def _cycles(spec: PartialSpec, instances: Instances) -> Iterator[Finding]:
    """Check for cycles of forwarding tiers; stores answer requests themselves."""
    forwarding = {name: tier for name, tier in spec.tiers.items() if any(t.forwards for t in traits_in(tier))}
    calls = {
        name: [
            d
            for _, d in tier.dependencies
            if d in forwarding and (d != name or _calls_itself(tier, instances))
        ]
        for name, tier in forwarding.items()
    }
    for cycle in find_cycles(calls):
        path = next(path for path, dependency in spec.tiers[cycle[0]].dependencies if dependency == cycle[1])
        shown = [
            f'"{name[:64]}"' for name in (cycle if len(cycle) <= 6 else [*cycle[:3], "...", *cycle[-2:]])
        ]
        yield found("DependencyCycle", path, cycle[1], f"requests may loop: {' -> '.join(shown)}")


def _calls_itself(service: PartialService, instances: Instances) -> bool:
    """Whether instances of a tier that lists itself call each other.

    They do not if there is only one; a staash never calls its own tier.
    """
    alone = instances.count(service.name) == 1
    return not alone and any(t.forwards and t.storage is not StorageKind.STAASH for t in traits_in(service))


def _is_router(traits: Traits) -> bool:
    """Whether a package only forwards requests: it neither sends requests of its own nor stores data."""
    return traits.forwards and not traits.source and traits.storage is None
