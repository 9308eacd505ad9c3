"""Pure: the routing table of one pod, and the choice of the instance for a call.

Tables come from the registries, one for each region that the pod registers in; the pod routes by their union.
A call draws a dependency in proportion to its declared weight, then a version by weight, then an instance.
Only dependencies and versions with an instance are drawn: the share of one whose instances are all gone goes
to the others.

A *partial* table comes from a registry that has just started and may not know every pod yet: instances that
were known before stay. A pod whose registries are all gone routes by the last table that it had.

An instance that no registry confirms now, for one of these two reasons, is *stale*: its region may be lost.
The pod ejects a stale instance once it is unreachable, and calls it again once a registry confirms it, or if
its tier has no other instance.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import Any

from spiko_nanoservice.contract import ContractError, Dependency, Instance, decode
from spiko_nanoservice.routing.hash_ring import ALONE, Ring, Space, build_ring


@dataclass(slots=True)
class RegionTable:
    """The table of one region's registry.

    Attributes:
        revision: of the table.
        dependencies: the tiers that may be called.
        members: the instances by id.
        rings: the size of the own tier's ring in this region by version.
        stale: ids of the members that no registry confirms now.
        ejected: ids of the stale members that were unreachable.
    """

    revision: int
    dependencies: tuple[Dependency, ...]
    members: dict[str, Instance]
    rings: dict[str, int] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)
    ejected: set[str] = field(default_factory=set)

    def confirm(self, id: str) -> None:
        """Note that a registry has this member, or has removed it."""
        self.stale.discard(id)
        self.ejected.discard(id)


@dataclass(frozen=True, slots=True)
class _Choice:
    """Options with cumulative weights: a draw is one bisection."""

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


@dataclass(frozen=True, slots=True)
class Group:
    """Instances to draw one of: a dependency by weight, then a version by weight, then an instance."""

    choice: _Choice

    @classmethod
    def of(cls, instances: Iterable[Instance]) -> Group:
        """Return a group of instances, at least one, that are drawn with equal probability."""
        return cls(_Choice.of([(_Choice.of([(tuple(instances), 1)]), 1)]))

    def __bool__(self) -> bool:
        """Return whether the group has an instance."""
        return bool(self.choice.options)

    def draw(self, random: Random) -> Instance | None:
        """Return one instance; None if the group is empty."""
        if not self.choice.options:
            return None
        versions: _Choice = self.choice.draw(random)
        instances: tuple[Instance, ...] = versions.draw(random)
        return instances[int(random.random() * len(instances))]


class Routes:
    """The union of a pod's tables. A changed table rebuilds the choices, so that a call only draws.

    Args:
        own_id: the pod's own id, to which it does not route.

    Attributes:
        instances: all instances of all tables by id, without those that are ejected.
        on_change: is called after every change.
    """

    def __init__(self, own_id: str) -> None:
        self.own_id = own_id
        self._tables: dict[str, RegionTable] = {}
        self._all = Group(_NOTHING)
        self._by_tier: dict[str, dict[str, list[Instance]]] = {}
        self._weights: dict[str, int] = {}
        self._shares: dict[str, tuple[tuple[str, int], ...]] = {}
        self.instances: dict[str, Instance] = {}
        self.on_change: Callable[[], None] = lambda: None

    @property
    def has_route(self) -> bool:
        """Return whether any instance can be called."""
        return bool(self._all)

    def revision(self, region: str) -> int | None:
        """Return the revision of a region's table, or None."""
        table = self._tables.get(region)
        return table.revision if table else None

    def replace(self, region: str, message: dict[str, Any]) -> None:
        """Take a whole table: `revision`, `partial`, `dependencies`, `instances`, `rings`.

        Raises:
            ContractError: the message violates the contract.
        """
        dependencies = tuple(decode(Dependency, d) for d in message["dependencies"])
        members = {i.id: i for i in (decode(Instance, m) for m in message["instances"])}
        rings = decode_sizes(message.get("rings", {}))
        before = self._tables.get(region)
        stale, ejected = set[str](), set[str]()
        if message.get("partial") and before is not None:
            stale, ejected = before.members.keys() - members.keys(), before.ejected - members.keys()
            members, rings = before.members | members, rings | before.rings
        revision = int(message["revision"])
        self._tables[region] = RegionTable(revision, dependencies, members, rings, stale, ejected)
        self._rebuild()

    def change(self, region: str, message: dict[str, Any]) -> bool:
        """Take a delta and return whether it follows the current table.

        It has `base`, `revision`, `add`, `remove` and maybe `rings`; its base must be the current revision.
        """
        table = self._tables.get(region)
        if table is None or table.revision != message["base"]:
            return False
        for member in (decode(Instance, m) for m in message["add"]):
            table.members[member.id] = member
            table.confirm(member.id)
        for gone in message["remove"]:
            table.members.pop(gone, None)
            table.confirm(gone)
        if "rings" in message:
            table.rings = decode_sizes(message["rings"])
        table.revision = int(message["revision"])
        self._rebuild()
        return True

    def forget(self, region: str) -> None:
        """Drop the table of a region that the pod is not registered in any more."""
        if self._tables.pop(region, None) is not None:
            self._rebuild()

    def mark_stale(self, region: str) -> None:
        """Note that no registry of the region is connected, so that none confirms its instances."""
        table = self._tables.get(region)
        if table is not None:
            table.stale = set(table.members)

    def is_stale(self, id: str) -> bool:
        """Return whether an instance may be ejected: no registry confirms it."""
        return any(id in table.stale for table in self._tables.values())

    def eject(self, id: str) -> None:
        """Stop calling an instance that is unreachable, if it is stale."""
        tables = [t for t in self._tables.values() if id in t.stale and id not in t.ejected]
        for table in tables:
            table.ejected.add(id)
        if tables:
            self._rebuild()

    def pick(self, random: Random) -> Instance | None:
        """Draw the instance for one call; None if the table has no instance."""
        return self._all.draw(random)

    def pick_missing(self, random: Random) -> tuple[str, str] | None:
        """Draw the tier and version of a call that has no instance; None if the pod has no dependency."""
        declared = (
            ((tier, version), max(1, weight) * share)
            for tier, weight in self._weights.items()
            for version, share in self._shares[tier]
        )
        choice = _Choice.of(declared)
        found: tuple[str, str] | None = choice.draw(random) if choice.options else None
        return found

    def group(self, packages: frozenset[str], without: str = "") -> Group:
        """Return the group of the instances of some packages, without those of the tier `without`."""
        chosen = {
            tier: {
                version: found
                for version, instances in versions.items()
                if (found := [i for i in instances if i.package in packages])
            }
            for tier, versions in self._by_tier.items()
            if tier != without
        }
        return self._group(chosen)

    def ring(self, space: Space) -> Ring:
        """Return the ring of a space according to the table of its region."""
        table = self._tables.get(space.region)
        if table is None:
            return ALONE
        members = [instance for id, instance in table.members.items() if id not in table.ejected]
        return build_ring(self.own_id, space, members, table.rings.get(space.version, 0))

    def _rebuild(self) -> None:
        members = [
            (instance, id in table.ejected)
            for table in self._tables.values()
            for id, instance in table.members.items()
            if id != self.own_id
        ]
        reachable = {instance.tier for instance, ejected in members if not ejected}
        self.instances = {
            instance.id: instance
            for instance, ejected in members
            if not ejected or instance.tier not in reachable
        }
        self._by_tier = {}
        for instance in self.instances.values():
            self._by_tier.setdefault(instance.tier, {}).setdefault(instance.version, []).append(instance)
        self._weights, self._shares = {}, {}
        for table in self._tables.values():
            for dependency in table.dependencies:
                self._weights[dependency.tier] = self._weights.get(dependency.tier, 0) + dependency.weight
                self._shares[dependency.tier] = dependency.versions
        self._all = self._group(self._by_tier)
        self.on_change()

    def _group(self, by_tier: Mapping[str, Mapping[str, list[Instance]]]) -> Group:
        choices = []
        for tier, weight in self._weights.items():
            present = by_tier.get(tier, {})
            versions = _Choice.of(
                (tuple(present[v]), share) for v, share in self._shares[tier] if v in present
            )
            if versions.options:
                choices.append((versions, max(1, weight)))
        return Group(_Choice.of(choices))


def decode_sizes(document: Any) -> dict[str, int]:
    """Return the sizes of rings by version.

    Raises:
        ContractError: the message violates the contract.
    """
    if not isinstance(document, Mapping) or not all(
        type(size) is int and size >= 0 for size in document.values()
    ):
        raise ContractError(f"rings: {document!r}: must be an object of sizes, integers from 0, by version")
    return {str(version): size for version, size in document.items()}
