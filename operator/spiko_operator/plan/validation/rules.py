"""Pure: the rules between the parts of an Architecture, one function each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spiko_nanoservice.contract import ZONE_BOUND, Package
from spiko_operator.plan import names
from spiko_operator.plan.validation.cycles import find_circles
from spiko_operator.plan.validation.findings import Finding, Nearest, found, nearest, shorten
from spiko_operator.plan.validation.partial_spec import Sketch, SketchService, declared, packages

ROUTERS = frozenset({Package.ELB, Package.ZUUL, Package.KARYON, Package.MONOLITH})
PASSES_ON = ROUTERS | {Package.DENOMINATOR, Package.STAASH}


def spec_rules(sketch: Sketch) -> list[Finding]:
    """Run every rule.

    Args:
        sketch: what could be read.
    """
    findings = [*_victim(sketch), *_monkey(sketch), *_names(sketch), *_objects(sketch)]
    suggest = Nearest()
    for service in sketch.services:
        findings += [
            *_dependencies(sketch, service, suggest),
            *_sight(sketch, service),
            *_versions(service),
            *_split(service),
        ]
        findings += _delays(service)
    return [*findings, *_sources(sketch), *_called(sketch), *_circles(sketch)]


def fault_rules(spec: Mapping[str, Any]) -> list[Finding]:
    """The rules of a Fault."""
    kill = spec.get("kill")
    if not isinstance(kill, Mapping):
        return []
    return [*_kill(kill), *_kill_count(kill)]


def _kill(kill: Mapping[str, Any]) -> Iterator[Finding]:
    named = [field for field in ("tier", "pod") if kill.get(field) is not None]
    if len(named) != 1:
        text = "names both tier and pod" if named else "names neither tier nor pod"
        yield found("BadKill", "spec.kill", dict(kill), text)
    method, grace_s = kill.get("method", "Evict"), kill.get("gracePeriodSeconds")
    if grace_s is not None and method != "Delete":
        why = "a crash has no grace period" if method == "Crash" else "an eviction uses the pod's own grace period"
        yield found("BadKill", "spec.kill.gracePeriodSeconds", grace_s, why, "write method: Delete, or remove it")
    if method == "Crash" and kill.get("tier") == names.EUREKA:
        hint = "write method: Delete and gracePeriodSeconds: 0"
        yield found("BadKill", "spec.kill.method", method, "a eureka has nobody who could tell it to crash", hint)


def _kill_count(kill: Mapping[str, Any]) -> Iterator[Finding]:
    if kill.get("count") is not None and kill.get("percent") is not None:
        yield found(
            "BadCount", "spec.kill.percent", kill["percent"], f"there is a count as well: {shorten(kill['count'])}"
        )
    for field in ("version", "region", "zone", "count", "percent"):
        if kill.get("pod") is not None and kill.get(field) is not None:
            yield found("BadCount", f"spec.kill.{field}", kill[field], "a named pod is one")


def _monkey(sketch: Sketch) -> Iterator[Finding]:
    monkey = sketch.monkey
    mean, least = monkey.get("meanSeconds", 300), monkey.get("minSeconds")
    if isinstance(mean, int) and isinstance(least, int) and least > mean:
        text = f"the least time between kills exceeds the mean of {mean} s"
        yield found("BadMonkey", "spec.chaos.monkey.minSeconds", least, text)
    mode = monkey.get("mode", "Off")
    if mode not in ("DryRun", "Enforce"):
        return
    if sketch.victim is None:
        yield found("MonkeyWithoutVictim", "spec.chaos.monkey.mode", mode, "spec.victim names no tier")
    for service in sketch.services:
        if service.name == sketch.victim and service.count in (0, 1) and service.regions in (0, 1):
            text = f'"{service.name}" has one instance, and the monkey leaves the last one alone'
            yield found("IdleMonkey", "spec.victim", sketch.victim, text)


def _victim(sketch: Sketch) -> Iterator[Finding]:
    if sketch.victim is not None and sketch.victim not in sketch.tiers:
        text = f'"{sketch.victim[:64]}" is no tier'
        yield found("UnknownVictim", "spec.victim", sketch.victim, text, nearest(sketch.victim, sketch.tiers))


def _names(sketch: Sketch) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for service in sketch.services:
        if service.name is None:
            continue
        path = f"{service.path}.name"
        if service.name == names.EUREKA:
            yield found("ReservedName", path, service.name, f'"{names.EUREKA}" is the registry\'s name')
        elif service.name in seen:
            yield found(
                "DuplicateTier",
                path,
                service.name,
                f'"{service.name[:64]}" is the name of {seen[service.name]} as well',
            )
        seen.setdefault(service.name, service.path)


def _objects(sketch: Sketch) -> Iterator[Finding]:
    """Names of Services are the shortest derived ones: if they differ, so do all others of two tiers."""
    architecture = sketch.name or "a"
    reserved = {names.eureka_name(architecture), names.state_name(architecture)}
    reserved |= {names.eureka_name(architecture, i) for i in range(96)}  # 6 regions of 16 zones
    holders: dict[str, SketchService] = {}
    for service in sketch.services:
        if service.name is None or service.name == names.EUREKA:
            continue
        name = names.service_name(architecture, service.name)
        if name in reserved:
            yield found(
                "ReservedName",
                f"{service.path}.name",
                service.name,
                f"its Service {name} would collide with the registry's or the memory's",
            )
        other = holders.setdefault(name, service)
        if other is not service and other.name != service.name:
            text = f'its Service {name} would be that of "{other.name}" as well'
            yield found("NameCollision", f"{service.path}.name", service.name, text)  # fmt: skip


def _dependencies(sketch: Sketch, service: SketchService, suggest: Nearest) -> Iterator[Finding]:
    seen: set[str] = set()
    for path, name in service.dependencies:
        if name in seen:
            yield found("DuplicateDependency", path, name, f'"{name[:64]}" is named twice')
        elif name != names.EUREKA and name not in sketch.tiers:
            yield found("UnknownDependency", path, name, f'"{name[:64]}" is no tier', suggest(name, sketch.tiers))
        seen.add(name)
    if service.has_rate and service.package is not None and Package.DENOMINATOR not in packages(service):
        yield found(
            "RateWithoutSource",
            f"{service.path}.ratePerSecond",
            None,
            f"a {service.package} sends no requests of its own",
        )
    if Package.DENOMINATOR in packages(service) and not service.dependencies:
        yield found(
            "IdleSource", f"{service.path}.dependencies", [], f'denominator "{service.name}" has nobody to send to'
        )


def _zones_of(sketch: Sketch, service: SketchService) -> frozenset[str] | None:
    """Zones in which a service has instances; `*` without zones; None if it cannot be told."""
    if service.count is None or service.regions is None:
        return None
    if service.count == 0 or service.regions == 0:
        return frozenset({"*"})
    return frozenset(sketch.zones[: service.count])


def _sight(sketch: Sketch, service: SketchService) -> Iterator[Finding]:
    own = _zones_of(sketch, service)
    bound = " or ".join(package for package in packages(service) if package in ZONE_BOUND)
    if not bound or own is None:
        return
    for path, name in service.dependencies:
        callee = sketch.tiers.get(name)
        theirs = _zones_of(sketch, callee) if callee else None
        if theirs is None:
            continue
        blind = [zone for zone in (*sketch.zones, "*") if zone in own and zone not in theirs]
        if len(blind) == len(own):
            where = "has no zone" if "*" in theirs else f"has instances in {', '.join(sorted(theirs))} only"
            yield found("UnreachableDependency", path, name, f'a {bound} sees its own zone only, and "{name}" {where}')
        elif blind:
            yield found(
                "PartialSight",
                path,
                name,
                f'a {bound} in {", ".join(blind)} sees no "{name}", which has {callee.count if callee else 0} instances',
            )


def _versions(service: SketchService) -> Iterator[Finding]:
    seen: set[str] = set()
    for version in service.versions or ():
        if version.name in seen:
            yield found(
                "DuplicateVersion", f"{version.path}.version", version.name, f"{version.name[:20]} is declared twice"
            )
        seen.add(version.name)


def _split(service: SketchService) -> Iterator[Finding]:
    if service.split is None:
        return
    path = f"{service.path}.routing.split"
    weights = [weight for _, _, weight in service.split]
    if None not in weights and sum(weight or 0 for weight in weights) != 100:
        yield found(
            "WeightsNot100", path, weights, f"the weights add up to {sum(weight or 0 for weight in weights)}, not 100"
        )
    versions = [version for _, version, _ in service.split]
    for where, version, _ in service.split:
        if version not in declared(service):
            text = f"{version[:20]} is not declared; there are {', '.join(declared(service))[:200] or 'none'}"
            yield found("UndeclaredVersion", f"{where}.version", version, text)
    if len(set(versions)) < len(versions):
        yield found("DuplicateVersion", path, versions, "a version has two weights")
    majors = sorted({version.split(".")[0] for version in versions})
    if len(majors) > 1:
        yield found("MixedMajors", path, versions, f"majors {' and '.join(majors)[:80]} in one split")


def _delays(service: SketchService) -> Iterator[Finding]:
    for path, delay in service.delays:
        median, p99 = delay.get("medianMicroseconds"), delay.get("p99Microseconds")
        if delay.get("distribution") == "lognormal":
            if p99 is None:
                yield found("BadDelay", f"{path}.p99Microseconds", None, "a lognormal delay needs its 99th percentile")
            elif isinstance(median, int) and isinstance(p99, int) and p99 <= median:
                yield found(
                    "BadDelay",
                    f"{path}.p99Microseconds",
                    p99,
                    f"the 99th percentile is not above the median of {median}",
                )
        elif p99 is not None:
            yield found("BadDelay", f"{path}.p99Microseconds", p99, "a constant delay has no 99th percentile")


def _sources(sketch: Sketch) -> Iterator[Finding]:
    tiers = sketch.tiers
    sources = [service for service in tiers.values() if Package.DENOMINATOR in packages(service)]
    if not sources:
        if any(set(packages(service)) & set(Package) for service in tiers.values()):
            yield found("NoSource", "spec.services", None, "no tier is a denominator: nothing sends requests")
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
            yield found("UnreachedTier", f"{service.path}.name", name, f'no source reaches "{name[:64]}"')


def _called(sketch: Sketch) -> Iterator[Finding]:
    """Tiers that somebody depends on, and whose package has no answer of its own."""
    called = {dependency for service in sketch.services for _, dependency in service.dependencies}
    for name in sorted(called & sketch.tiers.keys()):
        service = sketch.tiers[name]
        own = set(packages(service))
        if own & ROUTERS and not any(dependency != names.EUREKA for _, dependency in service.dependencies):
            text = f'"{name[:64]}" is called, and has nobody to pass requests on to'
            yield found("IdleRouter", f"{service.path}.dependencies", None, text)
        if Package.DENOMINATOR in own:
            yield found(
                "CalledSource",
                f"{service.path}.package",
                Package.DENOMINATOR.value,
                f'"{name[:64]}" is a source, and is called',
            )


def _circles(sketch: Sketch) -> Iterator[Finding]:
    """Only tiers that pass requests on: a store answers, whoever else it is connected to, and a staash never asks its own tier."""
    passed_on = {
        name: [
            dependency
            for _, dependency in service.dependencies
            if dependency in sketch.tiers
            and PASSES_ON & set(packages(sketch.tiers[dependency]))
            and (
                dependency != name
                or (PASSES_ON & set(packages(service)) != {Package.STAASH} and not _is_alone(service))
            )
        ]
        for name, service in sketch.tiers.items()
        if PASSES_ON & set(packages(service))
    }
    for circle in find_circles(passed_on):
        service = sketch.tiers[circle[0]]
        path = next(path for path, dependency in service.dependencies if dependency == circle[1])
        shown = [f'"{name[:64]}"' for name in (circle if len(circle) <= 6 else [*circle[:3], "...", *circle[-2:]])]
        yield found("DependencyCycle", path, circle[1], f"requests may go round: {' -> '.join(shown)}")


def _is_alone(service: SketchService) -> bool:
    """Whether a tier has one instance at most: it does not call itself."""
    return service.regions == 0 or (service.count in (0, 1) and service.regions == 1)
