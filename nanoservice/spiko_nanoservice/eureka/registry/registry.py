"""Pure: the registry of one eureka.

Events and the time go in, effects come out; it uses no socket and no clock.

Theory of operation. A pod has a session with one eureka of its region; that eureka *owns* the pod's entry.
Every eureka sends the entries that it owns, and no others, to every other eureka of the region, over a
connection of its own and in order: first all of them, then changes. A eureka knows the union over the owners
(`entries.py`). Of two entries of one pod the one with the higher registration counts, so a pod may move from
eureka to eureka by registering there before it leaves here. No tombstones are needed, because each message of
an owner replaces its earlier ones.

A pod counts as dead when its session ends. The end of a *eureka's* connection is not the death of its pods:
their entries stay for 5 s, time enough to register elsewhere. But this eureka probes them at once and drops
the pods that do not answer, such as those on a node without power, until they register again. A eureka that
starts late in an architecture that was ready before does not know every pod yet. It therefore hands out
partial tables for 5 s (`views.py`), so that pods keep what they knew, and grants no slots for 3 s
(`slots.py`).

Change together: the messages (`messages.py`), the pods' handling of tables (`routing/table.py`), and this
package.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from spiko_nanoservice import messages as m
from spiko_nanoservice.contract import (
    ANYWHERE,
    PROTOCOL,
    Configuration,
    ContractError,
    Hello,
    Revision,
    encode,
)
from spiko_nanoservice.eureka.registry.ack_status import AckCounts, AckStatus, count_acks
from spiko_nanoservice.eureka.registry.effects import Ask, Effect, Inform, Send, Tell
from spiko_nanoservice.eureka.registry.entries import Changes, Entries
from spiko_nanoservice.eureka.registry.pod_config import pod_config
from spiko_nanoservice.eureka.registry.ring_sizes import RingSizes, is_ring
from spiko_nanoservice.eureka.registry.route_holders import RouteHolders
from spiko_nanoservice.eureka.registry.sessions import Session, identity_of, instance_of
from spiko_nanoservice.eureka.registry.slots import SlotGranter
from spiko_nanoservice.eureka.registry.views import Views
from spiko_nanoservice.eureka.registry.visibility import Viewpoint
from spiko_nanoservice.messages import Message


class Registry:
    """The registry of one eureka.

    Every event returns the effects that the caller must perform, in order.

    Args:
        name: unique in the architecture and over restarts.
        region: the eureka's region.
        zone: the eureka's zone, whose slots it grants.
        now: monotonic seconds; every later `now` must not be smaller.
        grant_base: the first grant number; above every number that earlier processes used.

    Attributes:
        configuration: the active configuration; None before the first.
        sessions: the open sessions of pods by number.
        entries: the merged entries of the region.
        views: the routing tables.
        holders: the sessions that route to watched pods.
    """

    def __init__(self, name: str, region: str, zone: str, now: float, grant_base: int = 1) -> None:
        self.name, self.region, self.zone = name, region, zone
        self.configuration: Configuration | None = None
        self.sessions: dict[int, Session] = {}
        self.entries = Entries(self.sessions)
        self._rings = RingSizes(region)
        self.views = Views(region, self.sessions, self.entries.known, self._rings, now)
        self.holders = RouteHolders(self.sessions, self.views.by_viewpoint)
        self._slots = SlotGranter(region, zone, self.entries, now, grant_base)
        self._acks = AckStatus()
        # Sessions that wait for the first configuration.
        self._unconfigured: list[int] = []

    # ---------------------------------------------------------------- events: operator

    def configure(self, configuration: Configuration, now: float) -> list[Effect]:
        """Take a configuration if its revision is higher than that of the active one."""
        before = self.configuration
        if before is not None and configuration.revision <= before.revision:
            return []
        self.configuration = configuration
        effects: list[Effect] = [Tell(self.configuration_message(), all_regions=True)]
        effects += self.views.configure(configuration)
        effects += [
            Send(number, {"t": m.CONFIG, "config": encode(pod_config(configuration, session.hello))})
            for number, session in self.sessions.items()
            if self.views.has(session)
        ]
        waiting, self._unconfigured = self._unconfigured, []
        for number in waiting:
            if number in self.sessions:
                effects += self._welcome(number, configuration)
        return effects + self._settle_event(now)

    def follow(self, follower: int, id: str) -> list[Effect]:
        """Inform a control connection from now on how many callers at this eureka route to a pod."""
        holders = self.holders.follow(follower, id)
        session = self._owner(id)
        process = None if session is None else self.sessions[session].hello.registration[0]
        return [Inform({"t": m.HOLDERS, "id": id, "holders": holders, "process": process})]

    def unfollow(self, follower: int, id: str) -> None:
        """Stop informing a control connection about a pod."""
        self.holders.unfollow(follower, id)

    def unfollow_all(self, follower: int) -> None:
        """Drop a control connection that has ended."""
        self.holders.unfollow_all(follower)

    def crash(self, id: str, process: int) -> list[Effect]:
        """Make a pod crash if its session is here.

        Args:
            id: the pod.
            process: the start of the pod's process, as it registered; a message that comes twice then cannot
                kill the successor.
        """
        number = self._owner(id)
        if number is None or self.sessions[number].hello.registration[0] != process:
            return [Inform({"t": m.CRASHED, "id": id, "sent": False})]
        return [Send(number, {"t": m.CRASH}), Inform({"t": m.CRASHED, "id": id, "sent": True})]

    # ---------------------------------------------------------------- events: pods

    def check_binding(self, number: int, hello: Hello, source: str) -> None:
        """Check that no other pod poses as a living one.

        While a pod's UID is registered, all that identifies the pod is bound to it: its tier, version, place
        and address. The registration must come from the address of the session here, or, of a pod that is
        registered at another eureka, from the pod's own address.

        Raises:
            ContractError: the UID is bound otherwise, or the session has registered another pod.
        """
        own, known = self._owner(hello.id), self.entries.known.get(hello.id)
        if own is not None:
            bound = self.sessions[own].source != source
        else:
            # With two address families the pod may have connected from its other address.
            same_family = (":" in source) == (":" in hello.address)
            bound = known is not None and same_family and source != hello.address
        if bound or (known is not None and known.address != hello.address):
            raise ContractError(f"id: pod {hello.id!r} is registered from another address")
        if known is not None and identity_of(known) != identity_of(hello):
            raise ContractError(
                f"id: pod {hello.id!r} is registered with another tier, version, zone or port"
            )
        session = self.sessions.get(number)
        if session is not None and session.hello.id != hello.id:
            raise ContractError(f"id: this session has registered pod {session.hello.id!r}")

    def hello(self, number: int, hello: Hello, now: float, source: str = "") -> list[Effect]:
        """Register a pod over a new session; it is welcomed once there is a configuration.

        Args:
            number: of the session.
            hello: the registration.
            now: monotonic seconds.
            source: the address from which the pod connected.
        """
        viewpoint = Viewpoint(hello.tier, hello.package, hello.region, hello.zone)
        self.sessions[number] = Session(hello, viewpoint, source)
        if self.configuration is None:
            self._unconfigured.append(number)
            return []
        return self._welcome(number, self.configuration) + self._settle_event(now)

    def ack(self, number: int, revision: int, config: Revision | None, now: float) -> list[Effect]:
        """Note that a pod routes by this revision of its table and acts on this configuration."""
        session = self.sessions.get(number)
        if session is None:
            return []
        session.acked = revision
        session.config_acked = config
        return self.holders.acknowledged(number) + self._settle_event(now)

    def bye(self, number: int, now: float) -> list[Effect]:
        """Deregister a pod. It serves until it gets LEFT: then no caller at this eureka routes to it."""
        session = self.sessions.get(number)
        if session is None:
            return []
        session.leaving = True
        self.holders.watch(session.hello.id)
        return self._disown(number, session) + self._settle_event(now)

    def lost(self, number: int, now: float) -> list[Effect]:
        """End a session, after BYE or without it."""
        session = self.sessions.pop(number, None)
        if session is None:
            return []
        self._rings.forget(session.hello.id)
        self.views.remove_session(number, session)
        effects = self.holders.ended(number) + self._disown(number, session)
        self.holders.unwatch(session.hello.id)
        return effects + self._settle_event(now)

    # ---------------------------------------------------------------- events: other eurekas

    def peer_entries(self, connection: int, peer: str, entries: Sequence[Hello], now: float) -> list[Effect]:
        """Take all entries of a eureka of this region: its first message on a new connection."""
        return self._apply(self.entries.replace_peer(connection, peer, entries)) + self._settle_event(now)

    def peer_changes(
        self, connection: int, peer: str, up: Sequence[Hello], down: Sequence[str], now: float
    ) -> list[Effect]:
        """Take the changes that a eureka of this region reports."""
        return self._apply(self.entries.change_peer(connection, peer, up, down)) + self._settle_event(now)

    def peer_lost(self, connection: int, peer: str, now: float) -> list[Effect]:
        """Give the pods of a eureka whose connection ended time to register elsewhere, and probe them."""
        hellos = self.entries.disconnect_peer(connection, peer, now)
        effects: list[Effect] = [] if hellos is None else [Ask(peer, hellos)]
        return effects + self._settle_event(now)

    def unanswered(self, peer: str, hellos: Sequence[Hello], now: float) -> list[Effect]:
        """Drop silent pods of a disconnected eureka, unless they registered elsewhere meanwhile."""
        return self._apply(self.entries.remove_silent(peer, hellos)) + self._settle_event(now)

    # ---------------------------------------------------------------- events: time

    def tick(self, now: float) -> list[Effect]:
        """Do everything that is due."""
        return self._apply(self.entries.expire(now)) + self.views.settle(now) + self._settle_event(now)

    def deadline(self) -> float | None:
        """Return when `tick` is due next, or None."""
        due = [self.entries.next_expiry(), self._acks.due, self.views.due()]
        if self.configuration is not None:
            due.append(self._slots.due())
        return min((at for at in due if at is not None), default=None)

    # ---------------------------------------------------------------- queries

    def edges(self) -> list[tuple[str, str]]:
        """Return the discovered edges of the callers whose entry this eureka owns: (caller id, callee id)."""
        return [
            (session.hello.id, callee)
            for number, session in self.sessions.items()
            if self.views.has(session) and self._owner(session.hello.id) == number
            for callee in self.views.of(session).history.get(session.acked, ())
            if callee != session.hello.id
        ]

    def registered(self) -> list[tuple[str, str]]:
        """Return UID and address of every pod that is registered at this eureka."""
        return [(hello.id, hello.address) for hello in self.entries.own_hellos()]

    def introduction_message(self) -> Message:
        """Return the message that names this eureka, its region and its zone."""
        return {"t": m.PEER, "name": self.name, "region": self.region, "zone": self.zone}

    def entries_message(self) -> Message:
        """Return the message with all own entries: the first one to a eureka of this region."""
        return {"t": m.ENTRIES, "entries": [encode(hello) for hello in self.entries.own_hellos()]}

    def configuration_message(self) -> Message:
        """Return the message with the active configuration; empty before the first."""
        return {"t": m.CONFIG, "configuration": encode(self.configuration)} if self.configuration else {}

    def programmed_message(self) -> Message:
        """Return the message that says how many pods act on the active configuration."""
        return self._acks.message()

    # ---------------------------------------------------------------- entries

    def _owner(self, id: str) -> int | None:
        return self.entries.own.get(id)

    def _welcome(self, number: int, configuration: Configuration) -> list[Effect]:
        session = self.sessions[number]
        hello = session.hello
        if hello.zone == ANYWHERE and hello.slot is None:
            # A pod without a zone is alone in its space.
            hello = session.hello = replace(hello, slot=0, grant=0)
        self.views.add_session(number)
        welcome = {
            "t": m.WELCOME,
            "protocol": PROTOCOL,
            "eureka": self.name,
            "region": self.region,
            "zone": self.zone,
            "config": encode(pod_config(configuration, hello)),
            "slot": hello.slot,
            "grant": hello.grant,
        }
        effects: list[Effect] = [Send(number, welcome)]
        if self.entries.claim(number):
            effects += self._publish({hello.id})
        return [*effects, self.views.send_table(number)]

    def _disown(self, number: int, session: Session) -> list[Effect]:
        return self._publish({session.hello.id}) if self.entries.release(number, session.hello.id) else []

    def _publish(self, ids: Iterable[str]) -> list[Effect]:
        """Report changed own entries to the other eurekas and merge them."""
        ids = set(ids)
        up = [encode(self.sessions[number].hello) for id in ids if (number := self._owner(id)) is not None]
        down = [id for id in ids if self._owner(id) is None]
        tell = Tell({"t": m.CHANGES, "up": up, "down": down})
        return [tell, *self._apply(self.entries.merge(ids))]

    def _apply(self, changes: Changes) -> list[Effect]:
        """Bring tables and rings up to date with the merged entries."""
        self.views.apply(changes)
        for hello in changes.present:
            if is_ring(hello.package) and hello.slot is not None:
                self._rings.take_slot(hello.slot, instance_of(hello))
        return [Tell({"t": m.CHANGES, "up": [], "down": changes.superseded})] if changes.superseded else []

    # ---------------------------------------------------------------- the end of every event

    def _settle_event(self, now: float) -> list[Effect]:
        """Bring slots, rings, tables and counts up to date with what the event changed."""
        configuration = self.configuration
        if configuration is None:
            return self._release_leavers()
        effects = self._grant_slots(configuration, now)
        if self._rings.update(configuration, self.entries.known, self.entries.ring_version):
            self.views.resize()
        effects += self.views.deltas()
        effects += self._release_leavers()
        return effects + self._acks.update(now, self._count_acks)

    def _grant_slots(self, configuration: Configuration, now: float) -> list[Effect]:
        effects: list[Effect] = []
        granted = self._slots.grant(configuration, now)
        for id, (slot, grant) in granted.items():
            number = self.entries.own[id]
            session = self.sessions[number]
            session.hello = replace(session.hello, slot=slot, grant=grant)
            message: Message = {"t": m.SLOT, "slot": slot, "grant": grant}
            if is_ring(session.hello.package) and slot is not None:
                before = self._rings.take_slot(slot, instance_of(session.hello))
                message["before"] = encode(before) if before else None
            effects.append(Send(number, message))
        return effects + self._publish(granted) if granted else effects

    def _release_leavers(self) -> list[Effect]:
        """Send LEFT to pods that have deregistered and that no caller at this eureka routes to any more."""
        effects: list[Effect] = []
        for id in self.holders.unheld():
            for number, session in self.sessions.items():
                if session.leaving and session.hello.id == id:
                    session.leaving = False
                    effects.append(Send(number, {"t": m.LEFT}))
            self.holders.unwatch(id)
        return effects

    def _count_acks(self) -> AckCounts:
        configuration = self.configuration
        assert configuration is not None
        owned = (self.sessions[number] for number in self.entries.own.values())
        pods, acked = count_acks(configuration, self.region, owned, self.views)
        zones = next((region.zones for region in configuration.regions if region.region == self.region), ())
        complete = self.entries.connected_peers() >= len(zones) - 1
        return AckCounts(configuration.revision, pods, acked, complete)
