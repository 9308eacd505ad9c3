"""The sessions of a eureka.

They read the messages of pods, other eurekas and the operator, and turn them into events of the registry.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

from spiko_nanoservice import messages as m
from spiko_nanoservice.contract import (
    PROTOCOL,
    Configuration,
    ContractError,
    Hello,
    Revision,
    decode,
    encode,
    traits_of,
)
from spiko_nanoservice.contract.bounds import MOST_COUNTER
from spiko_nanoservice.eureka.registry.effects import Effect, dumps
from spiko_nanoservice.eureka.registry.health import HealthSummary
from spiko_nanoservice.eureka.registry.registry import Registry
from spiko_nanoservice.eureka.registry.totals import Totals
from spiko_nanoservice.eureka.report_check import MOST_NAME, check_report
from spiko_nanoservice.eureka.sockets import Act, Outbox, read_messages
from spiko_nanoservice.messages import Message
from spiko_nanoservice.wire.websocket import WebSocket

# Pods that one control connection may follow: the most victims of a Fault.
MOST_FOLLOWED = 1_000
SUPPORTED = tuple(range(max(1, PROTOCOL - 1), PROTOCOL + 1))


class Sessions:
    """The open sessions, and how each is run.

    Args:
        registry: gets the events.
        totals: gets the reports of pods.
        perform: performs the effects of an event.
        inform: sends a message to all followers.

    Attributes:
        health: sums up the reports of pods for the operator.
        pods: the outboxes of pods by session number.
        followers: the outboxes of control connections.
        readers: the outboxes of connections that get the seconds.
    """

    def __init__(
        self,
        registry: Registry,
        totals: Totals,
        perform: Callable[[list[Effect]], None],
        inform: Callable[[Message], None],
    ) -> None:
        self._registry, self._totals, self._perform, self._inform = registry, totals, perform, inform
        self._numbers = itertools.count(1)
        self.health = HealthSummary()
        self.pods: dict[int, Outbox] = {}
        self.followers: set[Outbox] = set()
        self.readers: set[Outbox] = set()

    # ---------------------------------------------------------------- pods

    async def register(self, socket: WebSocket, outbox: Outbox) -> None:
        """Run one pod's session."""
        number = next(self._numbers)
        self.pods[number] = outbox
        try:
            source = socket.source
            await read_messages(
                socket, f"session {number}", lambda message: self._from_pod(number, source, message)
            )
        finally:
            del self.pods[number]
            self.health.forget(number)
            self._perform(self._registry.lost(number, time.monotonic()))

    def _from_pod(self, number: int, source: str, message: Message) -> Act:
        now, registry = time.monotonic(), self._registry
        match message["t"]:
            case m.HELLO:
                _check_protocol(message["hello"]["protocol"])
                hello = decode(Hello, message["hello"])
                registry.check_binding(number, hello, source)
                return lambda: self._perform(registry.hello(number, hello, now, source))
            case m.ACK:
                config = decode(Revision, message["config"]) if message.get("config") else None
                revision = _to_number("revision", message["revision"])
                return lambda: self._perform(registry.ack(number, revision, config, now))
            case m.REPORT:
                return self._from_report(number, message)
            case m.BYE:
                return lambda: self._perform(registry.bye(number, now))
            case other:
                raise ContractError(f"t: {other!r}: not a message that a pod may send")

    def _from_report(self, number: int, message: Message) -> Act:
        session = self._registry.sessions.get(number)
        if session is None:
            return _nothing
        h = session.hello
        traits = traits_of(h.package)
        is_source = traits is not None and traits.source
        check_report(message)

        def count() -> None:
            self._totals.add((h.tier, h.version, h.region, h.zone), message)
            self.health.add(number, h.tier, h.version, is_source, message)
            for id, errors in (message.get("hurt") or {}).items():
                if id in self._registry.holders.follows:
                    self._inform({"t": m.HURT, "id": id, "errors": errors})

        return count

    # ---------------------------------------------------------------- other eurekas

    async def peer(self, socket: WebSocket, outbox: Outbox) -> None:
        """Run the session of another eureka, which reports its entries."""
        number = next(self._numbers)
        name = ""

        def read(message: Message) -> Act:
            nonlocal name
            if message["t"] == m.PEER:
                name = str(message["name"])[:MOST_NAME]
                return _nothing
            return self._from_peer(number, name, message)

        outbox.put(dumps(self._registry.introduction_message()))
        try:
            await read_messages(socket, f"peer session {number}", read)
        finally:
            if name:
                self._perform(self._registry.peer_lost(number, name, time.monotonic()))

    def _from_peer(self, number: int, name: str, message: Message) -> Act:
        now, registry = time.monotonic(), self._registry
        match message["t"]:
            case m.ENTRIES:
                entries = [decode(Hello, entry) for entry in message["entries"]]
                return lambda: self._perform(registry.peer_entries(number, name, entries, now))
            case m.CHANGES:
                up = [decode(Hello, entry) for entry in message["up"]]
                down = [str(id)[:MOST_NAME] for id in message["down"]]
                return lambda: self._perform(registry.peer_changes(number, name, up, down, now))
            case m.CONFIG:
                configuration = decode(Configuration, message["configuration"])
                return lambda: self._perform(registry.configure(configuration, now))
            case other:
                raise ContractError(f"t: {other!r}: not a message that a eureka may send")

    # ---------------------------------------------------------------- operator, command line

    async def control(self, socket: WebSocket, outbox: Outbox) -> None:
        """Run the session of the operator, which configures and follows pods."""
        number, followed = next(self._numbers), set[str]()
        outbox.put(dumps(self._registry.introduction_message() | {"t": m.EUREKA}))
        outbox.put(dumps(self._registry.programmed_message()))
        if (health := self.health.last) is not None:
            outbox.put(dumps(health))
        self.followers.add(outbox)
        try:
            await read_messages(
                socket,
                "a control connection",
                lambda message: self._from_control(number, followed, outbox, message),
            )
        finally:
            self.followers.discard(outbox)
            self._registry.unfollow_all(number)

    def _from_control(self, number: int, followed: set[str], outbox: Outbox, message: Message) -> Act:
        registry = self._registry
        match message["t"]:
            case m.CONFIG:
                configuration = decode(Configuration, message["configuration"])
                return lambda: self._perform(registry.configure(configuration, time.monotonic()))
            case m.FOLLOW:
                id = _to_id(message["id"])
                if len(followed) >= MOST_FOLLOWED and id not in followed:
                    raise ContractError(f"follow: at most {MOST_FOLLOWED} pods at a time")
                followed.add(id)
                return lambda: self._perform(registry.follow(number, id))
            case m.UNFOLLOW:
                id = _to_id(message["id"])
                followed.discard(id)
                return lambda: registry.unfollow(number, id)
            case m.PODS:
                return lambda: outbox.put(dumps({"t": m.PODS, "pods": registry.registered()}))
            case m.CRASH:
                id, process = _to_id(message["id"]), _to_number("process", message["process"])
                return lambda: self._perform(registry.crash(id, process))
            case other:
                raise ContractError(f"t: {other!r}: not a message that an operator may send")

    async def read(self, socket: WebSocket, outbox: Outbox) -> None:
        """Run the session of a command line, which reads counters and edges."""
        outbox.put(dumps(self._registry.introduction_message() | {"t": m.EUREKA}))
        try:
            await read_messages(
                socket, "a reading connection", lambda message: self._from_reader(outbox, message)
            )
        finally:
            self.readers.discard(outbox)

    def _from_reader(self, outbox: Outbox, message: Message) -> Act:
        match message["t"]:
            case m.SECONDS:
                return lambda: self.readers.add(outbox)
            case m.EDGES:
                return lambda: outbox.put(dumps({"t": m.EDGES, **edges_of(self._registry)}))
            case m.TOTALS:
                return lambda: outbox.put(dumps({"t": m.TOTALS, **self._totals.totals()}))
            case other:
                raise ContractError(f"t: {other!r}: must be {m.SECONDS}, {m.EDGES} or {m.TOTALS}")


def edges_of(registry: Registry) -> Message:
    """Return the pods that are registered at a eureka, and the discovered edges from them."""
    nodes = [encode(hello) for hello in registry.entries.own_hellos()]
    return {"nodes": nodes, "edges": [list(edge) for edge in registry.edges()]}


def _check_protocol(protocol: Any) -> None:
    if protocol not in SUPPORTED:
        known = " and ".join(map(str, SUPPORTED))
        raise ContractError(
            f"protocol {protocol!r}: must be {known}; use a pod image of this eureka's release"
        )


def _to_id(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MOST_NAME:
        raise ContractError(f"id: {str(value)[:64]!r}: must be a string of 1 to {MOST_NAME} characters")
    return value


def _to_number(where: str, value: Any) -> int:
    if type(value) is not int or not 0 <= value <= MOST_COUNTER:
        raise ContractError(f"{where}: {str(value)[:32]!r}: must be an integer from 0 to {MOST_COUNTER}")
    return value


def _nothing() -> None:
    return
