"""Pure: the entries of all pods of a region.

They are merged from this eureka's sessions and the reports of the region's other eurekas.

Of two entries of one pod the one with the higher registration wins: a pod that registers at another eureka
counts as that eureka's from then on. An entry of a eureka whose connection ended stays for `PEER_GRACE_S`, so
that its pods have time to register elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from spiko_nanoservice.contract import Hello
from spiko_nanoservice.eureka.registry.ring_sizes import is_ring
from spiko_nanoservice.eureka.registry.sessions import Session

PEER_GRACE_S = 5.0


@dataclass(slots=True)
class Peer:
    """Another eureka of the region and the entries that it reported.

    Attributes:
        entries: by the pod's id.
        connection: number of the open connection over which it reports; None once that has ended.
        expires_at: when its entries are removed after its connection ended, monotonic seconds.
    """

    entries: dict[str, Hello] = field(default_factory=dict)
    connection: int | None = None
    expires_at: float = 0.0


@dataclass(slots=True)
class Changes:
    """How an event changed the merged entries.

    Attributes:
        present: entries that are new or differ from before.
        gone: entries that were removed, as they were.
        superseded: ids of pods that this eureka owned until their newer registration at another eureka became
            known.
    """

    present: list[Hello] = field(default_factory=list)
    gone: list[Hello] = field(default_factory=list)
    superseded: list[str] = field(default_factory=list)


class Entries:
    """The merged entries of one region.

    Args:
        sessions: the registry's sessions by number; an owned entry is read from its session.

    Attributes:
        known: the winning entry of each pod.
        own: session number by id of the pods whose entry this eureka owns.
        peers: the other eurekas of the region by name.
        version: grows with every change of `known`.
        ring_version: grows with every change of an entry of a ring's node.
    """

    def __init__(self, sessions: Mapping[int, Session]) -> None:
        self._sessions = sessions
        self.known: dict[str, Hello] = {}
        self.own: dict[str, int] = {}
        self.peers: dict[str, Peer] = {}
        self.version = 0
        self.ring_version = 0

    # ---------------------------------------------------------------- own entries

    def own_hellos(self) -> list[Hello]:
        """Return the entries that this eureka owns."""
        return [self._sessions[number].hello for number in self.own.values()]

    def claim(self, number: int) -> bool:
        """Own the entry of a session; return False if a newer registration of the same pod is known."""
        hello = self._sessions[number].hello
        rival = self.known.get(hello.id)
        if rival is not None and tuple(rival.registration) > tuple(hello.registration):
            return False
        self.own[hello.id] = number
        return True

    def release(self, number: int, id: str) -> bool:
        """Give up the entry of a session; return False if the session did not own it."""
        if self.own.get(id) != number:
            return False
        del self.own[id]
        return True

    # ---------------------------------------------------------------- entries of other eurekas

    def replace_peer(self, connection: int, peer: str, entries: Sequence[Hello]) -> Changes:
        """Take all entries of a eureka: the first message on a new connection."""
        known = self.peers.setdefault(peer, Peer())
        touched = {*known.entries, *(entry.id for entry in entries)}
        known.entries = {entry.id: entry for entry in entries}
        known.connection = connection
        return self.merge(touched)

    def change_peer(self, connection: int, peer: str, up: Sequence[Hello], down: Sequence[str]) -> Changes:
        """Take what a eureka reports as changed since its last message.

        A message over a connection that was replaced is ignored.
        """
        known = self.peers.get(peer)
        if known is None or known.connection != connection:
            return Changes()
        for entry in up:
            known.entries[entry.id] = entry
        for id in down:
            known.entries.pop(id, None)
        return self.merge({*(entry.id for entry in up), *down})

    def disconnect_peer(self, connection: int, peer: str, now: float) -> tuple[Hello, ...] | None:
        """Begin the grace period of a eureka's entries and return them.

        The result is None for a connection that was replaced.
        """
        known = self.peers.get(peer)
        if known is None or known.connection != connection:
            return None
        known.connection = None
        known.expires_at = now + PEER_GRACE_S
        return tuple(known.entries.values())

    def remove_silent(self, peer: str, hellos: Sequence[Hello]) -> Changes:
        """Remove entries of a disconnected eureka whose pods do not answer, unless they changed meanwhile."""
        known = self.peers.get(peer)
        if known is None or known.connection is not None:
            return Changes()
        gone = [hello.id for hello in hellos if known.entries.get(hello.id) == hello]
        for id in gone:
            del known.entries[id]
        return self.merge(gone)

    def expire(self, now: float) -> Changes:
        """Remove the entries of disconnected eurekas whose grace period is over."""
        touched: list[str] = []
        for name in [
            n for n, peer in self.peers.items() if peer.connection is None and peer.expires_at <= now
        ]:
            touched += self.peers.pop(name).entries
        return self.merge(touched)

    def next_expiry(self) -> float | None:
        """Return when `expire` is due next; None if every eureka is connected."""
        return min((peer.expires_at for peer in self.peers.values() if peer.connection is None), default=None)

    def connected_peers(self) -> int:
        """Return how many other eurekas of the region report their entries now."""
        return sum(peer.connection is not None for peer in self.peers.values())

    # ---------------------------------------------------------------- merging

    def merge(self, ids: Iterable[str]) -> Changes:
        """Choose the winning entries of these pods again."""
        changes = Changes()
        for id in ids:
            winner = self._winner(id, changes)
            before = self.known.get(id)
            if winner is None:
                if before is not None:
                    del self.known[id]
                    self._count(before)
                    changes.gone.append(before)
            elif winner != before:
                self.known[id] = winner
                self._count(winner)
                changes.present.append(winner)
        return changes

    def _winner(self, id: str, changes: Changes) -> Hello | None:
        claims = [peer.entries[id] for peer in self.peers.values() if id in peer.entries]
        number = self.own.get(id)
        if number is not None:
            mine = self._sessions[number].hello
            if any(tuple(claim.registration) > tuple(mine.registration) for claim in claims):
                # The pod has registered elsewhere since; its session here is about to end.
                del self.own[id]
                changes.superseded.append(id)
            else:
                claims.append(mine)
        return max(claims, key=lambda claim: tuple(claim.registration), default=None)

    def _count(self, hello: Hello) -> None:
        self.version += 1
        if is_ring(hello.package):
            self.ring_version += 1
