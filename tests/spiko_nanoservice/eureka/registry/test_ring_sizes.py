"""Rings in one registry: slots, sizes, and the previous holder of a slot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from spiko_nanoservice import messages as m
from spiko_nanoservice.contract import (
    PROTOCOL,
    Configuration,
    Hello,
    Place,
    Revision,
    TierConfig,
    VersionConfig,
    Zones,
)
from spiko_nanoservice.eureka.registry.effects import Effect, Send
from spiko_nanoservice.eureka.registry.registry import Registry
from spiko_nanoservice.routing.hash_ring import Space
from spiko_nanoservice.routing.table import Routes
from tests.support.registry_simulation import slot_of_member

SPACE = Space("db", "1.0.0", "r", "a")


class Pods:
    """One registry and its pods, each with the table that the registry sent."""

    def __init__(
        self, size: int, package: str = "riak", dependencies: tuple[str, ...] = ("db",), weight: int = 100
    ) -> None:
        self.package, self._dependencies, self._weight = package, dependencies, weight
        self.registry = Registry("e", "r", "a", 0.0)
        self.routes: dict[int, Routes] = {}
        self.slots: dict[int, list[Any]] = {}
        self._revision = 0
        self.configure(size)

    def configure(self, size: int) -> None:
        """Configure a ring of this size."""
        self._revision += 1
        places = (Place("r", "a", size),)
        versions = (VersionConfig("1.0.0", self._weight, places),)
        tier = TierConfig("db", self.package, self._dependencies, places, versions)
        made = Configuration("arch", Revision(0, self._revision), (Zones("r", ("a",)),), (tier,))
        self._hear(self.registry.configure(made, 1.0))

    def start(self, *numbers: int) -> None:
        """Register pods."""
        for number in numbers:
            name = f"pod{number}"
            hello = Hello(PROTOCOL, name, name, "db", self.package, "1.0.0", "r", "a", "10.0.0.1", 1, (1, 1))
            self.routes[number] = Routes(name)
            self.slots[number] = []
            self._hear(self.registry.hello(number, hello, 1.0))

    def say_bye(self, number: int) -> None:
        """Deregister a pod."""
        self._hear(self.registry.bye(number, 1.0))

    def end(self, number: int) -> None:
        """End a pod's session."""
        self._hear(self.registry.lost(number, 1.0))

    def _hear(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send) and effect.session in self.routes:
                message, routes = effect.message, self.routes[effect.session]
                if message["t"] == m.TABLE:
                    routes.replace("r", message)
                elif message["t"] == m.DELTA:
                    assert routes.change("r", message)
                elif message["t"] == m.SLOT:
                    before = message.get("before")
                    self.slots[effect.session].append((message["slot"], before and before["id"]))

    def rings(self) -> set[tuple[int, tuple[int | None, ...]]]:
        """Return size and slots of all pods in every pod's view; one element if all agree."""
        found = set()
        for number, routes in self.routes.items():
            ring = routes.ring(SPACE)
            slots = {f"pod{number}": ring.own} | {id: slot_of_member(ring, id) for id in ring.members}
            found.add((ring.size, tuple(slots.get(f"pod{n}") for n in sorted(self.routes))))
        return found


def test_every_node_of_a_ring_sees_the_same_ring() -> None:
    """Given three pods, then all get the slots with the entries and the size with the table."""
    pods = Pods(3)
    pods.start(0, 1, 2)

    assert {(3, (0, 1, 2))} == pods.rings()


def test_a_ring_grows_once_every_new_slot_has_a_node_and_shrinks_at_once() -> None:
    """Given a ring configured larger, then the old nodes own every key until all new nodes are there."""
    pods = Pods(2)
    pods.start(0, 1)
    pods.configure(4)
    pods.start(2)
    growing = pods.rings()
    pods.start(3)
    grown = pods.rings()
    pods.configure(1)

    assert {(2, (0, 1, None))} == growing
    assert {(4, (0, 1, 2, 3))} == grown
    assert {(1, (0, None, None, None))} == pods.rings()


def test_a_node_that_dies_leaves_its_slot_vacant() -> None:
    """Given a dead node, then the ring keeps its size and the slot is vacant until another pod has it."""
    pods = Pods(2)
    pods.start(0, 1)
    pods.end(0)
    del pods.routes[0]
    vacant = pods.rings()
    pods.start(5)

    assert {(2, (1,))} == vacant
    assert {(2, (1, 0))} == pods.rings()


@pytest.mark.parametrize(
    ("package", "dependencies", "weight"),
    [("store", ("db",), 100), ("riak", (), 100), ("riak", ("eureka",), 100), ("riak", ("db",), 0)],
    ids=["a store", "without dependencies", "on eureka only", "a version without a share"],
)
def test_only_ring_nodes_that_depend_on_themselves_have_a_ring(
    package: str, dependencies: tuple[str, ...], weight: int
) -> None:
    """Given a store, or a ring tier without itself as a dependency, or without a share, then there is no
    ring.
    """
    pods = Pods(2, package, dependencies, weight)
    pods.start(0, 1)

    assert {(0, (None, None))} == pods.rings()


def test_the_next_holder_of_a_slot_learns_its_predecessor() -> None:
    """Given a pod that leaves, then the next holder of its slot learns its id until the process ends."""
    pods = Pods(1)
    pods.start(0, 1)
    pods.say_bye(0)
    left = list(pods.slots[1])
    pods.end(0)
    pods.end(1)
    pods.start(2)

    assert [(0, "pod0")] == left
    assert [(0, None)] == pods.slots[2]


def test_an_entry_without_a_slot_is_read() -> None:
    """Given a eureka of the release before, which sends no slots and no sizes, then a pod has no ring."""
    pods = Pods(2)
    pods.start(0)
    table = pods.registry.views.by_viewpoint[pods.registry.sessions[0].viewpoint].table(False)
    old = table | {"instances": [{k: v for k, v in i.items() if k != "slot"} for i in table["instances"]]}
    del old["rings"]
    routes = Routes("other")
    routes.replace("r", old)

    assert 0 == routes.ring(SPACE).size
    assert [None] == [instance.slot for instance in routes.instances.values()]
    assert replace(next(iter(routes.instances.values())), slot=0).id == "pod0"
