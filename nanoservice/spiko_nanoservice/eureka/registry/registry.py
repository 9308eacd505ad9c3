"""Pure: the registry of one eureka. Events and the time go in, effects come out; no socket, no clock.

Theory of operation. A pod has a session with one eureka of its region, which *owns* its entry. Every eureka tells its own entries, and
nothing else, to every other eureka of the region over a connection of its own, in order: first all of them, then changes. What a eureka
knows is the union over the owners; of two entries of one pod the one with the higher registration counts, so a pod may move from eureka to
eureka by registering there before it leaves here. No tombstones are needed: an owner's word replaces its earlier word.

Death is a session's end. A *peer's* end is not the death of its clients: their entries stay 5 s, time enough to register elsewhere; but
they are asked at once, and whoever does not answer, as on a node without power, is dropped until it registers again. A
eureka that comes late to an architecture that was ready before hands out partial tables for 5 s (nobody forgets what it knew) and no slots
for 3 s, since it may not have heard of everybody.

What must be changed together: the messages (`messages.py`), what pods do with tables (`routing.py`), and this file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from spiko_nanoservice import messages as m
from spiko_nanoservice.contract import (
    ANYWHERE,
    EUREKA,
    PROTOCOL,
    Configuration,
    Hello,
    Instance,
    Revision,
    encode,
)
from spiko_nanoservice.eureka.registry.ack_status import Programmed, Word
from spiko_nanoservice.eureka.registry.effects import Ask, Effect, Inform, Send, Tell
from spiko_nanoservice.eureka.registry.pod_config import find_tier, pod_config, space_size
from spiko_nanoservice.eureka.registry.ring_sizes import Rings, is_ring, slots_held
from spiko_nanoservice.eureka.registry.route_holders import Holders, Session
from spiko_nanoservice.eureka.registry.slots import Claim, assign
from spiko_nanoservice.eureka.registry.views import View
from spiko_nanoservice.eureka.registry.visibility import Viewpoint, dependencies_of
from spiko_nanoservice.messages import Message
from spiko_nanoservice.routing.hash_ring import space_of

PEER_GRACE_S = 5.0
SETTLE_S = 5.0
GRANT_WAIT_S = 3.0


@dataclass(slots=True)
class Peer:
    """Another eureka of the region, as heard over its connection to us."""

    entries: dict[str, Hello] = field(default_factory=dict)
    connection: int | None = None
    until: float = 0.0  # when its entries are forgotten, if it is gone


class Registry:
    """One eureka's knowledge.

    Args:
        name: unique in the architecture and over restarts.
        region: its region.
        zone: its zone, whose slots it grants.
        now: monotonic seconds; every later `now` must not be smaller.
        grant_base: first grant number; above all that earlier processes gave.

    """

    def __init__(self, name: str, region: str, zone: str, now: float, grant_base: int = 1) -> None:
        self.name, self.region, self.zone = name, region, zone
        self.configuration: Configuration | None = None
        self.sessions: dict[int, Session] = {}
        self.known: dict[str, Hello] = {}  # the union: the winning entry of each pod
        self._own: dict[str, int] = {}  # pod -> session that owns its entry here
        self._peers: dict[str, Peer] = {}
        self._views: dict[Viewpoint, View] = {}
        self._waiting: list[int] = []  # sessions from before the first configuration
        self._started_at = now
        self._settled = False
        self._next_grant = grant_base
        self._granting = False
        self._slots_stale = False
        self._rings = Rings()
        self._rings_stale = False
        self._holders = Holders(self.sessions, self._views)
        self._programmed = Programmed()
        self._effects: list[Effect] = []

    # ---------------------------------------------------------------- events

    def configure(self, configuration: Configuration, now: float) -> list[Effect]:
        """Take a configuration if it is newer than the one at hand."""
        before = self.configuration
        if before is not None and configuration.revision <= before.revision:
            return []
        self.configuration = configuration
        self._slots_stale = self._rings_stale = True
        self._effects.append(Tell(self.configuration_message(), all_regions=True))
        if before is None:
            self._settled = not configuration.started
        for view in self._views.values():
            self._reconfigure(view)
        for number, session in self.sessions.items():
            if session.viewpoint in self._views:
                self._effects.append(
                    Send(number, {"t": m.CONFIG, "config": encode(pod_config(configuration, session.hello))})
                )
        waiting, self._waiting = self._waiting, []
        for number in waiting:
            if number in self.sessions:
                self._welcome(number, now)
        return self._done(now)

    def hello(self, number: int, hello: Hello, now: float) -> list[Effect]:
        """A pod registers over a new session."""
        viewpoint = Viewpoint(hello.tier, hello.package, hello.region, hello.zone)
        self.sessions[number] = Session(hello, viewpoint)
        if self.configuration is None:
            self._waiting.append(number)
            return []
        self._welcome(number, now)
        return self._done(now)

    def ack(self, number: int, revision: int, config: Revision | None, now: float) -> list[Effect]:
        """A pod routes by this revision of its table, and acts on this configuration."""
        session = self.sessions.get(number)
        if session is None:
            return []
        session.acked = revision
        session.config_acked = config
        self._effects += self._holders.acknowledged(number)
        return self._done(now)

    def bye(self, number: int, now: float) -> list[Effect]:
        """A pod leaves: nobody routes to it any more once it is told LEFT; it may still finish what it has."""
        session = self.sessions.get(number)
        if session is None:
            return []
        session.leaving = True
        self._holders.watch(session.hello.id)
        self._disown(number)
        return self._done(now)

    def lost(self, number: int, now: float) -> list[Effect]:
        """A session has ended, said or not."""
        session = self.sessions.pop(number, None)
        if session is None:
            return []
        self._rings.forget(session.hello.id)
        view = self._views.get(session.viewpoint)
        if view is not None:
            view.sessions.discard(number)
        self._effects += self._holders.ended(number)
        self._disown(number, session)
        self._holders.unwatch(session.hello.id)
        return self._done(now)

    def peer_entries(self, connection: int, peer: str, entries: Sequence[Hello], now: float) -> list[Effect]:
        """A eureka of this region tells all its entries; the first word on a new connection."""
        known = self._peers.setdefault(peer, Peer())
        touched = {*known.entries, *(e.id for e in entries)}
        known.entries = {entry.id: entry for entry in entries}
        known.connection = connection
        self._recount(touched)
        return self._done(now)

    def peer_changes(
        self, connection: int, peer: str, up: Sequence[Hello], down: Sequence[str], now: float
    ) -> list[Effect]:
        """A eureka of this region tells what has changed since its last word."""
        known = self._peers.get(peer)
        if known is None or known.connection != connection:
            return []
        for entry in up:
            known.entries[entry.id] = entry
        for id in down:
            known.entries.pop(id, None)
        self._recount({*(e.id for e in up), *down})
        return self._done(now)

    def peer_lost(self, connection: int, peer: str, now: float) -> list[Effect]:
        """A eureka's connection to us has ended; its clients get time to register elsewhere."""
        known = self._peers.get(peer)
        if known is not None and known.connection == connection:
            known.connection = None
            known.until = now + PEER_GRACE_S
            self._effects.append(Ask(peer, tuple(known.entries.values())))
        return self._done(now)

    def unanswered(self, peer: str, hellos: Sequence[Hello], now: float) -> list[Effect]:
        """Pods of a vanished eureka that do not answer; one that has registered elsewhere meanwhile is another eureka's."""
        known = self._peers.get(peer)
        if known is None or known.connection is not None:
            return []
        gone = [hello.id for hello in hellos if known.entries.get(hello.id) == hello]
        for id in gone:
            del known.entries[id]
        self._recount(gone)
        return self._done(now)

    def tick(self, now: float) -> list[Effect]:
        """Do what was due by now."""
        for name in [n for n, p in self._peers.items() if p.connection is None and p.until <= now]:
            gone = self._peers.pop(name)
            self._recount(gone.entries)
        if not self._settled and self.configuration is not None and now >= self._started_at + SETTLE_S:
            self._settled = True
            for view in self._views.values():
                self._effects += [Send(number, view.table(partial=False)) for number in view.sessions]
        return self._done(now)

    def deadline(self) -> float | None:
        """When `tick` is due next, or None."""
        due = [peer.until for peer in self._peers.values() if peer.connection is None]
        if self.configuration is not None and not self._settled:
            due += [self._started_at + SETTLE_S]
        if self.configuration is not None and not self._granting:
            due += [self._started_at + GRANT_WAIT_S]
        if self._programmed.due is not None:
            due += [self._programmed.due]
        return min(due, default=None)

    def follow(self, follower: int, id: str) -> list[Effect]:
        """Begin to tell a connection from outside how many callers of ours hold a table with this pod."""
        holders = self._holders.watch(id)
        self._holders.follows.add((follower, id))
        number = self._own.get(id)
        process = None if number is None else self.sessions[number].hello.registration[0]
        return [Inform({"t": m.HOLDERS, "id": id, "holders": holders, "process": process})]

    def unfollow(self, follower: int, id: str) -> None:
        """Stop it."""
        self._holders.unfollow(follower, id)

    def unfollow_all(self, follower: int) -> None:
        """The connection has ended."""
        self._holders.unfollow_all(follower)

    def crash(self, id: str, process: int) -> list[Effect]:
        """Have a pod end at once, if its session here is of the process that began then: told twice, no process ends for the other's word."""
        number = self._own.get(id)
        sent = number is not None and self.sessions[number].hello.registration[0] == process
        told: list[Effect] = [Send(number, {"t": m.CRASH})] if sent and number is not None else []
        return [*told, Inform({"t": m.CRASHED, "id": id, "sent": sent})]

    # ---------------------------------------------------------------- questions

    def holders(self, id: str) -> set[int]:
        """Sessions of pods that acknowledged a table with this pod in it; its own does not count."""
        return self._holders.of(id)

    def edges(self) -> list[tuple[str, str]]:
        """Discovered edges whose caller has its session here: (caller, callee), ids."""
        return [
            (session.hello.id, callee)
            for number, session in self.sessions.items()
            if session.viewpoint in self._views and self._own.get(session.hello.id) == number
            for callee in self._views[session.viewpoint].history.get(session.acked, ())
            if callee != session.hello.id
        ]

    def own_entries(self) -> list[Hello]:
        """The entries that this eureka owns."""
        return [self.sessions[number].hello for number in self._own.values()]

    def entries_message(self) -> Message:
        """First word to a eureka of this region."""
        return {"t": m.ENTRIES, "entries": [encode(hello) for hello in self.own_entries()]}

    def configuration_message(self) -> Message:
        """The configuration at hand, or an empty message."""
        return {"t": m.CONFIG, "configuration": encode(self.configuration)} if self.configuration else {}

    @property
    def _in_force(self) -> Configuration:
        """The configuration, where there must be one: nobody is welcomed before it."""
        assert self.configuration is not None
        return self.configuration

    # ---------------------------------------------------------------- sessions

    def _welcome(self, number: int, now: float) -> None:
        session = self.sessions[number]
        hello = session.hello
        if hello.zone == ANYWHERE and hello.slot is None:
            hello = session.hello = replace(hello, slot=0, grant=0)  # alone in its space
        view = self._view(session.viewpoint)
        view.sessions.add(number)
        self._effects.append(
            Send(
                number,
                {
                    "t": m.WELCOME,
                    "protocol": PROTOCOL,
                    "eureka": self.name,
                    "region": self.region,
                    "zone": self.zone,
                    "config": encode(pod_config(self._in_force, hello)),
                    "slot": hello.slot,
                    "grant": hello.grant,
                },
            )
        )
        rival = self.known.get(hello.id)
        if rival is None or tuple(rival.registration) <= tuple(hello.registration):
            self._own[hello.id] = number
            self._changed({hello.id})
        self._effects.append(Send(number, view.table(partial=not self._settled)))

    def _disown(self, number: int, session: Session | None = None) -> None:
        session = session or self.sessions[number]
        if self._own.get(session.hello.id) == number:
            del self._own[session.hello.id]
            self._changed({session.hello.id})

    def _changed(self, ids: Iterable[str]) -> None:
        """Own entries have changed: tell the peers, recount."""
        ids = set(ids)
        up = [encode(self.sessions[self._own[id]].hello) for id in ids if id in self._own]
        down = [id for id in ids if id not in self._own]
        self._effects.append(Tell({"t": m.CHANGES, "up": up, "down": down}))
        self._recount(ids)

    # ---------------------------------------------------------------- the union

    def _recount(self, ids: Iterable[str]) -> None:
        for id in ids:
            claims = [peer.entries[id] for peer in self._peers.values() if id in peer.entries]
            number = self._own.get(id)
            if number is not None:
                mine = self.sessions[number].hello
                if any(tuple(claim.registration) > tuple(mine.registration) for claim in claims):
                    del self._own[id]  # it registered elsewhere since: its session here is about to end
                    self._effects.append(Tell({"t": m.CHANGES, "up": [], "down": [id]}))
                else:
                    claims.append(mine)
            winner = max(claims, key=lambda claim: tuple(claim.registration), default=None)
            if winner is None:
                gone = self.known.pop(id, None)
                self._slots_stale = True
                self._rings_stale = self._rings_stale or (gone is not None and is_ring(gone.package))
                for view in self._views.values():
                    view.drop(id)
            elif self.known.get(id) != winner:
                self._slots_stale = True
                self.known[id] = winner
                instance = _instance(winner)
                if is_ring(winner.package):
                    self._rings_stale = True
                    if winner.slot is not None:
                        self._rings.succeed(space_of(instance), winner.slot, instance)
                for view in self._views.values():
                    if view.wants(instance):
                        view.put(instance)

    def _view(self, viewpoint: Viewpoint) -> View:
        view = self._views.get(viewpoint)
        if view is None:
            tier = find_tier(self._in_force, viewpoint.tier)
            across = tier is not None and EUREKA in tier.dependencies
            view = View(viewpoint, across, ())
            self._views[viewpoint] = view
            self._reconfigure(view)
        return view

    def _reconfigure(self, view: View) -> None:
        tier = find_tier(self._in_force, view.viewpoint.tier)
        view.across = tier is not None and EUREKA in tier.dependencies
        dependencies = dependencies_of(self._in_force, view.viewpoint, self.region)
        if dependencies == view.dependencies and view.history:
            return
        view.dependencies = dependencies
        view.members = {i.id: view.place(i) for i in map(_instance, self.known.values()) if view.wants(i)}
        self._size(view)
        view.restart(dependencies, self._oldest(view))
        self._effects += [Send(number, view.table(partial=not self._settled)) for number in view.sessions]

    def _oldest(self, view: View) -> int:
        return min((self.sessions[number].acked for number in view.sessions), default=view.revision)

    # ---------------------------------------------------------------- slots

    def _grant(self, now: float) -> None:
        if self.configuration is None:
            return
        if not self._granting and (not self.configuration.started or now >= self._started_at + GRANT_WAIT_S):
            self._granting = self._slots_stale = True
        if not self._slots_stale:
            return
        self._slots_stale = False
        spaces: dict[tuple[str, str], list[Hello]] = {}
        for hello in self.known.values():
            if hello.region == self.region and hello.zone == self.zone:
                spaces.setdefault((hello.tier, hello.version), []).append(hello)
        changed: set[str] = set()
        for (tier, version), hellos in spaces.items():
            claims = [Claim(h.id, h.slot, h.grant, h.id in self._own) for h in hellos]
            self._next_grant = max(self._next_grant, 1 + max((c.grant or 0 for c in claims), default=0))
            for id, (slot, grant) in assign(
                claims,
                space_size(self.configuration, tier, version, self.region, self.zone),
                self._next_grant,
                self._granting,
            ).items():
                number = self._own[id]
                session = self.sessions[number]
                hello = session.hello = replace(session.hello, slot=slot, grant=grant)
                message = {"t": m.SLOT, "slot": slot, "grant": grant}
                if is_ring(hello.package) and slot is not None:
                    instance = _instance(hello)
                    before = self._rings.succeed(space_of(instance), slot, instance)
                    message["before"] = encode(before) if before else None
                self._effects.append(Send(number, message))
                changed.add(id)
        if changed:
            self._changed(changed)
            self._slots_stale = False

    # ---------------------------------------------------------------- rings

    def _resize(self) -> None:
        if self._rings_stale and self.configuration is not None:
            self._rings_stale = False
            self._rings.resize(self.configuration, slots_held(self.known.values(), self.region))
            for view in self._views.values():
                self._size(view)

    def _size(self, view: View) -> None:
        """Tell the callers of a view how many slots their own ring has, if it is in this region."""
        tier, place = find_tier(self._in_force, view.viewpoint.tier), view.viewpoint
        here = tier is not None and place.region == self.region
        view.resize(self._rings.sizes_for(tier, place.region, place.zone) if tier and here else {})

    # ---------------------------------------------------------------- the end of every event

    def _done(self, now: float) -> list[Effect]:
        self._grant(now)
        self._resize()
        for view in self._views.values():
            if view.changed:
                delta = view.advance(self._oldest(view))
                self._effects += [Send(number, delta) for number in view.sessions]
        self._say_left()
        if self.configuration is not None:
            self._effects += self._programmed.changed(now, self._count)
        effects, self._effects = self._effects, []
        return effects

    def _say_left(self) -> None:
        for id in self._holders.free():
            for number, session in self.sessions.items():
                if session.leaving and session.hello.id == id:
                    session.leaving = False
                    self._effects.append(Send(number, {"t": m.LEFT}))
            self._holders.unwatch(id)

    def _count(self) -> Word:
        """Who acts on the configuration."""
        current = self._in_force.revision
        acked = behind = 0
        for session in (self.sessions[number] for number in self._own.values()):
            if session.config_acked != current or session.acked != self._views[session.viewpoint].revision:
                behind += 1
            elif self._at_home(session.hello):
                acked += 1
        return Word(current, acked + behind, acked, self._hears_all())

    def _at_home(self, hello: Hello) -> bool:
        """Whether a pod is counted here: one that has registered in several regions in its own, or in the first."""
        return hello.region == self.region or (
            hello.region == ANYWHERE and self._in_force.regions[0].region == self.region
        )

    def programmed_message(self) -> Message:
        """Which configuration is in force here, for how many pods (those at home here, and all that are behind), and how many act on it."""
        return self._programmed.message()

    def _hears_all(self) -> bool:
        """Whether every other eureka of the region tells us what it has: before that our tables may lack somebody."""
        zones = next((region.zones for region in self._in_force.regions if region.region == self.region), ())
        return sum(peer.connection is not None for peer in self._peers.values()) >= len(zones) - 1


def _instance(hello: Hello) -> Instance:
    slot = hello.slot if is_ring(hello.package) else None
    return Instance(
        hello.id, hello.tier, hello.package, hello.version, hello.region, hello.zone, hello.address, hello.port, slot
    )
