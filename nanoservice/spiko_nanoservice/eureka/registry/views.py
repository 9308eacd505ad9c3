"""Pure: routing tables as revisions. A view is the table of one viewpoint; its pods get it whole once and then only deltas."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from spiko_nanoservice.contract import Dependency, Instance, encode
from spiko_nanoservice.eureka.registry.visibility import Viewpoint, sees
from spiko_nanoservice.messages import DELTA, TABLE, Message


@dataclass(slots=True)
class View:
    """The table of all pods that share a viewpoint.

    `history` has the members of every revision that some pod may still be at: an edge is discovered when its caller acknowledged a table
    with the callee in it, and a death is noticed when the last caller acknowledged one without.
    """

    viewpoint: Viewpoint
    across: bool
    dependencies: tuple[Dependency, ...]
    revision: int = 1
    members: dict[str, Instance] = field(default_factory=dict)
    history: dict[int, frozenset[str]] = field(default_factory=dict)
    sessions: set[int] = field(default_factory=set)
    rings: dict[str, int] = field(default_factory=dict)  # slots of the callers' own ring, by version
    rings_changed: bool = False
    added: dict[str, Instance] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)

    def place(self, instance: Instance) -> Instance:
        """An instance as this table has it: slots are told within a tier only."""
        return (
            instance if instance.tier == self.viewpoint.tier or instance.slot is None else replace(instance, slot=None)
        )

    def wants(self, instance: Instance) -> bool:
        """Whether an instance belongs in this table; one whose version has no share is called by nobody."""
        called = any(
            version == instance.version and weight > 0
            for dependency in self.dependencies
            if dependency.tier == instance.tier
            for version, weight in dependency.versions
        )
        return called and sees(self.viewpoint, self.across, instance.tier, instance.region, instance.zone)

    def put(self, instance: Instance) -> None:
        """Note a new or changed instance; nothing if it is there already."""
        instance = self.place(instance)
        if self.members.get(instance.id) != instance:
            self.members[instance.id] = instance
            self.added[instance.id] = instance
            self.removed.discard(instance.id)

    def drop(self, id: str) -> None:
        """Note that an instance has gone."""
        if self.members.pop(id, None) is not None:
            if id not in self.added or id in self.history.get(self.revision, ()):
                self.removed.add(id)
            self.added.pop(id, None)

    def resize(self, rings: dict[str, int]) -> None:
        """Note the sizes of the ring."""
        if rings != self.rings:
            self.rings = rings
            self.rings_changed = True

    @property
    def changed(self) -> bool:
        """Whether a new revision is due."""
        return bool(self.added or self.removed or self.rings_changed)

    def advance(self, oldest: int) -> Message:
        """Make the next revision and return its delta.

        Args:
            oldest: the lowest revision that a pod of this view has acknowledged; older history is forgotten.

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
        """Make the next revision for another list of dependencies; pods get the table whole."""
        self.dependencies = dependencies
        self._next(oldest)

    def table(self, partial: bool) -> Message:
        """The whole table at its present revision."""
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
