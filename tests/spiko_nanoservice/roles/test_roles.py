"""What roles decide: pure, without a socket or a clock."""

from __future__ import annotations

from random import Random
from typing import Any
from zlib import crc32

import pytest

from spiko_nanoservice.contract import Dependency, Instance, encode
from spiko_nanoservice.roles import (
    KEPT,
    MISS,
    NO_ROUTE,
    Again,
    Answer,
    Attempt,
    Copies,
    Identity,
    InOrder,
    Search,
    Spread,
)
from spiko_nanoservice.roles.ring import MOVING, NO_OWNER, RingNode
from spiko_nanoservice.roles.staash import Staash
from spiko_nanoservice.roles.store import Store
from spiko_nanoservice.routing.hash_ring import Space, build_ring, other_rings, slot_of
from spiko_nanoservice.routing.table import Routes
from spiko_nanoservice.tier.pod import instance_name

GOLDEN = {"why?": 3656593955, "Why00": 272395946, "Why11": 2116054909, "Why24": 627558449, "Why39": 1120765389, "Why10100": 518626130}  # fmt: skip
WHO = Identity("me", Space("cass", "1.0.0", "r", "a"), "cass00")


def pod(id: str, tier: str = "cass", package: str = "priamCassandra", zone: str = "a", region: str = "r", slot: int | None = None, version: str = "1.0.0") -> Instance:  # fmt: skip
    """One entry of a table."""
    return Instance(id, tier, package, version, region, zone, "10.0.0.1", 8080, slot)


def routes(*instances: Instance, rings: dict[str, int] | None = None, weights: dict[str, int] | None = None) -> Routes:
    """What a pod named `me` knows."""
    made = Routes("me")
    told: dict[str, list[Any]] = {}
    for instance in instances:
        told.setdefault(instance.region, []).append(encode(instance))
    for region, members in told.items():
        tiers = sorted({m["tier"] for m in members})
        dependencies = [encode(Dependency(t, (weights or {}).get(t, 1), (("1.0.0", 100), ("2.0.0", 0)))) for t in tiers]
        made.replace(
            region,
            {
                "revision": 1,
                "dependencies": dependencies,
                "instances": members,
                "rings": (rings or {}) if region == "r" else {},
            },
        )
    return made


def node(*others: Instance, slot: int | None = 0, size: int = 2, seen: bool = True) -> RingNode:
    """A node of a ring, whose other members have seen it and are done."""
    made = RingNode()
    made.update_routes(routes(pod("me", slot=slot), *others, rings={"1.0.0": size}), WHO)
    for other in others if seen else ():
        made.peers.confirm(other.id, (size, slot), True)
    return made


def targets(step: Any) -> list[tuple[str, str]]:
    """Whom a step would call, and for what."""
    found = []
    for attempt in step.attempts if not isinstance(step, tuple) else step:
        assert isinstance(attempt, Attempt)
        to = attempt.among.draw(Random(1))
        assert to is not None
        found.append((to.id, f"{attempt.method.decode()} {attempt.prefix.decode()}".strip()))
    return found


# ------------------------------------------------------------------ rings


