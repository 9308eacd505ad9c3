"""Pure: the rules on services: names, dependencies, versions, splits, service times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from spiko_operator.plan import names
from spiko_operator.plan.validation.findings import Finding, Nearest, found, nearest
from spiko_operator.plan.validation.instances import Instances
from spiko_operator.plan.validation.partial_spec import PartialService, PartialSpec, declared, has_source


def service_rules(spec: PartialSpec) -> list[Finding]:
    """Return the findings about single services, and about names that several services use."""
    findings = [*_victim(spec), *_monkey(spec), *_names(spec), *_objects(spec)]
    suggest = Nearest()
    for service in spec.services:
        findings += [
            *_dependencies(spec, service, suggest),
            *_versions(service),
            *_split(service),
            *_service_times(service),
        ]
    return findings


def _victim(spec: PartialSpec) -> Iterator[Finding]:
    if spec.victim is not None and spec.victim not in spec.tiers:
        text = f'"{spec.victim[:64]}" is not a tier of this Architecture'
        yield found("UnknownVictim", "spec.victim", spec.victim, text, nearest(spec.victim, spec.tiers))


def _monkey(spec: PartialSpec) -> Iterator[Finding]:
    monkey = spec.monkey
    mean, least = monkey.get("meanSeconds", 300), monkey.get("minSeconds")
    if isinstance(mean, int) and isinstance(least, int) and least > mean:
        text = f"{least}: must not exceed meanSeconds, {mean}"
        yield found("BadMonkey", "spec.chaos.monkey.minSeconds", least, text)
    mode = monkey.get("mode", "Off")
    if mode not in ("DryRun", "Enforce"):
        return
    if spec.victim is None:
        yield found(
            "MonkeyWithoutVictim",
            "spec.chaos.monkey.mode",
            mode,
            "the monkey is switched on without spec.victim",
        )
    if spec.victim is not None and Instances(spec).count(spec.victim) == 1:
        text = f'tier "{spec.victim}" has one instance, and the monkey never kills the last one'
        yield found("IdleMonkey", "spec.victim", spec.victim, text)


def _names(spec: PartialSpec) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for service in spec.services:
        if service.name is None:
            continue
        path = f"{service.path}.name"
        if service.name == names.EUREKA:
            yield found(
                "ReservedName", path, service.name, f'"{names.EUREKA}" is reserved for the service registry'
            )
        elif service.name in seen:
            yield found(
                "DuplicateTier",
                path,
                service.name,
                f'"{service.name[:64]}" is also the name of {seen[service.name]}',
            )
        seen.setdefault(service.name, service.path)


def _objects(spec: PartialSpec) -> Iterator[Finding]:
    """Check that no two objects have the same name.

    Names of Services are the shortest ones: if they differ, so do the names of all other objects.
    """
    architecture = spec.name or "a"
    reserved = {names.eureka_name(architecture), names.state_name(architecture)}
    reserved |= {names.eureka_name(architecture, i) for i in range(names.MOST_ZONES)}
    holders: dict[str, PartialService] = {}
    for service in spec.services:
        if service.name is None or service.name == names.EUREKA:
            continue
        name = names.service_name(architecture, service.name)
        if name in reserved:
            yield found(
                "ReservedName",
                f"{service.path}.name",
                service.name,
                f"its Service {name} would have the name of an object of the eurekas or of the state "
                "ConfigMap",
            )
        other = holders.setdefault(name, service)
        if other is not service and other.name != service.name:
            text = f'its Service {name} would also be the Service of "{other.name}"'
            yield found("NameCollision", f"{service.path}.name", service.name, text)  # fmt: skip


def _dependencies(spec: PartialSpec, service: PartialService, suggest: Nearest) -> Iterator[Finding]:
    seen: set[str] = set()
    for path, name in service.dependencies:
        if name in seen:
            yield found("DuplicateDependency", path, name, f'"{name[:64]}" is listed twice')
        elif name != names.EUREKA and name not in spec.tiers:
            yield found(
                "UnknownDependency",
                path,
                name,
                f'"{name[:64]}" is not a tier of this Architecture',
                suggest(name, spec.tiers),
            )
        seen.add(name)
    if service.has_load and service.package is not None and not has_source(service):
        text = f"package {service.package} does not send requests of its own"
        yield found("LoadWithoutSource", f"{service.path}.load", None, text)
    if has_source(service) and not service.dependencies:
        text = f'source "{service.name}" has no dependency to send requests to'
        yield found("IdleSource", f"{service.path}.dependencies", [], text)


def _versions(service: PartialService) -> Iterator[Finding]:
    seen: set[str] = set()
    for version in service.versions or ():
        if version.name in seen:
            yield found(
                "DuplicateVersion",
                f"{version.path}.version",
                version.name,
                f"{version.name[:20]} is declared twice",
            )
        seen.add(version.name)


def _split(service: PartialService) -> Iterator[Finding]:
    if service.split is None:
        return
    path = f"{service.path}.routing.split"
    weights = [weight for _, _, weight in service.split]
    if weights and not any(weight is None or weight > 0 for weight in weights):
        yield found("AllWeightsZero", path, weights, "every weight is 0")
    versions = [version for _, version, _ in service.split]
    for where, version, _ in service.split:
        if version not in declared(service):
            text = (
                f"{version[:20]} is not declared; declared: "
                f"{', '.join(declared(service))[:200] or 'no versions'}"
            )
            yield found("UndeclaredVersion", f"{where}.version", version, text)
    if len(set(versions)) < len(versions):
        yield found("DuplicateVersion", path, versions, "a version has two weights")
    majors = sorted({version.split(".")[0] for version in versions})
    if len(majors) > 1:
        yield found(
            "MixedMajors", path, versions, f"a split must have one major, not {' and '.join(majors)[:80]}"
        )


def _service_times(service: PartialService) -> Iterator[Finding]:
    for path, service_time in service.service_times:
        given = [name for name in ("constant", "lognormal") if service_time.get(name) is not None]
        if len(given) != 1:
            text = "both constant and lognormal are given" if given else "no distribution is given"
            yield found("BadServiceTime", path, dict(service_time), text)
        lognormal = service_time.get("lognormal")
        if not isinstance(lognormal, Mapping):
            continue
        median, p99 = lognormal.get("medianMicroseconds"), lognormal.get("p99Microseconds")
        if isinstance(median, int) and isinstance(p99, int) and p99 <= median:
            text = f"{p99}: must be above medianMicroseconds, {median}"
            yield found("BadServiceTime", f"{path}.lognormal.p99Microseconds", p99, text)
