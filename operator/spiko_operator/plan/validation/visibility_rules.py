"""Pure: the rules on what callers see: an instance that sees none of a dependency cannot call it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spiko_nanoservice.contract import Sees
from spiko_operator.plan.validation.findings import Finding, found
from spiko_operator.plan.validation.instances import MOST_REGIONS, Cell, Instances, Reach, called_tiers
from spiko_operator.plan.validation.partial_spec import PartialService, PartialSpec


def visibility_rules(spec: PartialSpec, instances: Instances) -> list[Finding]:
    """Return one finding for each pair of tiers of which a caller sees no callee."""
    reach = Reach(spec, instances)
    return [finding for service in spec.services for finding in _of_service(reach, service)]


def _of_service(reach: Reach, service: PartialService) -> Iterator[Finding]:
    instances, name = reach.instances, service.name
    if name is None or reach.spec.tiers[name] is not service:
        return
    cells, called = instances.cells(name), called_tiers(service, instances)
    for path, dependency in service.dependencies:
        if dependency not in called or not any(cell.weight for cell in instances.cells(dependency)):
            continue
        blind = [i for i in range(len(cells)) if not instances.view(name, i, dependency).shares]
        if blind:
            yield _finding(reach, service, path, dependency, blind)


def _finding(
    reach: Reach, service: PartialService, path: str, dependency: str, blind: Sequence[int]
) -> Finding:
    cells, theirs = reach.instances.cells(service.name), reach.instances.cells(dependency)
    packages = sorted({cells[i].package for i in blind if _is_bound(cells[i])})
    bound = f": a {' or '.join(packages)} calls instances in its own zone only" if packages else ""
    several = any(cell.region for cell in (*cells, *theirs))
    sighted = {cells[i].region for i in range(len(cells)) if i not in blind}
    blind_regions = frozenset(cell.region for cell in cells if cell.region is not None) - sighted
    where = _describe(reach.spec, [cells[i] for i in blind], blind_regions, several)
    every = frozenset[int]() if packages else frozenset(range(MOST_REGIONS))
    runs = _describe(reach.spec, [cell for cell in theirs if cell.weight], every, several)
    text = f'"{service.name}" {where} sees no "{dependency[:64]}", which runs {runs}{bound}'
    hint = "" if packages else f'give "{dependency[:64]}" the regions of "{service.name}"'
    if _is_fatal(reach, service, blind):
        return found("UnreachableDependency", path, dependency, text, hint)
    return found("PartialSight", path, dependency, text, hint)


def _is_fatal(reach: Reach, service: PartialService, blind: Sequence[int]) -> bool:
    """Whether a version cannot call the dependency at all, or cannot answer any request in a region."""
    name, cells = str(service.name), reach.instances.cells(service.name)
    for version in {cells[i].version for i in blind}:
        own = [i for i, cell in enumerate(cells) if cell.version == version]
        if all(i in blind and _is_bound(cells[i]) for i in own):
            return True
        for region in {cells[i].region for i in blind}:
            asked = [i for i in own if cells[i].region == region and _is_asked(reach, name, i)]
            if asked and all(_is_dark(reach.instances, service, i) for i in asked):
                return True
    return False


def _is_asked(reach: Reach, name: str, index: int) -> bool:
    """Whether requests reach an instance; without a source, whether they could."""
    return not reach.cells or (name, index) in reach.cells


def _is_dark(instances: Instances, service: PartialService, index: int) -> bool:
    """Whether an instance only forwards requests and sees no dependency."""
    traits = instances.cells(service.name)[index].traits
    return (
        traits is not None
        and traits.forwards
        and not any(
            instances.view(str(service.name), index, name).shares for name in called_tiers(service, instances)
        )
    )


def _is_bound(cell: Cell) -> bool:
    return cell.traits is not None and cell.traits.sees is Sees.ZONE


def _describe(spec: PartialSpec, some: Sequence[Cell], whole: frozenset[int], several: bool) -> str:
    """Return where instances of a tier run, such as `in the second region`.

    Args:
        spec: has the names.
        some: the instances.
        whole: regions that are named without their zones.
        several: whether the tiers run in several regions.
    """
    parts = []
    for region in sorted({cell.region for cell in some if cell.region is not None}):
        here = {cell.zone for cell in some if cell.region == region}
        zones = [zone for zone in spec.zones_of(region) if zone in here] or ["no zone"]
        name = spec.region_name(region)
        if several and region in whole:
            parts.append(name)
        else:
            parts.append(" and ".join(zones) + (f" of {name}" if several else ""))
    return f"in {', '.join(parts)}" if parts else "outside any region"
