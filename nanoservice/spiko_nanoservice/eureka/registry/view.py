"""Pure: one routing table and its revisions.

The pods of one viewpoint share it: each gets it whole once, then deltas only.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from spiko_nanoservice.contract import Dependency, Instance, encode
from spiko_nanoservice.eureka.registry.visibility import Viewpoint, sees
from spiko_nanoservice.messages import DELTA, TABLE, Message


@dataclass(slots=True)
class View:
    """The table of all pods that share a viewpoint.

    Attributes:
        viewpoint: the callers.
        across: whether the callers' tier lists `eureka`.
        dependencies: the tiers that the callers may call.
        revision: of the last table or delta that was sent.
        members: the instances that the callers may call, by id.
        history: the ids of the members at every revision that some pod may still have. An edge is discovered
            when the caller acknowledged a table with the callee in it; a death is noticed when the last
            caller acknowledged one without the callee.
        sessions: numbers of the sessions of the callers.
        rings: the size of the callers' own ring by version.
        rings_changed: whether `rings` differs from the last revision.
        added: instances to add with the next delta.
        removed: ids to remove with the next delta.
    """

    viewpoint: Viewpoint
    across: bool
    dependencies: tuple[Dependency, ...]
    revision: int = 1
    members: dict[str, Instance] = field(default_factory=dict)
    history: dict[int, frozenset[str]] = field(default_factory=dict)
    sessions: set[int] = field(default_factory=set)
    rings: dict[str, int] = field(default_factory=dict)
    rings_changed: bool = False
    added: dict[str, Instance] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)

    def place(self, instance: Instance) -> Instance:
        """Return an instance as this table shows it: with its slot only to callers of the same tier."""
        return (
            instance
            if instance.tier == self.viewpoint.tier or instance.slot is None
            else replace(instance, slot=None)
        )

    def includes(self, instance: Instance) -> bool:
        """Return whether an instance belongs in this table.

        Its version must have a share, and the callers must be allowed to connect to it.
        """
        called = any(
            version == instance.version and weight > 0
            for dependency in self.dependencies
            if dependency.tier == instance.tier
            for version, weight in dependency.versions
        )
        return called and sees(self.viewpoint, self.across, instance.tier, instance.region, instance.zone)

    def put(self, instance: Instance) -> None:
        """Add an instance, or replace it if it has changed."""
        instance = self.place(instance)
        if self.members.get(instance.id) != instance:
            self.members[instance.id] = instance
            self.added[instance.id] = instance
            self.removed.discard(instance.id)

    def drop(self, id: str) -> None:
        """Remove an instance."""
        if self.members.pop(id, None) is not None:
            if id not in self.added or id in self.history.get(self.revision, ()):
                self.removed.add(id)
            self.added.pop(id, None)

    def resize(self, rings: dict[str, int]) -> None:
        """Set the sizes of the ring."""
        if rings != self.rings:
            self.rings = rings
            self.rings_changed = True

    @property
    def changed(self) -> bool:
        """Return whether the table differs from its last revision."""
        return bool(self.added or self.removed or self.rings_changed)

    def advance(self, oldest: int) -> Message:
        """Begin the next revision and return its delta.

        Args:
            oldest: the lowest revision that a pod of this view has acknowledged; older history is dropped.
        """
        message: Message = {
            "t": DELTA,
            "base": self.revision,
            "revision": self.revision + 1,
            "add": [encode(instance) for instance in self.added.values()],
            "remove": sorted(self.removed - self.added.keys()),
        }
        if self.rings_changed:
            message["rings"] = self.rings
        self._next(oldest)
        return message

    def restart(self, dependencies: tuple[Dependency, ...], oldest: int) -> None:
        """Begin the next revision with other dependencies; the caller sends the whole table."""
        self.dependencies = dependencies
        self._next(oldest)

    def table(self, partial: bool) -> Message:
        """Return the whole table at its current revision."""
        return {
            "t": TABLE,
            "revision": self.revision,
            "partial": partial,
            "dependencies": [encode(dependency) for dependency in self.dependencies],
            "instances": [encode(instance) for instance in self.members.values()],
            "rings": self.rings,
        }

    def _next(self, oldest: int) -> None:
        self.revision += 1
        self.added, self.removed, self.rings_changed = {}, set(), False
        self.history = {revision: ids for revision, ids in self.history.items() if revision >= oldest}
        self.history[self.revision] = frozenset(self.members)
