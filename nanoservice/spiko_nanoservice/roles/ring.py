"""Pure: priamCassandra and riak: a node of a ring.

A key belongs to one node of each ring (`rings.py`); there is a ring for every zone, and for every version in it. Any node takes any request
and is its *coordinator*: it answers from its own data or makes one call to the owner in its ring. A write is passed on once, by the
coordinator, to one node of each other ring of the region, and to one node of each other region, which passes it on inside. No quorum, no
hinted handoff, no read repair: a read may miss a write that is still on its way to this ring.

| request | who asks | what the node does |
|---|---|---|
| GET, PUT /k/ | anybody | coordinates; if the owner is away another ring of the region is asked |
| GET /ring/, POST /replicate/ | a node of another ring | the same within its ring only |
| POST /enter/ | a node of another region | as /replicate/, then once to every other ring of the region |
| GET, PUT, POST /owned/ | a node of the ring | answers as the owner or says `moving`: never forwards, so nothing goes round; POST keeps only what is newer |
| GET /held/ | a node of the ring | answers from what it has, whoever owns it |

Theory of moving. Ownership follows from a node's *place*: size of the ring and own slot. When it changes, keys move (`handover.py`), and no
write that was acknowledged may be missed meanwhile by a read in its ring:

1. A node keeps a key only as its owner; what it does not own any more it hands over, and has until the new owner has it.
2. Nodes learn of a change at different times. So every node tells every other whose place changed what place that has in its view: *seen*.
   A new owner begins when all have seen it: nobody acts as the owner of its keys any more. Until then it says `moving` for what is new to it.
3. When a node has nothing left for another it tells it *done*. An owner that misses a key asks those first that are not done.
4. A node that leaves is in no table any more but may still hold keys: those who knew it, and who gets its slot, count it as not done.
   It says before that it will leave, and acts as the owner until it sees that somebody else has its slot, or that the ring has another size.

Source: spigo, actors/priamCassandra.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from spiko_nanoservice.contract import PACKAGES, Instance, Reason
from spiko_nanoservice.roles import (
    KEPT,
    MISS,
    MOST_BYTES,
    MOST_KEYS,
    REPLICATE,
    Again,
    Answer,
    Attempt,
    InOrder,
    Search,
    Self,
    Spread,
    Step,
    Until,
)
from spiko_nanoservice.routing.hash_ring import ALONE, Ring, other_rings, slot_of
from spiko_nanoservice.routing.table import Group, Routes

RING, ENTER, OWNED, HELD = b"/ring/", b"/enter/", b"/owned/", b"/held/"
MOST_ENTRY_BYTES = 1_047_552  # so that it can be handed over: a request's body ends at 1 MiB
DEPARTED_S = 15  # a pod's grace period: who left has ended by then
BORN = b"why?"  # every node has it from birth; it is no part of its data and does not move
NO_OWNER = Answer(503, b"no owner\n", Reason.NO_OWNER)
MOVING = Answer(503, b"moving\n", Reason.MOVING)
Entry = tuple[bytes, bytes, int]  # key, value, written_us
Place = tuple[int, int | None]  # a ring's size and a slot

_RING_PACKAGES = frozenset(package for package, traits in PACKAGES.items() if traits.ring)


class RingNode:
    """One node's data, and its view of the rings.

    Args:
        most_keys: how many it keeps at most.
        most_bytes: and how much.

    """

    def __init__(self, most_keys: int = MOST_KEYS, most_bytes: int = MOST_BYTES) -> None:
        self.values: OrderedDict[bytes, tuple[bytes, int]] = OrderedDict()
        self.ring = ALONE
        self.leaving = False
        self._most_keys, self._most_bytes, self._bytes = most_keys, most_bytes, 0
        self._before: list[Place] = [(-1, None)]  # places held since all had last seen ours
        self._told: dict[str, tuple[Place, bool]] = {}  # what place others see us at, and whether they are done
        self._departed: dict[str, Instance] = {}
        self._acting: dict[int, Instance] = {}  # who leaves, by the slot that it had
        self._ages: dict[str, int] = {}  # seconds since who is no member left, or spoke
        self._mine: int | None = None  # the slot that we act as the owner for
        self._acts: Place | None = None  # our last place, once we leave
        self._leavers: set[str] = set()  # who acts as the owner till another has its slot, though no table has it
        self._unseen: set[str] = set()
        self._not_done: tuple[Attempt, ...] = ()
        self._rings: tuple[Group, ...] = ()
        self._to_rings: tuple[Attempt, ...] = ()
        self._to_regions: tuple[Attempt, ...] = ()
        self._owners: tuple[Group | None, ...] = ()

    # ---------------------------------------------------------------- requests

    def get(self, key: bytes) -> Step:
        """Answer as the owner, else ask it, else another ring."""
        return self._read(key, tuple(Attempt(ring, RING) for ring in self._rings))

    def get_in_ring(self, key: bytes) -> Step:
        """Answer as the owner, else ask it."""
        return self._read(key, ())

    def put(self, key: bytes, value: bytes, written_us: int) -> Step:
        """Keep it as the owner, else let it; the other rings get it after the answer."""
        if len(key) + len(value) > MOST_ENTRY_BYTES:
            return Answer(413, b"key and value over 1047552 bytes\n")
        slot = self._slot(key)
        if slot != self._mine:
            attempts = (*self._ask_owner(slot), *self._to_rings)
            return InOrder(attempts, Until.ANSWERED, NO_OWNER, self._to_regions, rest=True) if attempts else NO_OWNER
        if not self._serves(key):
            return Again()
        self._keep(key, value, max(written_us, self.values.get(key, (b"", 0))[1] + 1))
        copies = self._to_rings + self._to_regions
        return Spread(KEPT, copies) if copies else KEPT

    def replicate(self, key: bytes, value: bytes, written_us: int) -> Step:
        """A write from another ring: keep it as the owner, else pass it to the owner."""
        return self._take_in(key, value, written_us, ())

    def enter(self, key: bytes, value: bytes, written_us: int) -> Step:
        """A write from another region: the same, and every other ring of this region gets it from here."""
        return self._take_in(key, value, written_us, self._to_rings)

    def get_owned(self, key: bytes) -> Step:
        """The asker holds us for the owner; what we have is an answer all the same."""
        if self._slot(key) == self._mine and self._serves(key):
            return self._answer(key)
        found = self.values.get(key)
        return MOVING if found is None else Answer(200, found[0])

    def put_owned(self, key: bytes, value: bytes, written_us: int, direct: bool) -> Step:
        """The asker holds us for the owner. A direct write wins over what is there, a replicated one only over what is older."""
        if self._slot(key) != self._mine or not self._serves(key):
            return MOVING
        before = self.values.get(key, (b"", 0))[1]
        if direct or written_us > before:
            self._keep(key, value, max(written_us, before + 1) if direct else written_us)
        return KEPT

    def get_held(self, key: bytes) -> Step:
        """Answer from what we have, whoever owns it."""
        found = self.values.get(key)
        return MISS if found is None else Answer(200, found[0])

    def _read(self, key: bytes, others: tuple[Attempt, ...]) -> Step:
        slot = self._slot(key)
        if slot == self._mine:
            return self._answer(key) if self._serves(key) else Again()
        attempts = (*self._ask_owner(slot), *others)
        return InOrder(attempts, Until.ANSWERED, NO_OWNER) if attempts else NO_OWNER

    def _take_in(self, key: bytes, value: bytes, written_us: int, then: tuple[Attempt, ...]) -> Step:
        slot = self._slot(key)
        if slot == self._mine:
            if not self._serves(key):
                return Again()
            if written_us > self.values.get(key, (b"", 0))[1]:
                self._keep(key, value, written_us)
            return Spread(KEPT, then) if then else KEPT
        owner = self._ask_owner(slot, b"POST")
        return InOrder(owner, Until.ANSWERED, NO_OWNER, then, regardless=True) if owner or then else NO_OWNER

    def _answer(self, key: bytes) -> Step:
        if key not in self.values and self._not_done:
            return Search(self._not_done)
        return self._own_answer(key)

    def look_again(self, key: bytes) -> Answer:
        """A search has found nothing: the key may have come meanwhile, or have become another's."""
        mine = self._slot(key) == self._mine and self._serves(key)
        return self._own_answer(key) if mine or key in self.values else MOVING

    def _own_answer(self, key: bytes) -> Answer:
        found = self.values.get(key)
        if found is not None:
            return Answer(200, found[0])
        return Answer(200, b"because...") if key == BORN else MISS

    def _ask_owner(self, slot: int | None, method: bytes = b"") -> tuple[Attempt, ...]:
        owner = self._owners[slot] if slot is not None else None
        return (Attempt(owner, OWNED, method),) if owner is not None else ()

    def _slot(self, key: bytes) -> int | None:
        """The slot that owns a key; None where there is no ring, which is our own slot then."""
        return slot_of(key, self.ring.size) if self.ring.size else None

    def _serves(self, key: bytes) -> bool:
        """Whether we act as the owner of a key of ours already, and still."""
        return not self._unseen or all(_owns(place, key) for place in self._before)

    def _keep(self, key: bytes, value: bytes, written_us: int) -> None:
        self._drop(key)
        self.values[key] = value, written_us
        self._bytes += len(key) + len(value)
        while len(self.values) > self._most_keys or self._bytes > self._most_bytes:
            self._drop(next(iter(self.values)))

    def _drop(self, key: bytes) -> None:
        found = self.values.pop(key, None)
        if found is not None:
            self._bytes -= len(key) + len(found[0])

    # ---------------------------------------------------------------- the ring changes

    def learn(self, routes: Routes, who: Self) -> None:
        """The table has changed."""
        before, ring = self.ring, routes.ring(who.space)
        self.ring = before if ring == before else ring
        rings, regions = other_rings(who.space, routes.instances.values(), _RING_PACKAGES)
        self._rings = tuple(map(Group.of, rings))
        self._to_rings = tuple(Attempt(other, REPLICATE, b"POST") for other in self._rings)
        self._to_regions = tuple(Attempt(Group.of(region), ENTER, b"POST") for region in regions)
        if before.place != ring.place:
            self._before.append(before.place)
            self._unseen = set(ring.members) | self._leavers
        left = {slot: h for slot, h in enumerate(before.holders) if h is not None and h.id in self._leavers}
        acting = self._acting | left if before.size == ring.size else {}
        self._acting = {slot: h for slot, h in acting.items() if ring.holders[slot] is None and slot != ring.own}
        for id in before.members.keys() - ring.members.keys():
            self._departed[id] = before.members[id]
            self._ages[id] = 0
        self._reckon()

    def succeed(self, instance: Instance) -> None:
        """Who had our slot before us leaves, but is there still: it holds the keys, and acts as their owner until it sees us."""
        self._leavers.add(instance.id)
        self._departed.setdefault(instance.id, instance)
        self._ages.setdefault(instance.id, 0)
        self._reckon()

    def hear(self, id: str, place: Place, done: bool) -> None:
        """Another node has seen us at a place, and with `done` has nothing left for us there."""
        self._told[id] = place, done
        self._ages[id] = 0  # it may know us before we know it
        self._reckon()

    def warn(self, id: str) -> None:
        """Another node is about to leave: it acts as the owner until somebody else has its slot."""
        self._leavers.add(id)
        self._ages[id] = 0

    def leave(self) -> None:
        """We are about to leave."""
        self.leaving = True
        self._acts = self.ring.place
        self._reckon()

    def resign(self) -> None:
        """We end now: act as the owner no longer."""
        self._acts = None
        self._reckon()

    def give_up_waiting(self, ring: Ring) -> None:
        """Who has not seen us by now may hang: begin without."""
        if ring is self.ring:
            self._unseen = set()
            self._reckon()

    def absent(self, id: str) -> None:
        """A search got no answer from somebody: one who has left will not give any."""
        if self._departed.pop(id, None) is not None:
            self._reckon()

    def second(self) -> None:
        """Once a second: forget who left long ago."""
        for id in [id for id, age in self._ages.items() if age >= DEPARTED_S]:
            del self._ages[id]
            self._leavers.discard(id)
            if id not in self.ring.members:
                self._told.pop(id, None)
            self.absent(id)
        for id in self._ages:
            self._ages[id] += 1

    def _reckon(self) -> None:
        """Who has not seen us yet, and who may have something for us?"""
        members, place = self.ring.members, self.ring.place
        self._departed = {id: instance for id, instance in self._departed.items() if id not in members}
        told = self._told
        acting = {slot: holder for slot, holder in self._acting.items() if holder.id in self._departed}
        owners = (holder or acting.get(slot) for slot, holder in enumerate(self.ring.holders))
        self._owners = tuple(Group.of((owner,)) if owner else None for owner in owners)
        known = {**members, **self._departed}
        self._unseen = {id for id in self._unseen if id in known and (id not in told or told[id][0] != place)}
        if not self._unseen and self.ring.size:
            self._before = [place]
        self._mine = self.ring.own
        if self._mine is None and self._acts is not None:
            size, slot = self._acts
            vacant = slot is not None and size == self.ring.size and self.ring.holders[slot] is None
            self._mine = slot if vacant else None
        holders = known if self._mine is not None else {}
        asked = [instance for id, instance in holders.items() if told.get(id) != (place, True)]
        self._not_done = tuple(Attempt(Group.of((instance,)), HELD, b"GET") for instance in asked)

    # ---------------------------------------------------------------- keys move

    def misplaced(self, keys: Iterable[bytes]) -> dict[int, list[Entry]]:
        """Which of these keys belong to others, by slot."""
        found: dict[int, list[Entry]] = {}
        size = self.ring.size
        own = None if self.leaving else self.ring.own
        for key in keys if size else ():
            slot = slot_of(key, size)
            if slot != own and (kept := self.values.get(key)) is not None:
                found.setdefault(slot, []).append((key, *kept))
        return found

    def take(self, entries: Iterable[Entry], place: Place) -> bool:
        """Keep what another node hands over; False if it sees us at another place than we do, or not ours to keep."""
        if place != self.ring.place or self.ring.own is None or self.leaving:
            return False
        for key, value, written_us in entries:
            if slot_of(key, self.ring.size) == self.ring.own and written_us > self.values.get(key, (b"", 0))[1]:
                self._keep(key, value, written_us)
        return True

    def handed(self, entries: Iterable[Entry]) -> None:
        """The new owner has these: forget those that are unchanged, and not ours again."""
        for key, value, written_us in entries:
            mine = not self.leaving and self._slot(key) == self._mine
            if not mine and self.values.get(key) == (value, written_us):
                self._drop(key)


def _owns(place: Place, key: bytes) -> bool:
    size, slot = place
    return size == 0 or (size > 0 and slot_of(key, size) == slot)
