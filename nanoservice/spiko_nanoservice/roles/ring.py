"""Pure: priamCassandra and riak: a node of a ring.

A key belongs to one node of each ring (`routing/hash_ring.py`); there is a ring for every zone, and for every
version in it. Any node takes any request and is its *coordinator*: it answers from its own data, or makes one
call to the owner in its ring. The coordinator passes a write on once: to one node of each other ring of the
region, and to one node of each other region, which passes it on inside that region. There is no quorum, no
hinted handoff and no read repair: a read may miss a write that is still on its way to this ring.

| request | sender | what the node does |
|---|---|---|
| GET, PUT /k/ | any client | coordinates; if the owner is unreachable, it asks another ring of the region |
| GET /ring/, POST /replicate/ | a node of another ring | the same, within its own ring only |
| POST /enter/ | a node of another region | as /replicate/, then once to every other ring of the region |
| GET, PUT, POST /owned/ | a node of the ring | answers as the owner, or `moving`; POST keeps newer values |
| GET /held/ | a node of the ring | answers from the values it has, whichever node owns the key |

Theory of moving. Ownership follows from a node's *place*: the size of the ring and the node's own slot. When
places change, keys move (`tier/key_handover.py`). No read in the ring may meanwhile miss a write that was
acknowledged in it:

1. A node keeps a key only as its owner. It hands over every key that it does not own any more, and keeps the
   key until the new owner has acknowledged it.
2. Nodes learn of a change at different times. So every node tells each node whose place changed at which
   place it sees that node: it *confirms* the place. A new owner acts as such once all nodes have confirmed
   its place, because then no other node acts as the owner of its keys any more. Until then it answers
   `moving` for keys that are new to it.
3. A node that holds no more keys for another node tells it that it is *done*. An owner that does not find a
   key first asks the nodes that are not done.
4. A node that leaves is in no routing table any more but may still hold keys. The nodes that knew it, and the
   node that gets its slot, count it as not done. It announces its leave before it deregisters, and acts as
   the owner until it sees that another node has its slot, or that the ring has another size.

Source: spigo, actors/priamCassandra.
"""

from __future__ import annotations

from collections.abc import Iterable

from spiko_nanoservice.contract import PACKAGES, Reason
from spiko_nanoservice.roles import (
    KEPT,
    MISS,
    MOST_BYTES,
    MOST_KEYS,
    REPLICATE,
    Again,
    Answer,
    Attempt,
    Identity,
    InOrder,
    Search,
    Spread,
    Step,
    Until,
)
from spiko_nanoservice.roles.bounded_keys import BoundedKeys
from spiko_nanoservice.roles.ring_peers import Place, RingPeers
from spiko_nanoservice.routing.hash_ring import Ring, other_rings, slot_of
from spiko_nanoservice.routing.table import Group, Routes

RING, ENTER, OWNED = b"/ring/", b"/enter/", b"/owned/"
# So that an entry fits into a handover: the body of a request has at most 1 MiB.
MOST_ENTRY_BYTES = 1_047_552
# Every node knows this key from the start; it is not part of the data and does not move.
BORN = b"why?"
NO_OWNER = Answer(503, b"no owner\n", Reason.NO_OWNER)
MOVING = Answer(503, b"moving\n", Reason.MOVING)
Entry = tuple[bytes, bytes, int]  # key, value, written_us

_RING_PACKAGES = frozenset(package for package, traits in PACKAGES.items() if traits.ring)


