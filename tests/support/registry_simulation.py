"""A simulation of registries: virtual time, ordered connections with random delays, failing pods and eurekas.

Pods register as `tier/registration.py` does: at the home eureka first, at another one while it is away, and
at home again once it answers. They bring slot and grant along.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any

from spiko_nanoservice import messages as m
from spiko_nanoservice.contract import (
    ANYWHERE,
    PROTOCOL,
    Configuration,
    Hello,
    Place,
    Revision,
    TierConfig,
    VersionConfig,
    Zones,
    decode,
)
from spiko_nanoservice.eureka.registry.effects import Ask, Effect, Send, Tell
from spiko_nanoservice.eureka.registry.registry import Registry
from spiko_nanoservice.routing.hash_ring import Ring, Space
from spiko_nanoservice.routing.table import Routes
from spiko_nanoservice.tier.registration import REGION_PING_S, REGION_SILENCE_S

ZONES = ("a", "b", "c")
SIZE = 3


def slot_of_member(ring: Ring, id: str) -> int | None:
    """Return the slot of another pod of a ring."""
    return next(
        (slot for slot, holder in enumerate(ring.holders) if holder is not None and holder.id == id), None
    )


def settings(started: bool = True, counter: int = 1, region: str = "r") -> Configuration:
    """Return a configuration of two tiers with three instances each in each of three zones."""
    places = tuple(Place(region, zone, SIZE) for zone in ZONES)
    versions = (VersionConfig("1.0.0", 100, places),)
    tiers = (
        TierConfig("web", "monolith", ("db",), places, versions),
        TierConfig("db", "priamCassandra", ("db",), places, versions),
    )
    return Configuration("arch", Revision(0, counter), (Zones(region, ZONES),), tiers, started=started)


@dataclass
class Pod:
    """One simulated pod."""

    hello: Hello
    home: str
    routes: Routes
    alive: bool = True
    number: int | None = None  # its session
    at: str | None = None  # the zone whose eureka has it


@dataclass
class World:
    """All pods, eurekas and connections of one region, in virtual time."""

    random: Random
    region: str = "r"
    now: float = 0.0
    eurekas: dict[str, Registry | None] = field(default_factory=dict)
    pods: dict[str, Pod] = field(default_factory=dict)
    cut: set[frozenset[str]] = field(default_factory=set)
    _heap: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _ids: Any = field(default_factory=lambda: itertools.count(1))
    _sessions: dict[tuple[str, int], str] = field(default_factory=dict)
    _links: dict[tuple[str, str], int] = field(default_factory=dict)  # (from zone, to zone) -> connection
    _clock: dict[Any, float] = field(default_factory=dict)

    def at(self, delay: float, do: Callable[[], None]) -> None:
        """Call a function after a delay in seconds."""
        heapq.heappush(self._heap, (self.now + delay, next(self._ids), do))

    def run(self, seconds: float) -> None:
        """Let virtual seconds pass."""
        end = self.now + seconds
        while self._heap and self._heap[0][0] <= end:
            self.now, _, do = heapq.heappop(self._heap)
            do()
        self.now = end

    def post(self, channel: Any, do: Callable[[], None]) -> None:
        """Deliver a message over an ordered connection after a random delay."""
        arrival = max(self._clock.get(channel, 0.0), self.now + self.random.uniform(0.0005, 0.02))
        self._clock[channel] = arrival
        # The absolute time: `now` plus a difference may be rounded to an earlier one than that of the message
        # before.
        heapq.heappush(self._heap, (arrival, next(self._ids), do))

    # ------------------------------------------------------------ eurekas

    def start_eureka(self, zone: str, started: bool = True, configured: bool = True) -> None:
        """Start a eureka's process."""
        name = f"e-{zone}-{next(self._ids)}"
        registry = Registry(name, self.region, zone, self.now, int(self.now * 1000) + 1)
        self.eurekas[zone] = registry
        if configured:
            self.carry(zone, registry.configure(settings(started, region=self.region), self.now))
        for other, there in self.eurekas.items():
            if other != zone and there is not None:
                self.at(self.random.uniform(0.0, 0.5), partial(self.connect, zone, other))
                self.at(self.random.uniform(0.0, 0.5), partial(self.connect, other, zone))
        self._tick(zone, registry)

    def _tick(self, zone: str, registry: Registry) -> None:
        if self.eurekas.get(zone) is registry:
            due = registry.deadline()
            if due is not None and due <= self.now:
                self.carry(zone, registry.tick(self.now))
            self.at(0.05, lambda: self._tick(zone, registry))

    def kill_eureka(self, zone: str) -> None:
        """Kill a eureka: all its connections end at once."""
        registry, self.eurekas[zone] = self.eurekas[zone], None
        if registry is None:
            return
        for pod in self.pods.values():
            if pod.at == zone:
                self._miss_eureka(pod, self.random.uniform(0.01, 0.1))
        for other in ZONES:
            self.disconnect(zone, other)
            self.disconnect(other, zone)

    def _miss_eureka(self, pod: Pod, pause: float) -> None:
        """End a pod's session without an event of the registry; the pod registers again after a pause."""
        pod.at = pod.number = None
        pod.routes.mark_stale(self.region)
        self.at(pause, lambda: self.register(pod))

    def connect(self, here: str, there: str) -> None:
        """Connect the eureka of `here` to that of `there`, and report all entries."""
        mine, theirs = self.eurekas.get(here), self.eurekas.get(there)
        if mine is None or theirs is None or (here, there) in self._links:
            return
        if frozenset((here, there)) in self.cut:
            self.at(0.5, lambda: self.connect(here, there))
            return
        connection = next(self._ids)
        self._links[here, there] = connection
        entries = [decode(Hello, e) for e in mine.entries_message()["entries"]]
        self._tell(
            here, there, connection, lambda r: r.peer_entries(connection, mine.name, entries, self.now)
        )

    def _tell(self, here: str, there: str, connection: int, act: Callable[[Registry], list[Effect]]) -> None:
        def deliver() -> None:
            registry = self.eurekas.get(there)
            if registry is not None and self._links.get((here, there)) == connection:
                self.carry(there, act(registry))

        self.post((here, there, connection), deliver)

    def disconnect(self, here: str, there: str) -> None:
        """End the connection that `here` opened: `there` notices, and `here` connects again."""
        connection = self._links.pop((here, there), None)
        theirs, mine = self.eurekas.get(there), self.eurekas.get(here)
        if connection is not None and theirs is not None:
            for name, peer in list(theirs.entries.peers.items()):
                if peer.connection == connection:
                    self.carry(there, theirs.peer_lost(connection, name, self.now))
        if mine is not None:
            self.at(0.5, lambda: self.connect(here, there))

    def carry(self, zone: str, effects: list[Effect]) -> None:
        """Perform the effects of a registry."""
        for effect in effects:
            if isinstance(effect, Send):
                name = self._sessions.get((zone, effect.session))
                if name is not None:
                    message = effect.message
                    number = effect.session
                    self.post((zone, number), partial(self.receive, zone, name, number, message))
            elif isinstance(effect, Tell) and not effect.all_regions:
                origin = self.eurekas[zone]
                assert origin is not None
                up = [decode(Hello, e) for e in effect.message["up"]]
                down = effect.message["down"]
                for other in ZONES:
                    connection = self._links.get((zone, other))
                    if connection is not None:
                        report = partial(self._report_changes, connection, origin.name, up, down)
                        self._tell(zone, other, connection, report)
            elif isinstance(effect, Ask):
                self._ask(zone, effect)

    def _report_changes(
        self, connection: int, peer: str, up: list[Hello], down: list[str], registry: Registry
    ) -> list[Effect]:
        return registry.peer_changes(connection, peer, up, down, self.now)

    def _ask(self, zone: str, question: Ask) -> None:
        """Probe pods: live ones answer in a moment, dead ones not within a second."""
        registry = self.eurekas[zone]
        silent = [hello for hello in question.hellos if hello.id not in self.pods]

        def report() -> None:
            if registry is not None and self.eurekas.get(zone) is registry:
                self.carry(zone, registry.unanswered(question.peer, silent, self.now))

        self.at(1.0 if silent else self.random.uniform(0.001, 0.02), report)

    # ------------------------------------------------------------ pods

    def start_pod(self, tier: str, zone: str, routes: Routes | None = None) -> Pod:
        """Start a pod, which registers; with `routes`, a pod outside any region that other regions share."""
        name = f"{tier}-{self.region}-{zone}-{next(self._ids)}"
        package = "monolith" if tier == "web" else "priamCassandra"
        place = (self.region, zone) if routes is None else (ANYWHERE, ANYWHERE)
        started = (int(self.now * 1000), 0)
        hello = Hello(PROTOCOL, name, name, tier, package, "1.0.0", *place, "10.0.0.1", 1, started)
        pod = self.pods[name] = Pod(hello, zone, routes or Routes(name))
        self.register(pod)
        return pod

    def register(self, pod: Pod) -> None:
        """Register a pod at its home eureka, or at any that is there."""
        if not pod.alive or pod.at is not None:
            return
        order = [pod.home, *self.random.sample(ZONES, 3)]
        zone = next((z for z in order if self.eurekas.get(z) is not None), None)
        if zone is None:
            self.at(0.1, lambda: self.register(pod))
            return
        self._open(pod, zone)
        if zone != pod.home:
            self.at(1.0, lambda: self.go_home(pod))

    def go_home(self, pod: Pod) -> None:
        """Move a pod to its home eureka: it registers there before it leaves here."""
        if not pod.alive or pod.at in (None, pod.home):
            return
        if self.eurekas.get(pod.home) is None:
            self.at(1.0, lambda: self.go_home(pod))
            return
        old_zone, old_number = pod.at, pod.number
        self._open(pod, pod.home)
        assert old_zone is not None
        assert old_number is not None
        self._end(old_zone, old_number)

    def _open(self, pod: Pod, zone: str) -> None:
        registry = self.eurekas[zone]
        assert registry is not None
        pod.number, pod.at = next(self._ids), zone
        start, count = pod.hello.registration
        pod.hello = replace(pod.hello, registration=(start, count + 1))
        self._sessions[zone, pod.number] = pod.hello.id
        self.carry(zone, registry.hello(pod.number, pod.hello, self.now))

    def _end(self, zone: str, number: int) -> None:
        registry = self.eurekas.get(zone)
        self._sessions.pop((zone, number), None)
        if registry is not None:
            self.carry(zone, registry.lost(number, self.now))

    def kill_pod(self, pod: Pod) -> None:
        """Kill a pod."""
        pod.alive = False
        del self.pods[pod.hello.id]
        if pod.at is not None and pod.number is not None:
            self._end(pod.at, pod.number)
        pod.at = pod.number = None

    def lose_zone(self, zone: str) -> None:
        """Cut the power of a zone: its pods and its eureka fall silent, no session ends, and the other
        eurekas notice after 3 s.
        """
        for pod in [pod for pod in self.pods.values() if pod.home == zone]:
            pod.alive = False
            del self.pods[pod.hello.id]
        self.eurekas[zone] = None
        for other in ZONES:
            self._links.pop((zone, other), None)
        for other, there in self.eurekas.items():
            if there is not None:
                for name, peer in list(there.entries.peers.items()):
                    if name.startswith(f"e-{zone}-") and peer.connection is not None:
                        self.at(3.0, partial(self._miss, other, there, peer.connection, name))

    def lose_region(self, caller: Pod) -> None:
        """Cut the power of the region: all pods but `caller` fall silent, which notices as late as it may."""
        for pod in [pod for pod in self.pods.values() if pod is not caller]:
            pod.alive = False
            del self.pods[pod.hello.id]
        self.eurekas = {}
        self._links.clear()
        caller.number = None
        self.at(REGION_PING_S + REGION_SILENCE_S, lambda: self._miss_eureka(caller, 0.1))

    def _miss(self, zone: str, registry: Registry, connection: int, name: str) -> None:
        if self.eurekas.get(zone) is registry:
            self.carry(zone, registry.peer_lost(connection, name, self.now))

    def receive(self, zone: str, name: str, number: int, message: dict[str, Any]) -> None:
        """Deliver a message to a pod."""
        pod = self.pods.get(name)
        if pod is None or pod.number != number or pod.at != zone:
            return
        match message["t"]:
            case m.WELCOME if pod.hello.slot is None:
                pod.hello = replace(pod.hello, slot=message["slot"], grant=message["grant"])
            case m.SLOT:
                pod.hello = replace(pod.hello, slot=message["slot"], grant=message["grant"])
            case m.TABLE:
                pod.routes.replace(self.region, message)
                self._ack(pod, zone, number, message["revision"])
            case m.DELTA:
                assert pod.routes.change(self.region, message), "a delta must follow the table at hand"
                self._ack(pod, zone, number, message["revision"])

    def _ack(self, pod: Pod, zone: str, number: int, revision: int) -> None:
        registry = self.eurekas.get(zone)

        def deliver() -> None:
            if registry is not None and self.eurekas.get(zone) is registry:
                self.carry(zone, registry.ack(number, revision, Revision(0, 1), self.now))

        self.post((zone, number, "up"), deliver)

    # ------------------------------------------------------------ checks

    def duplicates(self) -> list[tuple[str, str, int]]:
        """Return the slots that two live pods of a space hold."""
        seen: set[tuple[str, str, int]] = set()
        twice = []
        for pod in self.pods.values():
            if pod.hello.slot is not None:
                key = (pod.hello.tier, pod.hello.zone, pod.hello.slot)
                if key in seen:
                    twice.append(key)
                seen.add(key)
        return twice

    def wrong_rings(self) -> list[str]:
        """Return the nodes whose ring is not exactly the live nodes of their zone, and the callers that got
        slots.
        """
        wrong = []
        for pod in self.pods.values():
            hello = pod.hello
            if hello.tier == "db":
                ring = pod.routes.ring(Space(hello.tier, hello.version, "r", hello.zone))
                place = ("db", hello.zone)
                nodes = [p.hello for p in self.pods.values() if (p.hello.tier, p.hello.zone) == place]
                here = {node.id: node.slot for node in nodes}
                known = {id: slot_of_member(ring, id) for id in ring.members} | {hello.id: ring.own}
                if (SIZE, here) != (ring.size, known):
                    wrong.append(f"{hello.id}: {ring.size} {known}, not {here}")
            elif any(instance.slot is not None for instance in pod.routes.instances.values()):
                wrong.append(f"{hello.id}: got slots of another tier")
        return wrong

    def wrong_tables(self) -> list[str]:
        """Return the pods whose table is not exactly the live pods that they may see."""
        databases = {pod.hello.id for pod in self.pods.values() if pod.hello.tier == "db"}
        return [
            pod.hello.id
            for pod in self.pods.values()
            if set(pod.routes.instances) != databases - {pod.hello.id}
        ]
