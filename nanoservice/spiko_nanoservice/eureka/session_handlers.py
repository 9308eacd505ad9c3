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
    traits_of,
)
from spiko_nanoservice.eureka.registry.effects import Effect, dumps
from spiko_nanoservice.eureka.registry.health import HealthSummary
from spiko_nanoservice.eureka.registry.registry import Registry
from spiko_nanoservice.eureka.registry.totals import Totals
from spiko_nanoservice.eureka.sockets import Act, Outbox, read_messages
from spiko_nanoservice.messages import Message
from spiko_nanoservice.wire.websocket import WebSocket

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
        followers: the outboxes of control connections, and whether each gets the seconds.
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
        self.followers: dict[Outbox, bool] = {}

    # ---------------------------------------------------------------- pods

    async def register(self, socket: WebSocket, outbox: Outbox) -> None:
        """Run one pod's session."""
        number = next(self._numbers)
        self.pods[number] = outbox
        try:
            await read_messages(socket, f"session {number}", lambda message: self._from_pod(number, message))
        finally:
            del self.pods[number]
            self.health.forget(number)
            self._perform(self._registry.lost(number, time.monotonic()))

    def _from_pod(self, number: int, message: Message) -> Act:
        now, registry = time.monotonic(), self._registry
        match message["t"]:
            case m.HELLO:
                _check_protocol(message["hello"]["protocol"])
                hello = decode(Hello, message["hello"])
                return lambda: self._perform(registry.hello(number, hello, now))
            case m.ACK:
                config = decode(Revision, message["config"]) if message.get("config") else None
                revision = int(message["revision"])
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
        h, failed_calls = session.hello, dict(message.get("hurt") or {})
        # Reading the report and adding it up is one step, so an invalid report is refused here.
        self._totals.add((h.tier, h.version, h.region, h.zone), message)
        traits = traits_of(h.package)
        self.health.add(number, h.tier, h.version, traits is not None and traits.source, message)

        def inform() -> None:
            for id, errors in failed_calls.items():
                self._inform({"t": m.HURT, "id": id, "errors": errors})

        return inform

    # ---------------------------------------------------------------- other eurekas

    async def peer(self, socket: WebSocket, outbox: Outbox) -> None:
        """Run the session of another eureka, which reports its entries."""
        number = next(self._numbers)
        name = ""

        def read(message: Message) -> Act:
            nonlocal name
            if message["t"] == m.PEER:
                name = str(message["name"])
                return _nothing
            return self._from_peer(number, name, message)

        outbox.put_nowait(dumps(self._registry.introduction_message()))
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
                down = [str(id) for id in message["down"]]
                return lambda: self._perform(registry.peer_changes(number, name, up, down, now))
            case m.CONFIG:
                configuration = decode(Configuration, message["configuration"])
                return lambda: self._perform(registry.configure(configuration, now))
            case other:
                raise ContractError(f"t: {other!r}: not a message that a eureka may send")

    # ---------------------------------------------------------------- operator, command line

    async def control(self, seconds: bool, socket: WebSocket, outbox: Outbox) -> None:
        """Run the session of the operator or a command line, which configures or follows."""
        number = next(self._numbers)
        outbox.put_nowait(dumps(self._registry.introduction_message() | {"t": m.EUREKA}))
        outbox.put_nowait(dumps(self._registry.programmed_message()))
        if (health := self.health.last) is not None:
            outbox.put_nowait(dumps(health))
        self.followers[outbox] = seconds
        try:
            await read_messages(
                socket, "a control connection", lambda message: self._from_control(number, message)
            )
        finally:
            self.followers.pop(outbox, None)
            self._registry.unfollow_all(number)

    def _from_control(self, number: int, message: Message) -> Act:
        registry = self._registry
        match message["t"]:
            case m.CONFIG:
                configuration = decode(Configuration, message["configuration"])
                return lambda: self._perform(registry.configure(configuration, time.monotonic()))
            case m.FOLLOW:
                id = str(message["id"])
                return lambda: self._perform(registry.follow(number, id))
            case m.UNFOLLOW:
                id = str(message["id"])
                return lambda: registry.unfollow(number, id)
            case m.CRASH:
                id, process = str(message["id"]), int(message["process"])
                return lambda: self._perform(registry.crash(id, process))
            case other:
                raise ContractError(f"t: {other!r}: not a message that an operator may send")


def _check_protocol(protocol: Any) -> None:
    if protocol not in SUPPORTED:
        known = " and ".join(map(str, SUPPORTED))
        raise ContractError(
            f"protocol {protocol!r}: must be {known}; use a pod image of this eureka's release"
        )


def _nothing() -> None:
    return
