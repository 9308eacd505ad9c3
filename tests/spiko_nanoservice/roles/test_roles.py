"""Decisions of staash and store, and the names of instances: pure, without a socket or a clock."""

from __future__ import annotations

from random import Random

import pytest

from spiko_nanoservice.contract import Instance
from spiko_nanoservice.roles import (
    KEPT,
    NO_ROUTE,
    Copies,
    Identity,
    InOrder,
)
from spiko_nanoservice.roles.ring import RingNode
from spiko_nanoservice.roles.staash import Staash
from spiko_nanoservice.roles.store import Store
from spiko_nanoservice.routing.hash_ring import Space
from spiko_nanoservice.tier.identity import instance_name
from tests.support.role_tables import WHO, pod, routes, targets

# ------------------------------------------------------------------ staash

ALL = [
    pod("st", "db", "store"),
    pod("vo", "disk", "volume"),
    pod("ri", "kv", "riak"),
    pod("ca", "memory", "cache"),
    pod("sa", "below", "staash"),
    pod("ka", "app", "karyon"),
]


def staash(*instances: Instance, name: str = "web00") -> Staash:
    """Return a staash that is connected to these instances."""
    made = Staash()
    made.update_routes(routes(*instances), Identity("me", Space("web", "1.0.0", "r", "a"), name))
    return made


def test_kinds_are_asked_in_spigos_order() -> None:
    """Given all kinds of storage, then the order is cache, volume, ring, store, staash; routers are not
    asked.
    """
    expected = [("ca", "/k/"), ("vo", "/k/web00%2F"), ("ri", "/k/"), ("st", "/k/"), ("sa", "/k/")]
    get, put = staash(*ALL).get(b"x"), staash(*ALL).put(b"x", b"1", 0)

    assert isinstance(get, InOrder)
    assert isinstance(put, Copies)
    assert expected == targets(get) == targets(put)


@pytest.mark.parametrize(
    "known", [[], [ALL[5]], [pod("mate", "web", "staash")]], ids=["nothing", "a router", "its own tier"]
)
def test_a_staash_without_storage_has_no_route(known: list[Instance]) -> None:
    """Given no storage, a router, or the own tier only, then the step is no_route: asking the own tier would
    not end.
    """
    assert NO_ROUTE == staash(*known).get(b"x") == staash(*known).put(b"x", b"1", 0)


def test_an_instance_of_a_kind_is_drawn_by_weight_and_version() -> None:
    """Given two tiers of one kind, then their instances are drawn by weight; a version without a share is not
    drawn.
    """
    known = [pod("a", "one", "cache"), pod("b", "two", "cache"), pod("c", "two", "cache", version="2.0.0")]
    group = routes(*known, weights={"one": 3, "two": 1}).group(frozenset({"cache"}))
    random = Random(7)
    drawn = [found.id for _ in range(4000) if (found := group.draw(random))]

    assert {"a", "b"} == set(drawn)
    assert 0.72 < drawn.count("a") / 4000 < 0.78


@pytest.mark.parametrize(
    ("slot", "zone", "expected"), [(0, "a", "db00"), (1, "c", "db05"), (7, "*", "db07"), (40, "b", "db121")]
)
def test_an_instances_name_is_its_tier_and_index(slot: int, zone: str, expected: str) -> None:
    """Given slot and zone, then the index counts over the zones; without a zone it is the slot."""
    assert expected == instance_name("db", slot, zone, ("a", "b", "c"))


def test_a_store_copies_writes_to_its_own_package_only() -> None:
    """Given connected stores and a cache, then a write is copied to every store and not to the cache."""
    store = Store("store")
    store.update_routes(
        routes(pod("a", "db", "store"), pod("b", "other", "store"), pod("c", "memory", "cache")), WHO
    )

    assert [("a", "POST /replicate/"), ("b", "POST /replicate/")] == targets(store.put(b"x", b"1", 0))
    assert KEPT == store.replicate(b"x", b"1", 0)


@pytest.mark.parametrize(
    "role", [Store("store", most_keys=1_000, most_bytes=1_000), RingNode(1_000, 1_000)], ids=["store", "ring"]
)
def test_keys_and_values_are_bounded_in_bytes(role: Store | RingNode) -> None:
    """Given more bytes than the limit, then the key written first is dropped first; a key that is written
    again counts as new.
    """
    for number in range(20):
        role.put(b"key%02d" % number, b"x" * 95, 1)
    assert [b"key%02d" % number for number in range(10, 20)] == list(role.values)

    role.put(b"key10", b"y" * 5, 2)
    role.put(b"new00", b"x" * 85, 1)
    assert [*(b"key%02d" % number for number in range(11, 20)), b"key10", b"new00"] == list(role.values)

    role.put(b"large", b"x" * 900, 1)
    role.put(b"after", b"x" * 90, 1)
    assert [b"large", b"after"] == list(role.values)