@pytest.mark.parametrize(("key", "expected"), GOLDEN.items(), ids=GOLDEN)
def test_hashes_are_spigos(key: str, expected: int) -> None:
    """CRC-32 of the key's bytes; with two nodes `why?` belongs to the second and the others to the first."""
    assert expected == crc32(key.encode())
    assert int(key == "why?") == slot_of(key.encode(), 2)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_the_owner_has_the_largest_token_not_above_the_hash(size: int) -> None:
    """Token of slot k is k * floor(4294967295 / n)."""
    tokens = [k * (4294967295 // size) for k in range(size)]
    keys = [b"Why%d%d" % (n, n * n) for n in range(500)]
    expected = [max(k for k in range(size) if tokens[k] <= crc32(key)) for key in keys]

    assert expected == [slot_of(key, size) for key in keys]
    assert set(range(size)) == set(expected) or size == 100


def test_the_largest_hash_belongs_to_the_last_slot() -> None:
    """Rounding leaves hashes beyond n tokens' lengths; there is no slot n."""
    assert 4294967295 == crc32(b"\xff\xff\xff\xff")
    assert [0, 1, 2, 99] == [slot_of(b"\xff\xff\xff\xff", size) for size in (1, 2, 3, 100)]


def test_of_two_with_one_slot_all_nodes_choose_the_same() -> None:
    """While a slot is disputed one of the two owns and the other is a spare, whoever looks."""
    pods = [pod("x", slot=0), pod("me", slot=0), pod("z", slot=1)]
    mine = build_ring("me", WHO.space, pods, 2)
    other = build_ring("x", WHO.space, pods, 2)

    assert (0, None) == (mine.own, other.own)
    assert [None, "z"] == [h and h.id for h in mine.holders]
    assert ["me", "z"] == [h and h.id for h in other.holders]


def test_other_rings_are_zones_and_versions_and_regions_are_whole() -> None:
    """Every zone and version of the tier in the region is a ring of its own; another region is one."""
    instances = [pod("a2", version="2.0.0"), pod("b1", zone="b"), pod("b2", zone="b"), pod("s1", region="s"), pod("s2", region="s", zone="b"), pod("x", tier="other"), pod("y", package="store", zone="c")]  # fmt: skip
    rings, regions = other_rings(WHO.space, instances, frozenset({"priamCassandra"}))

    assert [["a2"], ["b1", "b2"]] == [[i.id for i in ring] for ring in rings]
    assert [["s1", "s2"]] == [[i.id for i in region] for region in regions]


# ------------------------------------------------------------------ a node of a ring

MINE, THEIRS = b"Why00", b"why?"  # of two slots: the first's and the second's


def test_a_node_without_a_ring_owns_everything() -> None:
    """A tier that does not depend on itself has nobody to forward to."""
    alone = RingNode()
    alone.update_routes(routes(pod("x", "other", "store")), WHO)

    assert KEPT == alone.put(THEIRS, b"1", 7)
    assert Answer(200, b"1") == alone.get(THEIRS)
    assert MISS == alone.get(b"nothing")
    assert Answer(200, b"because...") == RingNode().get(b"why?")


def test_the_owner_answers_and_any_other_node_asks_it() -> None:
    """GET: own data, or one call to the owner, and to another ring of the region only if it is away."""
    here = node(pod("other", slot=1), pod("far", zone="b"))
    here.put(MINE, b"1", 7)

    assert Answer(200, b"1") == here.get(MINE)
    assert [("other", "/owned/"), ("far", "/ring/")] == targets(here.get(THEIRS))
    assert [("other", "/owned/")] == targets(here.get_in_ring(THEIRS))


def test_a_write_is_passed_on_once_to_each_ring_and_region() -> None:
    """The coordinator replicates, owner or not; the owner that gets a forwarded write does not."""
    here = node(pod("other", slot=1), pod("b", zone="b"), pod("c", zone="c"), pod("s", region="s"))
    own, forwarded = here.put(MINE, b"1", 7), here.put(THEIRS, b"1", 7)
    copies = [("b", "POST /replicate/"), ("c", "POST /replicate/"), ("s", "POST /enter/")]

    assert isinstance(own, Spread)
    assert copies == targets(own)
    assert isinstance(forwarded, InOrder)
    assert forwarded.rest
    assert [("other", "/owned/"), *copies[:2]] == targets(forwarded)
    assert copies[2:] == targets(forwarded.then)
    assert KEPT == here.put_owned(MINE, b"2", 8, True)
    assert KEPT == here.replicate(MINE, b"3", 9)


def test_a_region_is_entered_once_and_fanned_out_inside() -> None:
    """A write from another region goes to the owner here and once to every other ring here, never back."""
    here = node(pod("other", slot=1), pod("b", zone="b"), pod("s", region="s"))
    own, passed = here.enter(MINE, b"1", 7), here.enter(THEIRS, b"1", 7)

    assert isinstance(passed, InOrder)
    assert passed.regardless
    assert [("b", "POST /replicate/")] == targets(own) == targets(passed.then)
    assert [("other", "POST /owned/")] == targets(passed)


def test_without_an_owner_another_ring_is_tried_and_without_one_it_is_said() -> None:
    """No instance has the key's slot: the other ring of the region; none: 503 no_owner."""
    here, lonely = node(pod("b", zone="b"), slot=0), node(slot=0)

    assert [("b", "/ring/")] == targets(here.get(THEIRS))
    assert [("b", "POST /replicate/")] == targets(here.put(THEIRS, b"1", 7))
    assert NO_OWNER == lonely.get(THEIRS) == lonely.put(THEIRS, b"1", 7) == here.get_in_ring(THEIRS)


def test_a_spare_owns_nothing() -> None:
    """Without a slot every key is another's; asked as the owner it says so, and never forwards."""
    spare = node(pod("x", slot=0), pod("y", slot=1), slot=None)

    assert [("x", "/owned/")] == targets(spare.get(MINE))
    assert [("y", "/owned/")] == targets(spare.get(THEIRS))
    assert MOVING == spare.get_owned(MINE) == spare.put_owned(MINE, b"1", 7, True)


def test_of_two_writes_the_later_wins_wherever_it_arrives_first() -> None:
    """A replicated write that is older changes nothing; a direct one always wins, even over a clock ahead of its own."""
    here = node(pod("other", slot=1))
    here.put(MINE, b"new", 100)
    here.replicate(MINE, b"old", 99)
    after_replicate = here.get(MINE)
    here.put(MINE, b"newest", 50)

    assert Answer(200, b"new") == after_replicate
    assert Answer(200, b"newest") == here.get(MINE)
    assert 101 == here.values[MINE][1]


def test_a_new_owner_begins_when_all_others_have_seen_it() -> None:
    """Before, nobody is told what may be wrong; who asks as coordinator waits, who asks the owner is told to come again."""
    here = node(pod("x", slot=1), seen=False)
    early = (here.get(MINE), here.put(MINE, b"1", 7), here.get_owned(MINE), here.put_owned(MINE, b"1", 7, False))
    here.peers.confirm("x", (2, 0), False)

    assert (Again(), Again(), MOVING, MOVING) == early
    assert KEPT == here.put_owned(MINE, b"1", 7, True)


def test_an_owner_asks_those_that_are_not_done_before_it_says_miss() -> None:
    """Also who has left, until it is done or does not answer."""
    here = node(pod("x", slot=1), seen=False)
    here.peers.confirm("x", (2, 0), False)
    not_done = here.get(MINE)
    here.peers.confirm("x", (2, 0), True)
    done = here.get(MINE)
    here.peers.add_predecessor(pod("gone"))
    succeeded = here.get(MINE)
    here.peers.remove_departed("gone")

    assert isinstance(not_done, Search)
    assert [("x", "GET /held/")] == targets(not_done)
    assert done == MISS
    assert [("gone", "GET /held/")] == targets(succeeded)
    assert here.get(MINE) == MISS


def test_what_was_owned_before_and_still_is_is_served_all_through() -> None:
    """A ring that grows stops nothing that does not move."""
    here = node(pod("x", slot=1), slot=0, size=2)
    stays = next(key for n in range(99) if slot_of(key := b"%d" % n, 2) == slot_of(key, 3) == 0)
    here.put(stays, b"1", 7)
    here.update_routes(routes(pod("me", slot=0), pod("x", slot=1), pod("y", slot=2), rings={"1.0.0": 3}), WHO)

    assert Answer(200, b"1") == here.get(stays)


def test_who_leaves_acts_as_the_owner_until_somebody_has_its_slot() -> None:
    """The others ask it though no table has it; it stops when it sees its successor, or another size of the ring."""
    here, leaver = node(pod("x", slot=1)), node(pod("x", slot=1))
    here.peers.expect_leave("x")
    here.update_routes(routes(pod("me", slot=0), rings={"1.0.0": 2}), WHO)
    leaver.peers.leave()
    before = leaver.put(MINE, b"1", 7)
    leaver.update_routes(routes(pod("x", slot=1), rings={"1.0.0": 2}), WHO)
    vacant = leaver.get_owned(MINE), leaver.put_owned(MINE, b"2", 8, True)
    unfinished = leaver.misplaced([MINE])
    leaver.update_routes(routes(pod("x", slot=1), pod("new", slot=0), rings={"1.0.0": 2}), WHO)

    assert [("x", "/owned/")] == targets(here.get(THEIRS))
    assert (KEPT, Answer(200, b"1"), KEPT) == (before, *vacant)
    assert {0: [(MINE, b"2", 8)]} == unfinished
    assert MOVING == leaver.put_owned(MINE, b"3", 9, True)
    here.peers.remove_departed("x")
    assert NO_OWNER == here.get(THEIRS)


def test_keys_are_forgotten_when_the_new_owner_has_them_and_not_if_they_have_changed() -> None:
    """A key that is written again while it is handed over stays, and goes with the next round."""
    here = RingNode()
    here.update_routes(routes(pod("me", slot=0), rings={"1.0.0": 1}), WHO)
    here.put(THEIRS, b"1", 7)
    here.put(MINE, b"1", 7)
    here.update_routes(routes(pod("me", slot=0), pod("x", slot=1), rings={"1.0.0": 2}), WHO)
    moved = here.misplaced(list(here.values))
    here.values[THEIRS] = b"2", 8
    here.drop_handed_over(moved[1])
    kept = dict(here.values)
    here.drop_handed_over(here.misplaced(list(here.values))[1])

    assert {1: [(THEIRS, b"1", 7)]} == moved
    assert {THEIRS: (b"2", 8), MINE: (b"1", 7)} == kept
    assert {MINE: (b"1", 7)} == dict(here.values)


def test_a_handover_is_taken_only_at_the_place_that_both_see() -> None:
    """Else the giver keeps its keys and comes again; what is newer here stays."""
    here = node(pod("x", slot=1))
    here.put(MINE, b"new", 9)
    taken = here.take([(MINE, b"old", 8)], (2, 0))

    assert (True, False, False) == (taken, here.take([], (3, 0)), node(slot=None).take([], (2, 0)))
    assert Answer(200, b"new") == here.get(MINE)


def test_what_does_not_fit_a_handover_is_not_taken_at_all() -> None:
    """A key that could never move would be lost when the ring changes."""
    assert node(slot=0).put(MINE, b"x" * 1_047_552, 7).status == 413  # type: ignore[union-attr]


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
    """One that knows these."""
    made = Staash()
    made.update_routes(routes(*instances), Identity("me", Space("web", "1.0.0", "r", "a"), name))
    return made


def test_kinds_are_asked_in_spigos_order() -> None:
    """Cache, volume, ring, store, staash; routers are no kind."""
    expected = [("ca", "/k/"), ("vo", "/k/web00%2F"), ("ri", "/k/"), ("st", "/k/"), ("sa", "/k/")]
    get, put = staash(*ALL).get(b"x"), staash(*ALL).put(b"x", b"1", 0)

    assert isinstance(get, InOrder)
    assert isinstance(put, Copies)
    assert expected == targets(get) == targets(put)


@pytest.mark.parametrize("known", [[], [ALL[5]], [pod("mate", "web", "staash")]], ids=["nothing", "a router", "its own tier"])  # fmt: skip
def test_without_a_kind_there_is_no_route(known: list[Instance]) -> None:
    """Also where only its own tier is connected: that would go round and round."""
    assert NO_ROUTE == staash(*known).get(b"x") == staash(*known).put(b"x", b"1", 0)


def test_an_instance_of_a_kind_is_drawn_by_weight_and_version() -> None:
    """Two tiers of one kind share by their weights; a version without a share gets nothing."""
    known = [pod("a", "one", "cache"), pod("b", "two", "cache"), pod("c", "two", "cache", version="2.0.0")]
    group = routes(*known, weights={"one": 3, "two": 1}).group(frozenset({"cache"}))
    random = Random(7)
    drawn = [found.id for _ in range(4000) if (found := group.draw(random))]

    assert {"a", "b"} == set(drawn)
    assert 0.72 < drawn.count("a") / 4000 < 0.78


@pytest.mark.parametrize(("slot", "zone", "expected"), [(0, "a", "db00"), (1, "c", "db05"), (7, "*", "db07"), (40, "b", "db121")])  # fmt: skip
def test_an_instances_name_is_its_tier_and_index(slot: int, zone: str, expected: str) -> None:
    """Slots count on from zone to zone; without a zone the slot is the index."""
    assert expected == instance_name("db", slot, zone, ("a", "b", "c"))


def test_a_store_passes_writes_on_to_its_own_package_only() -> None:
    """To every connected instance; a cache beside it gets nothing."""
    store = Store("store")
    store.update_routes(routes(pod("a", "db", "store"), pod("b", "other", "store"), pod("c", "memory", "cache")), WHO)

    assert [("a", "POST /replicate/"), ("b", "POST /replicate/")] == targets(store.put(b"x", b"1", 0))
    assert KEPT == store.replicate(b"x", b"1", 0)


@pytest.mark.parametrize(
    "role", [Store("store", most_keys=1_000, most_bytes=1_000), RingNode(1_000, 1_000)], ids=["store", "ring"]
)
def test_what_is_kept_is_bounded_in_bytes(role: Store | RingNode) -> None:
    """Keys and values count; what was written longest ago goes first, what is overwritten or larger than all leaves its place."""
    for number in range(20):
        role.put(b"key%02d" % number, b"x" * 95, 1)
    assert [b"key%02d" % number for number in range(10, 20)] == list(role.values)

    role.put(b"key10", b"y" * 5, 2)
    role.put(b"new00", b"x" * 85, 1)
    assert [*(b"key%02d" % number for number in range(11, 20)), b"key10", b"new00"] == list(role.values)

    role.put(b"large", b"x" * 900, 1)
    role.put(b"after", b"x" * 90, 1)
    assert [b"large", b"after"] == list(role.values)
