"""Pure: the instances of a partial spec by version and place, and the part of its calls that each one gets.

Places and visibility follow `plan/topology.py` and the predicted graph, for specs that may have errors.
Regions are numbers, since the nodes' labels may decide on their names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from spiko_nanoservice.contract import Sees, Traits, traits_of
from spiko_operator.api.service import DEFAULT_VERSION
from spiko_operator.plan.topology import ANYWHERE, scaled
from spiko_operator.plan.validation.partial_spec import PartialService, PartialSpec, PartialVersion, declared

MOST_REGIONS = 6
Place = tuple[int | None, str]  # region, None outside any; zone, `*` outside any


@dataclass(frozen=True)
class Cell:
    """The instances of one version of a tier in one place."""

    version: str
    package: str
    weight: int
    region: int | None
    zone: str
    size: int

    @property
    def traits(self) -> Traits | None:
        """Traits of the package; None if it is unknown."""
        return traits_of(self.package)


@dataclass(frozen=True)
class View:
    """What one caller sees of a tier.

    Args:
        weight: declared instances that it sees: the weight of the dependency.
        shares: index of a cell -> its share of the caller's calls to the tier; empty if it sees no instance.
    """

    weight: int
    shares: tuple[tuple[int, float], ...]


_Tier = tuple[tuple[Cell, ...], tuple[tuple[Place, int], ...]]  # cells; declared instances by place


class Instances:
    """The instances of all tiers whose values are readable.

    Args:
        spec: of the Architecture.
    """

    def __init__(self, spec: PartialSpec) -> None:
        self._tiers: dict[str, _Tier] = {}
        self._kinds: dict[str, int] = {}  # tiers with the same instances have the same number
        self._views: dict[tuple[int, int, int], View] = {}
        numbers: dict[_Tier, int] = {}
        for name, service in spec.tiers.items():
            made = _read(spec, service)
            if made is not None:
                self._tiers[name] = made
                self._kinds[name] = numbers.setdefault(made, len(numbers))

    def cells(self, tier: str | None) -> tuple[Cell, ...]:
        """Return the cells of a tier; empty if one of its values is not readable."""
        return self._tiers[tier][0] if tier in self._tiers else ()

    def count(self, tier: str | None) -> int:
        """Return the number of instances of a tier in all places."""
        return sum(cell.size for cell in self.cells(tier))

    def view(self, caller: str, index: int, callee: str) -> View:
        """Return what one cell of a tier sees of another tier; both must have cells."""
        key = self._kinds[caller], index, self._kinds[callee]
        if key not in self._views:
            self._views[key] = _view(self._tiers[caller][0][index], self._tiers[callee])
        return self._views[key]


@dataclass(frozen=True)
class Reach:
    """The cells that requests of the sources reach.

    Args:
        spec: of the Architecture.
        instances: of the spec.
    """

    spec: PartialSpec
    instances: Instances

    @cached_property
    def cells(self) -> frozenset[tuple[str, int]]:
        """Tier and index of every cell that requests reach."""
        ahead = [
            (name, i)
            for name in self.spec.tiers
            for i, cell in enumerate(self.instances.cells(name))
            if cell.traits is not None and cell.traits.source
        ]
        reached: set[tuple[str, int]] = set()
        while ahead:
            at = ahead.pop()
            if at not in reached:
                reached.add(at)
                ahead += self._called_by(*at)
        return frozenset(reached)

    def _called_by(self, name: str, index: int) -> Iterator[tuple[str, int]]:
        traits = self.instances.cells(name)[index].traits
        if traits is not None and traits.forwards:
            for dependency in called_tiers(self.spec.tiers[name], self.instances):
                for i, _ in self.instances.view(name, index, dependency).shares:
                    yield dependency, i


def called_tiers(service: PartialService, instances: Instances) -> list[str]:
    """Return the other tiers that a service may call and whose instances are known."""
    names = dict.fromkeys(name for _, name in service.dependencies)
    return [name for name in names if name != service.name and instances.cells(name)]


def _read(spec: PartialSpec, service: PartialService) -> _Tier | None:
    if service.count is None or service.regions is None or service.package is None:
        return None
    weights = _weights(service)
    if weights is None:
        return None
    cells = []
    for version in service.versions or (PartialVersion(DEFAULT_VERSION, service.path),):
        count = service.count if version.replicas is None else version.replicas
        places = () if version.replicas == 0 else _places(spec, service.regions, count)
        package, weight = version.package or service.package, weights.get(version.name, 0)
        cells += [Cell(version.name, package, weight, region, zone, size) for (region, zone), size in places]
    return tuple(cells), tuple(_places(spec, service.regions, service.count))


def _weights(service: PartialService) -> dict[str, int] | None:
    if service.split is None:
        return dict.fromkeys(declared(service)[:1], 1)
    if any(weight is None for _, _, weight in service.split):
        return None
    return {version: weight or 0 for _, version, weight in service.split}


def _places(spec: PartialSpec, regions: int, count: int) -> Iterator[tuple[Place, int]]:
    if regions == 0:
        yield (None, ANYWHERE), 1
        return
    number = scaled(count, spec.scale)
    for region in range(min(regions, MOST_REGIONS)):
        if number == 0:
            yield (region, ANYWHERE), 1
            continue
        zones = spec.zones_of(region)
        for position, zone in enumerate(zones):
            if position < number:
                yield (region, zone), (number - position - 1) // len(zones) + 1


def _view(caller: Cell, callee: _Tier) -> View:
    cells, places = callee
    weight = sum(size for place, size in places if _sees(caller, place))
    seen = [
        (i, cell)
        for i, cell in enumerate(cells)
        if weight and cell.weight and _sees(caller, (cell.region, cell.zone))
    ]
    sizes: dict[str, int] = {}
    for _, cell in seen:
        sizes[cell.version] = sizes.get(cell.version, 0) + cell.size
    total = sum({cell.version: cell.weight for _, cell in seen}.values())
    return View(weight, tuple((i, cell.weight / total * cell.size / sizes[cell.version]) for i, cell in seen))


def _sees(caller: Cell, place: Place) -> bool:
    """Whether a caller sees the instances of another tier in a place."""
    region, zone = place
    if caller.region is not None and region not in (caller.region, None):
        return False
    traits = caller.traits
    return traits is None or traits.sees is Sees.REGION or zone == caller.zone
