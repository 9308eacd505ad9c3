"""Hash rings, and the decisions of a ring's node: pure, without a socket or a clock."""

from __future__ import annotations

from zlib import crc32

import pytest

from spiko_nanoservice.roles import (
    KEPT,
    MISS,
    Again,
    Answer,
    InOrder,
    Search,
    Spread,
)
from spiko_nanoservice.roles.ring import MOVING, NO_OWNER, RingNode
from spiko_nanoservice.routing.hash_ring import build_ring, other_rings, slot_of
from tests.support.role_tables import WHO, node, pod, routes, targets

GOLDEN = {
    "why?": 3656593955,
    "Why00": 272395946,
    "Why11": 2116054909,
    "Why24": 627558449,
    "Why39": 1120765389,
    "Why10100": 518626130,
}

# ------------------------------------------------------------------ rings


@pytest.mark.parametrize(("key", "expected"), GOLDEN.items(), ids=GOLDEN)
def test_hashes_are_spigos(key: str, expected: int) -> None:
    """Given Spigo's keys, then their hash is the CRC-32 of their bytes; of two slots `why?` belongs to the
    second, the others to the first.
    """
    assert expected == crc32(key.encode())
    assert int(key == "why?") == slot_of(key.encode(), 2)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_the_owner_has_the_largest_token_not_above_the_hash(size: int) -> None:
    """Given n slots, then slot k has the token k * floor(4294967295 / n), and a key the last token not above
    its hash.
    """
    tokens = [k * (4294967295 // size) for k in range(size)]
    keys = [b"Why%d%d" % (n, n * n) for n in range(500)]
    expected = [max(k for k in range(size) if tokens[k] <= crc32(key)) for key in keys]

    assert expected == [slot_of(key, size) for key in keys]
    assert set(range(size)) == set(expected) or size == 100


def test_the_largest_hash_belongs_to_the_last_slot() -> None:
    """Given a hash beyond n times the distance of tokens, then the last slot owns it."""
    assert 4294967295 == crc32(b"\xff\xff\xff\xff")
    assert [0, 1, 2, 99] == [slot_of(b"\xff\xff\xff\xff", size) for size in (1, 2, 3, 100)]


def test_of_two_claims_to_a_slot_all_nodes_choose_the_same() -> None:
    """Given two pods with one slot, when each node builds the ring, then all choose the same pod and the
    other is a spare.
    """
    pods = [pod("x", slot=0), pod("me", slot=0), pod("z", slot=1)]
    mine = build_ring("me", WHO.space, pods, 2)
    other = build_ring("x", WHO.space, pods, 2)

    assert (0, None) == (mine.own, other.own)
    assert [None, "z"] == [h and h.id for h in mine.holders]
    assert ["me", "z"] == [h and h.id for h in other.holders]


def test_zones_and_versions_are_other_rings_and_each_region_is_one_group() -> None:
    """Given instances of a tier, then each zone and version of the region is a ring, and each other region is
    one group.
    """
    instances = [
        pod("a2", version="2.0.0"),
        pod("b1", zone="b"),
        pod("b2", zone="b"),
        pod("s1", region="s"),
        pod("s2", region="s", zone="b"),
        pod("x", tier="other"),
        pod("y", package="store", zone="c"),
    ]
    rings, regions = other_rings(WHO.space, instances, frozenset({"priamCassandra"}))

    assert [["a2"], ["b1", "b2"]] == [[i.id for i in ring] for ring in rings]
    assert [["s1", "s2"]] == [[i.id for i in region] for region in regions]


# ------------------------------------------------------------------ a node of a ring

MINE, THEIRS = b"Why00", b"why?"  # of two slots the first owns MINE and the second THEIRS


def test_a_node_without_a_ring_owns_every_key() -> None:
    """Given a tier that does not depend on itself, then its node keeps and answers every key."""
    alone = RingNode()
    alone.update_routes(routes(pod("x", "other", "store")), WHO)

    assert KEPT == alone.put(THEIRS, b"1", 7)
    assert Answer(200, b"1") == alone.get(THEIRS)
    assert MISS == alone.get(b"nothing")
    assert Answer(200, b"because...") == RingNode().get(b"why?")


def test_the_owner_answers_and_any_other_node_asks_the_owner() -> None:
    """Given a ring, then GET is answered from own data, or asks the owner, and another ring only if the owner
    is unreachable.
    """
    here = node(pod("other", slot=1), pod("far", zone="b"))
    here.put(MINE, b"1", 7)

    assert Answer(200, b"1") == here.get(MINE)
    assert [("other", "/owned/"), ("far", "/ring/")] == targets(here.get(THEIRS))
    assert [("other", "/owned/")] == targets(here.get_in_ring(THEIRS))


def test_a_write_is_passed_on_once_to_each_ring_and_region() -> None:
    """Given a write, then its coordinator passes it on, owner or not; the owner that gets a forwarded write
    does not.
    """
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


def test_a_write_enters_a_region_once_and_is_passed_on_inside() -> None:
    """Given a write from another region, then it goes to the owner and once to every other ring here, and not
    back.
    """
    here = node(pod("other", slot=1), pod("b", zone="b"), pod("s", region="s"))
    own, passed = here.enter(MINE, b"1", 7), here.enter(THEIRS, b"1", 7)

    assert isinstance(passed, InOrder)
    assert passed.regardless
    assert [("b", "POST /replicate/")] == targets(own) == targets(passed.then)
    assert [("other", "POST /owned/")] == targets(passed)


def test_a_vacant_slot_falls_back_to_another_ring_else_no_owner() -> None:
    """Given a vacant slot, then another ring of the region is asked; without another ring the reply is
    no_owner.
    """
    here, lonely = node(pod("b", zone="b"), slot=0), node(slot=0)

    assert [("b", "/ring/")] == targets(here.get(THEIRS))
    assert [("b", "POST /replicate/")] == targets(here.put(THEIRS, b"1", 7))
    assert NO_OWNER == lonely.get(THEIRS) == lonely.put(THEIRS, b"1", 7) == here.get_in_ring(THEIRS)


def test_a_spare_owns_no_key() -> None:
    """Given a node without a slot, then it asks the owners; asked as the owner it answers moving."""
    spare = node(pod("x", slot=0), pod("y", slot=1), slot=None)

    assert [("x", "/owned/")] == targets(spare.get(MINE))
    assert [("y", "/owned/")] == targets(spare.get(THEIRS))
    assert MOVING == spare.get_owned(MINE) == spare.put_owned(MINE, b"1", 7, True)


def test_of_two_writes_the_later_one_wins() -> None:
    """Given writes in any order, then an older copy changes nothing, and a client's write always wins, even
    over a clock that is ahead.
    """
    here = node(pod("other", slot=1))
    here.put(MINE, b"new", 100)
    here.replicate(MINE, b"old", 99)
    after_replicate = here.get(MINE)
    here.put(MINE, b"newest", 50)

    assert Answer(200, b"new") == after_replicate
    assert Answer(200, b"newest") == here.get(MINE)
    assert 101 == here.values[MINE][1]


def test_a_new_owner_acts_once_all_nodes_have_confirmed_its_place() -> None:
    """Given a new place, before all nodes confirmed it a coordinator decides again and an owner answers
    moving; afterwards it acts.
    """
    here = node(pod("x", slot=1), seen=False)
    early = (
        here.get(MINE),
        here.put(MINE, b"1", 7),
        here.get_owned(MINE),
        here.put_owned(MINE, b"1", 7, False),
    )
    here.peers.confirm("x", (2, 0), False)

    assert (Again(), Again(), MOVING, MOVING) == early
    assert KEPT == here.put_owned(MINE, b"1", 7, True)


def test_an_owner_searches_nodes_that_are_not_done_before_a_miss() -> None:
    """Given nodes that may hold keys, a node that left included, then a key that is not found is searched
    there until they are done or do not answer.
    """
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


def test_keys_that_do_not_move_are_served_while_a_ring_grows() -> None:
    """Given a ring that grows, then a key that keeps its owner is answered before the confirmations."""
    here = node(pod("x", slot=1), slot=0, size=2)
    stays = next(key for n in range(99) if slot_of(key := b"%d" % n, 2) == slot_of(key, 3) == 0)
    here.put(stays, b"1", 7)
    here.update_routes(routes(pod("me", slot=0), pod("x", slot=1), pod("y", slot=2), rings={"1.0.0": 3}), WHO)

    assert Answer(200, b"1") == here.get(stays)


def test_a_leaving_node_acts_as_the_owner_until_another_has_its_slot() -> None:
    """Given a node that announced its leave, then other nodes ask it although no table has it, until it sees
    its successor.
    """
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


def test_a_key_is_dropped_once_its_new_owner_has_it_unless_it_changed() -> None:
    """Given keys that were handed over, then they are dropped, but one that was written meanwhile stays for
    the next pass.
    """
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


def test_a_handover_is_taken_only_at_the_place_that_both_nodes_see() -> None:
    """Given a handover for another place, then no key is taken; a newer value here is not replaced."""
    here = node(pod("x", slot=1))
    here.put(MINE, b"new", 9)
    taken = here.take([(MINE, b"old", 8)], (2, 0))

    assert (True, False, False) == (taken, here.take([], (3, 0)), node(slot=None).take([], (2, 0)))
    assert Answer(200, b"new") == here.get(MINE)


def test_an_entry_that_does_not_fit_into_a_handover_is_rejected() -> None:
    """Given an entry that could not move when the ring changes, then its write gets 413."""
    assert node(slot=0).put(MINE, b"x" * 1_047_552, 7).status == 413  # type: ignore[union-attr]
