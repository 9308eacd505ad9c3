"""Pure: the routing table of one pod, and how a call picks its instance.

Tables come from the registries, one for each region that the pod registers in; the pod routes by their union. A call picks a dependency in
proportion to its declared weight, then a version by percent, then an instance, all uniformly at random. Only what has an instance is
picked: a share whose instances are all gone goes to the others.

A *partial* table comes from a registry that has just started and may not have heard of everybody yet: what was known before stays. A pod
whose registries are all gone routes by the last table it had.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Any

from spiko_nanoservice.contract import Dependency, Instance, decode


@dataclass(slots=True)
class RegionTable:
    """What one region's registry told."""

    revision: int
    dependencies: tuple[Dependency, ...]
    members: dict[str, Instance]


@dataclass(frozen=True, slots=True)
class _Choice:
    """Options with cumulative weights: one bisect a draw."""

    options: tuple[Any, ...]
    bounds: tuple[int, ...]

    @classmethod
    def of(cls, weighted: Iterable[tuple[Any, int]]) -> _Choice:
        pairs = [(option, weight) for option, weight in weighted if weight > 0]
        return cls(tuple(option for option, _ in pairs), tuple(accumulate(weight for _, weight in pairs)))

    def draw(self, random: Random) -> Any:
        if len(self.options) == 1:
            return self.options[0]
        return self.options[bisect_right(self.bounds, int(random.random() * self.bounds[-1]))]


_NOTHING = _Choice((), ())


class Routes:
    """The union of a pod's tables; a changed table rebuilds the choices, a call only draws.

    Args:
        own_id: the pod's own id, never routed to.

    """

    def __init__(self, own_id: str) -> None:
        self._own = own_id
        self._tables: dict[str, RegionTable] = {}
        self._choice = _NOTHING
        self.instances: dict[str, Instance] = {}

    @property
    def has_route(self) -> bool:
        """Whether any instance can be called."""
        return bool(self._choice.options)

    def revision(self, region: str) -> int | None:
        """The revision of a region's table, or None."""
        table = self._tables.get(region)
        return table.revision if table else None

    def replace(self, region: str, message: dict[str, Any]) -> None:
        """Take a whole table: `revision`, `partial`, `dependencies`, `instances`.

        Raises:
            ContractError: the message does not follow the contract.

        """
        dependencies = tuple(decode(Dependency, d) for d in message["dependencies"])
        members = {i.id: i for i in (decode(Instance, m) for m in message["instances"])}
        before = self._tables.get(region)
        if message.get("partial") and before is not None:
            members = before.members | members
        self._tables[region] = RegionTable(int(message["revision"]), dependencies, members)
        self._rebuild()

    def change(self, region: str, message: dict[str, Any]) -> bool:
        """Take a delta: `base`, `revision`, `add`, `remove`; False if it does not follow the table at hand."""
        table = self._tables.get(region)
        if table is None or table.revision != message["base"]:
            return False
        for member in (decode(Instance, m) for m in message["add"]):
            table.members[member.id] = member
        for gone in message["remove"]:
            table.members.pop(gone, None)
        table.revision = int(message["revision"])
        self._rebuild()
        return True

    def pick(self, random: Random) -> Instance | None:
        """Draw the instance for one call; None without any."""
        if not self._choice.options:
            return None
        versions: _Choice = self._choice.draw(random)
        instances: tuple[Instance, ...] = versions.draw(random)
        return instances[int(random.random() * len(instances))]

    def of_packages(self, packages: frozenset[str]) -> list[Instance]:
        """All connected instances of these packages, for replication."""
        return [i for i in self.instances.values() if i.package in packages]

    def _rebuild(self) -> None:
        self.instances = {
            member: instance
            for table in self._tables.values()
            for member, instance in table.members.items()
            if member != self._own
        }
        by_tier: dict[str, dict[str, list[Instance]]] = {}
        for instance in self.instances.values():
            by_tier.setdefault(instance.tier, {}).setdefault(instance.version, []).append(instance)
        weights: dict[str, int] = {}
        shares: dict[str, tuple[tuple[str, int], ...]] = {}
        for table in self._tables.values():
            for dependency in table.dependencies:
                weights[dependency.tier] = weights.get(dependency.tier, 0) + dependency.weight
                shares[dependency.tier] = dependency.versions
        choices = []
        for tier, weight in weights.items():
            present = by_tier.get(tier, {})
            versions = _Choice.of((tuple(present[v]), share) for v, share in shares[tier] if v in present)
            if versions.options:
                choices.append((versions, max(1, weight)))
        self._choice = _Choice.of(choices)