class RingNode:
    """The data of one node, and its decisions.

    Args:
        most_keys: the limit for the number of keys.
        most_bytes: the limit for the bytes of all keys and values.

    Attributes:
        peers: the node's view of its ring.
        values: (value, written_us) by key.
    """

    def __init__(self, most_keys: int = MOST_KEYS, most_bytes: int = MOST_BYTES) -> None:
        self.peers = RingPeers()
        self._keys = BoundedKeys(most_keys, most_bytes)
        self.values = self._keys.values
        self._rings: tuple[Group, ...] = ()
        self._to_rings: tuple[Attempt, ...] = ()
        self._to_regions: tuple[Attempt, ...] = ()

    @property
    def ring(self) -> Ring:
        """The ring as the routing table has it."""
        return self.peers.ring

    def update_routes(self, routes: Routes, identity: Identity) -> None:
        """Follow a change of the routing table."""
        rings, regions = other_rings(identity.space, routes.instances.values(), _RING_PACKAGES)
        self._rings = tuple(map(Group.of, rings))
        self._to_rings = tuple(Attempt(other, REPLICATE, b"POST") for other in self._rings)
        self._to_regions = tuple(Attempt(Group.of(region), ENTER, b"POST") for region in regions)
        self.peers.update_ring(routes.ring(identity.space))

    # ---------------------------------------------------------------- requests of clients

    def get(self, key: bytes) -> Step:
        """Answer as the owner, else ask the owner, else another ring."""
        return self._read(key, tuple(Attempt(ring, RING) for ring in self._rings))

    def put(self, key: bytes, value: bytes, written_us: int) -> Step:
        """Keep the value as the owner, else pass it to the owner; the other rings get it after the reply."""
        if len(key) + len(value) > MOST_ENTRY_BYTES:
            return Answer(413, b"key and value: must have at most 1047552 bytes together\n")
        slot = self.peers.slot(key)
        if slot != self.peers.owned_slot:
            attempts = (*self.peers.attempt_owner(slot, OWNED), *self._to_rings)
            return (
                InOrder(attempts, Until.ANSWERED, NO_OWNER, self._to_regions, rest=True)
                if attempts
                else NO_OWNER
            )
        if not self.peers.acts_for(key):
            return Again()
        self._keys.keep(key, value, max(written_us, self._written_us(key) + 1))
        copies = self._to_rings + self._to_regions
        return Spread(KEPT, copies) if copies else KEPT

    # ---------------------------------------------------------------- requests of other nodes

    def get_in_ring(self, key: bytes) -> Step:
        """Answer as the owner, else ask the owner."""
        return self._read(key, ())

    def replicate(self, key: bytes, value: bytes, written_us: int) -> Step:
        """Take a write from another ring: keep it as the owner, else pass it to the owner."""
        return self._take_copy(key, value, written_us, ())

    def enter(self, key: bytes, value: bytes, written_us: int) -> Step:
        """Take a write from another region as `replicate` does, and pass it to every other ring here."""
        return self._take_copy(key, value, written_us, self._to_rings)

    def get_owned(self, key: bytes) -> Step:
        """Answer a node that takes this one for the owner.

        A value that is here is an answer even if it does not own the key.
        """
        if self.peers.owns(key) and self.peers.acts_for(key):
            return self._answer(key)
        found = self.values.get(key)
        return MOVING if found is None else Answer(200, found[0])

    def put_owned(self, key: bytes, value: bytes, written_us: int, direct: bool) -> Step:
        """Take a write from a node that takes this one for the owner.

        Args:
            key: of the write.
            value: of the write.
            written_us: time of the write.
            direct: True for a client's write, which replaces every value; False for a copy, which replaces an
                older value only.
        """
        if not self.peers.owns(key) or not self.peers.acts_for(key):
            return MOVING
        before = self._written_us(key)
        if direct or written_us > before:
            self._keys.keep(key, value, max(written_us, before + 1) if direct else written_us)
        return KEPT

    def get_held(self, key: bytes) -> Step:
        """Answer from the values that are here, whichever node owns the key."""
        found = self.values.get(key)
        return MISS if found is None else Answer(200, found[0])

    def look_again(self, key: bytes) -> Answer:
        """Answer after a search that found nothing.

        Meanwhile the key may have come, or another node may own it.
        """
        acts = self.peers.owns(key) and self.peers.acts_for(key)
        return self._own_answer(key) if acts or key in self.values else MOVING

    # ---------------------------------------------------------------- handover of keys

    def misplaced(self, keys: Iterable[bytes]) -> dict[int, list[Entry]]:
        """Return those of these keys that belong to other nodes, by slot."""
        found: dict[int, list[Entry]] = {}
        size = self.ring.size
        own = None if self.peers.leaving else self.ring.own
        for key in keys if size else ():
            slot = slot_of(key, size)
            if slot != own and (kept := self.values.get(key)) is not None:
                found.setdefault(slot, []).append((key, *kept))
        return found

    def take(self, entries: Iterable[Entry], place: Place) -> bool:
        """Keep the entries that another node hands over; an older value does not replace a newer one.

        Args:
            entries: the keys.
            place: the place at which the other node sees this one.

        Returns:
            False, and nothing is kept, if this node is not at that place or is about to leave.
        """
        if place != self.ring.place or self.ring.own is None or self.peers.leaving:
            return False
        for key, value, written_us in entries:
            if slot_of(key, self.ring.size) == self.ring.own and written_us > self._written_us(key):
                self._keys.keep(key, value, written_us)
        return True

    def drop_handed_over(self, entries: Iterable[Entry]) -> None:
        """Drop the entries that the new owner has.

        An entry that has changed, or that this node owns again, stays.
        """
        for key, value, written_us in entries:
            mine = not self.peers.leaving and self.peers.owns(key)
            if not mine and self.values.get(key) == (value, written_us):
                self._keys.drop(key)

    # ---------------------------------------------------------------- decisions

    def _read(self, key: bytes, others: tuple[Attempt, ...]) -> Step:
        slot = self.peers.slot(key)
        if slot == self.peers.owned_slot:
            return self._answer(key) if self.peers.acts_for(key) else Again()
        attempts = (*self.peers.attempt_owner(slot, OWNED), *others)
        return InOrder(attempts, Until.ANSWERED, NO_OWNER) if attempts else NO_OWNER

    def _take_copy(self, key: bytes, value: bytes, written_us: int, then: tuple[Attempt, ...]) -> Step:
        slot = self.peers.slot(key)
        if slot == self.peers.owned_slot:
            if not self.peers.acts_for(key):
                return Again()
            if written_us > self._written_us(key):
                self._keys.keep(key, value, written_us)
            return Spread(KEPT, then) if then else KEPT
        owner = self.peers.attempt_owner(slot, OWNED, b"POST")
        return InOrder(owner, Until.ANSWERED, NO_OWNER, then, regardless=True) if owner or then else NO_OWNER

    def _answer(self, key: bytes) -> Step:
        if key not in self.values and self.peers.not_done:
            return Search(self.peers.not_done)
        return self._own_answer(key)

    def _own_answer(self, key: bytes) -> Answer:
        found = self.values.get(key)
        if found is not None:
            return Answer(200, found[0])
        return Answer(200, b"because...") if key == BORN else MISS

    def _written_us(self, key: bytes) -> int:
        """Return when the value that is here was written; 0 without one."""
        found = self.values.get(key)
        return 0 if found is None else found[1]
