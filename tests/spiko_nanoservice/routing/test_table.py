"""The routing table of a pod: stale instances, and how they are ejected."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from spiko_nanoservice.contract import Dependency, Instance, encode
from spiko_nanoservice.routing.hash_ring import Space
from spiko_nanoservice.routing.table import Routes

Object = dict[str, Any]


def instance(id: str, tier: str = "db", slot: int | None = None) -> Instance:
    """Return an instance of a tier in the region of its id's first letter."""
    return Instance(id, tier, "store", "1.0.0", id[0], "a", "10.0.0.1", 1, slot)


def table(*ids: str, revision: int = 1, partial: bool = False, slots: bool = False) -> Object:
    """Return a table of these instances."""
    members = [instance(id, slot=int(id[1]) if slots else None) for id in ids]
    return {
        "revision": revision,
        "partial": partial,
        "dependencies": [encode(Dependency("db", len(ids), (("1.0.0", 100),)))],
        "instances": [encode(member) for member in members],
        "rings": {"1.0.0": 3} if slots else {},
    }


def two_regions() -> Routes:
    """Return the routes of a caller with two instances in each of the regions r and s."""
    routes = Routes("caller")
    routes.replace("r", table("r0", "r1"))
    routes.replace("s", table("s0", "s1"))
    return routes


def drawn(routes: Routes) -> set[str]:
    """Return the instances that calls reach."""
    random = Random(1)
    found = (routes.pick(random) for _ in range(200))
    return {instance.id for instance in found if instance is not None}


def test_instance_that_a_registry_confirms_is_not_ejected() -> None:
    """Given connected registries, when a connection to an instance fails, then calls still reach it."""
    routes = two_regions()
    routes.eject("s0")

    assert {"r0", "r1", "s0", "s1"} == drawn(routes)


def test_stale_instances_serve_until_their_first_failure() -> None:
    """Given a region without registries, then calls reach its instances, each until a connection to it
    fails; the dependency then has the instances of the other region.
    """
    routes = two_regions()
    routes.mark_stale("s")
    assert {"r0", "r1", "s0", "s1"} == drawn(routes)

    routes.eject("s0")
    routes.eject("r0")
    assert {"r0", "r1", "s1"} == drawn(routes) == set(routes.instances)
    routes.eject("s1")
    assert {"r0", "r1"} == drawn(routes)


def test_next_table_brings_an_ejected_instance_back() -> None:
    """Given an ejected instance, when a registry has it again, then calls reach it, and it is stale no more;
    a partial table leaves the instances that it does not have stale.
    """
    routes = two_regions()
    routes.mark_stale("s")
    routes.eject("s0")
    routes.eject("s1")
    routes.replace("s", table("s1", partial=True))
    assert {"r0", "r1", "s1"} == drawn(routes)
    routes.eject("s1")
    assert {"r0", "r1", "s1"} == drawn(routes)

    added = encode(instance("s0"))
    assert routes.change("s", {"base": 1, "revision": 2, "add": [added], "remove": []})
    routes.eject("s0")
    assert {"r0", "r1", "s0", "s1"} == drawn(routes)
    routes.replace("s", table("s1"))
    assert {"r0", "r1", "s1"} == drawn(routes)


def test_instance_that_a_partial_table_lacks_is_ejected_at_its_first_failure() -> None:
    """Given a new registry whose table lacks an instance, then it is stale, and a failure ejects it."""
    routes = two_regions()
    routes.replace("s", table("s1", partial=True))
    assert {"r0", "r1", "s0", "s1"} == drawn(routes)
    routes.eject("s0")

    assert {"r0", "r1", "s1"} == drawn(routes)


def test_tier_without_another_instance_keeps_the_ejected_ones() -> None:
    """Given failures of all instances of a tier while no registry is connected, then calls still reach them:
    they may have restarted, and no other instance could answer.
    """
    routes = Routes("caller")
    routes.replace("r", table("r0", "r1"))
    routes.mark_stale("r")
    routes.eject("r0")
    assert {"r1"} == drawn(routes)
    routes.eject("r1")
    assert {"r0", "r1"} == drawn(routes)


def test_ejected_node_has_no_slot_in_the_ring() -> None:
    """Given a node of a ring that was ejected, then its slot is vacant, as if a registry had removed it."""
    routes = Routes("r0")
    routes.replace("r", table("r0", "r1", "r2", slots=True))
    space = Space("db", "1.0.0", "r", "a")
    routes.mark_stale("r")
    assert {"r1", "r2"} == set(routes.ring(space).members)
    routes.eject("r2")

    ring = routes.ring(space)
    assert ({"r1"}, 3, None) == (set(ring.members), ring.size, ring.holders[2])


def test_ejection_changes_the_routes_once() -> None:
    """Given many failed connections to one stale instance, then the choices are rebuilt once."""
    routes, changes = two_regions(), Counter[str]()
    routes.on_change = lambda: changes.update(["rebuilt"])
    routes.mark_stale("s")
    for _ in range(50):
        routes.eject("s0")

    assert changes["rebuilt"] == 1
