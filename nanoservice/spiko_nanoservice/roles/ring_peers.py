"""Pure: what a node of a ring knows of the other nodes.

It knows which node owns which slot now, and which nodes may still hold keys of its own slot.

Ownership follows from a node's *place*: the size of the ring and the node's slot. Nodes learn of a change at
different times, so a node does not act as the owner of a key as soon as its own table says so. The rules are
in `ring.py`, "Theory of moving".
"""

from __future__ import annotations

from spiko_nanoservice.contract import Instance
from spiko_nanoservice.roles import Attempt
from spiko_nanoservice.routing.hash_ring import ALONE, Ring, slot_of
from spiko_nanoservice.routing.table import Group

HELD = b"/held/"
# A pod's grace period: a node that left the ring so long ago has exited.
DEPARTED_S = 15
Place = tuple[int, int | None]  # size of the ring and slot


class RingPeers:
    """One node's view of its ring.

    Attributes:
        ring: the ring as the routing table has it.
        leaving: this node is about to leave the ring.
        owned_slot: the slot that this node acts for as the owner; None for a spare.
        owners: the node to ask for a slot's keys; None for the own slot and for a vacant one.
        not_done: attempts to ask the nodes that may still hold keys of the own slot.
    """

    def __init__(self) -> None:
        self.ring = ALONE
        self.leaving = False
        self.owned_slot: int | None = None
        self.owners: tuple[Group | None, ...] = ()
        self.not_done: tuple[Attempt, ...] = ()
        # Own places since all other nodes last confirmed the current one.
        self._earlier: list[Place] = [(-1, None)]
        # The place at which another node sees this one, and whether it has handed over every key that it held
        # for that place.
        self._confirmed: dict[str, tuple[Place, bool]] = {}
        # Nodes that have to confirm the current place before this node acts for its new keys.
        self._unconfirmed: set[str] = set()
        # Nodes that left the ring and may still hold keys.
        self._departed: dict[str, Instance] = {}
        # Nodes that announced that they leave: each acts as the owner of its slot until another node has that
        # slot.
        self._leavers: set[str] = set()
        # The leavers that no table has any more, by the slot that each had.
        self._acting: dict[int, Instance] = {}
        # Seconds since a node left the ring, announced its leave, or confirmed the place.
        self._ages: dict[str, int] = {}
        # The last own place, once this node leaves.
        self._last_place: Place | None = None

    # ---------------------------------------------------------------- queries

    def slot(self, key: bytes) -> int | None:
        """Return the slot that owns a key; None without a ring, which equals the own slot then."""
        return slot_of(key, self.ring.size) if self.ring.size else None

    def owns(self, key: bytes) -> bool:
        """Return whether the own slot owns a key."""
        return self.slot(key) == self.owned_slot

    def acts_for(self, key: bytes) -> bool:
        """Return whether this node acts as the owner of a key of its slot already, and still."""
        return not self._unconfirmed or all(_owns(place, key) for place in self._earlier)

    def attempt_owner(self, slot: int | None, prefix: bytes, method: bytes = b"") -> tuple[Attempt, ...]:
        """Return the attempt to ask the owner of a slot; empty if the slot is vacant."""
        owner = self.owners[slot] if slot is not None else None
        return (Attempt(owner, prefix, method),) if owner is not None else ()

    # ---------------------------------------------------------------- events

    def update_ring(self, ring: Ring) -> None:
        """Follow a change of the routing table."""
        before = self.ring
        self.ring = before if ring == before else ring
        if before.place != ring.place:
            self._earlier.append(before.place)
            self._unconfirmed = set(ring.members) | self._leavers
        left = {slot: h for slot, h in enumerate(before.holders) if h is not None and h.id in self._leavers}
        acting = self._acting | left if before.size == ring.size else {}
        self._acting = {
            slot: h for slot, h in acting.items() if ring.holders[slot] is None and slot != ring.own
        }
        for id in before.members.keys() - ring.members.keys():
            self._departed[id] = before.members[id]
            self._ages[id] = 0
        self._recompute()

    def add_predecessor(self, instance: Instance) -> None:
        """Count the node that had the own slot before.

        It leaves, holds the keys, and acts as their owner until it sees this node.
        """
        self._leavers.add(instance.id)
        self._departed.setdefault(instance.id, instance)
        self._ages.setdefault(instance.id, 0)
        self._recompute()

    def confirm(self, id: str, place: Place, done: bool) -> None:
        """Note at which place another node sees this node.

        The other node may know this one before this one knows it.

        Args:
            id: the other node.
            place: the place at which it sees this node.
            done: it has handed over every key that it held for that place.
        """
        self._confirmed[id] = place, done
        self._ages[id] = 0
        self._recompute()

    def expect_leave(self, id: str) -> None:
        """Note that another node announced its leave.

        It acts as the owner of its slot until another node has that slot.
        """
        self._leavers.add(id)
        self._ages[id] = 0

    def leave(self) -> None:
        """Begin to leave: act as the owner of the last place until another node has its slot."""
        self.leaving = True
        self._last_place = self.ring.place
        self._recompute()

    def resign(self) -> None:
        """Stop acting as an owner: the process ends."""
        self._last_place = None
        self._recompute()

    def stop_waiting(self, ring: Ring) -> None:
        """Act as the owner without the confirmations that are still missing: those nodes may hang."""
        if ring is self.ring:
            self._unconfirmed = set()
            self._recompute()

    def remove_departed(self, id: str) -> None:
        """Forget a node that left the ring: it handed over every key, or does not answer any more."""
        if self._departed.pop(id, None) is not None:
            self._recompute()

    def tick(self) -> None:
        """Forget nodes that left `DEPARTED_S` ago; call it once a second."""
        for id in [id for id, age in self._ages.items() if age >= DEPARTED_S]:
            del self._ages[id]
            self._leavers.discard(id)
            if id not in self.ring.members:
                self._confirmed.pop(id, None)
            self.remove_departed(id)
        for id in self._ages:
            self._ages[id] += 1

    # ---------------------------------------------------------------- consequences

    def _recompute(self) -> None:
        ring, place = self.ring, self.ring.place
        self._departed = {id: instance for id, instance in self._departed.items() if id not in ring.members}
        acting = {slot: holder for slot, holder in self._acting.items() if holder.id in self._departed}
        owners = (holder or acting.get(slot) for slot, holder in enumerate(ring.holders))
        self.owners = tuple(Group.of((owner,)) if owner else None for owner in owners)
        known = {**ring.members, **self._departed}
        confirmed = {id for id, (seen_at, _) in self._confirmed.items() if seen_at == place}
        self._unconfirmed = {id for id in self._unconfirmed if id in known and id not in confirmed}
        if not self._unconfirmed and ring.size:
            self._earlier = [place]
        self.owned_slot = ring.own if ring.own is not None else self._vacant_last_slot()
        holders = known if self.owned_slot is not None else {}
        not_done = [instance for id, instance in holders.items() if self._confirmed.get(id) != (place, True)]
        self.not_done = tuple(Attempt(Group.of((instance,)), HELD, b"GET") for instance in not_done)

    def _vacant_last_slot(self) -> int | None:
        """Return the last slot of this node after it began to leave.

        The result is None once the ring has another size or another node has the slot.
        """
        size, slot = self._last_place or (0, None)
        vacant = slot is not None and size == self.ring.size and self.ring.holders[slot] is None
        return slot if vacant else None


def _owns(place: Place, key: bytes) -> bool:
    size, slot = place
    return size == 0 or (size > 0 and slot_of(key, size) == slot)
