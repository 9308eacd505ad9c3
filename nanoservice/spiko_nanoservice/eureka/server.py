"""Connects the pure registry of a eureka to WebSockets, on the HTTP server that tiers use as well (`wire/http_server.py`).

| path | client | content |
|---|---|---|
| /register | pods | sessions |
| /peer | other eurekas | their entries |
| /control, /control/seconds | operator, command line | in: configurations and crashes; out: programmed, holders, hurt; on the second path the seconds as well |
| /edges, /totals | every client | discovered nodes and edges; counts and histograms since the start of this eureka |
| /healthz, /readyz | kubelet | |
| /metrics | Prometheus | added by `pod.py`, which knows the pod's labels |
"""  # a row of a table has one line

from __future__ import annotations

import asyncio
import itertools
import time
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from spiko_nanoservice import messages as m
from spiko_nanoservice.contract import PROTOCOL, Configuration, ContractError, Hello, Revision, decode
from spiko_nanoservice.eureka.liveness_check import find_silent
from spiko_nanoservice.eureka.pages import pages_of
from spiko_nanoservice.eureka.registry.effects import Ask, Effect, Inform, Send, Tell, dumps
from spiko_nanoservice.eureka.registry.registry import Registry
from spiko_nanoservice.eureka.registry.totals import Totals
from spiko_nanoservice.eureka.sockets import Act, Outbox, SessionHandler, read_messages, send_queued, serve_socket
from spiko_nanoservice.messages import Message
from spiko_nanoservice.wire.request import Request
from spiko_nanoservice.wire.websocket import WebSocket, render_acceptance

# A eureka pings after 2 s of silence and waits 1 s for an answer: three seconds without a message end a session.
PING_S, SILENCE_S = 2.0, 1.0
MOST_MESSAGE_BYTES = 16 * 1024 * 1024
SPOKEN = tuple(range(max(1, PROTOCOL - 1), PROTOCOL + 1))
SOCKET_PATHS = (b"/register", b"/peer", b"/control", b"/control/seconds")


class PeerLink:
    """The connection that this eureka opened to another one; it carries everything that this eureka reports."""

    def __init__(self, socket: WebSocket, same_region: bool) -> None:
        self.outbox: Outbox = asyncio.Queue()
        self.same_region = same_region
        self._socket = socket

    async def send_queued(self) -> None:
        """Send what is queued until cancelled, or until the connection breaks."""
        await send_queued(self._socket, self.outbox)


class Eureka:
    """One registry with its connections.

    Args:
        name: unique over restarts.
        region: the eureka's region.
        zone: the eureka's zone.

    Attributes:
        registry: decides what to send.
        totals: adds up the reports of pods.
        peers: open connections to other eurekas.
        pages: handlers of plain HTTP requests by path.
    """

    def __init__(self, name: str, region: str, zone: str) -> None:
        # Milliseconds since 1970: above every grant number of an earlier process of this zone.
        grant_base = int(time.time() * 1000)
        self.registry = Registry(name, region, zone, time.monotonic(), grant_base)
        self.totals = Totals()
        self.peers: set[PeerLink] = set()
        self.pages = pages_of(self.registry, self.totals)
        self._numbers = itertools.count(1)
        self._pods: dict[int, Outbox] = {}
        self._followers: dict[Outbox, bool] = {}  # the value: whether the follower gets the seconds
        self._performed = asyncio.Event()
        self._sessions: dict[asyncio.Task[None], WebSocket] = {}
        self._probes: set[asyncio.Task[None]] = set()

    # ---------------------------------------------------------------- effects

    def perform(self, effects: list[Effect]) -> None:
        """Perform the effects of an event. Messages are queued, so this never waits."""
        for effect in effects:
            match effect:
                case Send(session, message):
                    if outbox := self._pods.get(session):
                        outbox.put_nowait(dumps(message))
                case Tell(message, all_regions):
                    text = dumps(message)
                    for peer in self.peers:
                        if peer.same_region or all_regions:
                            peer.outbox.put_nowait(text)
                case Inform(message):
                    self.inform(message)
                case Ask():
                    probe = asyncio.get_running_loop().create_task(self._probe(effect))
                    self._probes.add(probe)
                    probe.add_done_callback(self._probes.discard)
        self._performed.set()

    async def _probe(self, question: Ask) -> None:
        silent = await find_silent(question.hellos)
        self.perform(self.registry.unanswered(question.peer, silent, time.monotonic()))

    def inform(self, message: Message) -> None:
        """Send a message to all followers; SECOND, which is large, only to followers that asked for it."""
        text = dumps(message)
        for outbox, seconds in self._followers.items():
            if seconds or message["t"] != m.SECOND:
                outbox.put_nowait(text)

    async def tick(self) -> None:
        """Call the registry's `tick` when it is due, until cancelled."""
        while True:
            self._performed.clear()
            due = self.registry.deadline()
            wait = None if due is None else max(0.0, due - time.monotonic())
            try:
                async with asyncio.timeout(wait):
                    await self._performed.wait()
            except TimeoutError:
                self.perform(self.registry.tick(time.monotonic()))

    async def count_seconds(self) -> None:
        """Close a second of the totals every second, until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            second = self.totals.second(self.registry.name)
            if second is not None and any(self._followers.values()):
                self.inform(second)

    def connections(self) -> dict[str, int]:
        """Return the number of open connections by kind."""
        return {"pod": len(self._pods), "eureka": len(self.peers), "follower": len(self._followers)}

    # ---------------------------------------------------------------- pods

    async def register(self, socket: WebSocket, outbox: Outbox) -> None:
        """Run one pod's session."""
        number = next(self._numbers)
        self._pods[number] = outbox
        try:
            await read_messages(socket, f"session {number}", lambda message: self._from_pod(number, message))
        finally:
            del self._pods[number]
            self.perform(self.registry.lost(number, time.monotonic()))

    def _from_pod(self, number: int, message: Message) -> Act:
        now, registry = time.monotonic(), self.registry
        match message["t"]:
            case m.HELLO:
                _check_protocol(message["hello"]["protocol"])
                hello = decode(Hello, message["hello"])
                return lambda: self.perform(registry.hello(number, hello, now))
            case m.ACK:
                config = decode(Revision, message["config"]) if message.get("config") else None
                revision = int(message["revision"])
                return lambda: self.perform(registry.ack(number, revision, config, now))
            case m.REPORT:
                return self._from_report(number, message)
            case m.BYE:
                return lambda: self.perform(registry.bye(number, now))
            case other:
                raise ContractError(f"t: {other!r}: not a message that a pod may send")

    def _from_report(self, number: int, message: Message) -> Act:
        session = self.registry.sessions.get(number)
        if session is None:
            return _nothing
        h, failed_calls = session.hello, dict(message.get("hurt") or {})
        # Reading the report and adding it up is one step, so an invalid report is refused here.
        self.totals.add((h.tier, h.version, h.region, h.zone), message)

        def inform() -> None:
            for id, errors in failed_calls.items():
                self.inform({"t": m.HURT, "id": id, "errors": errors})

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

        outbox.put_nowait(dumps(self.introduction()))
        try:
            await read_messages(socket, f"peer session {number}", read)
        finally:
            if name:
                self.perform(self.registry.peer_lost(number, name, time.monotonic()))

    def introduction(self) -> Message:
        """Return the message that names this eureka, its region and its zone."""
        return {"t": m.PEER, "name": self.registry.name, "region": self.registry.region, "zone": self.registry.zone}

    def _from_peer(self, number: int, name: str, message: Message) -> Act:
        now, registry = time.monotonic(), self.registry
        match message["t"]:
            case m.ENTRIES:
                entries = [decode(Hello, entry) for entry in message["entries"]]
                return lambda: self.perform(registry.peer_entries(number, name, entries, now))
            case m.CHANGES:
                up = [decode(Hello, entry) for entry in message["up"]]
                down = [str(id) for id in message["down"]]
                return lambda: self.perform(registry.peer_changes(number, name, up, down, now))
            case m.CONFIG:
                configuration = decode(Configuration, message["configuration"])
                return lambda: self.perform(registry.configure(configuration, now))
            case other:
                raise ContractError(f"t: {other!r}: not a message that a eureka may send")

    # ---------------------------------------------------------------- operator, command line

    async def control(self, seconds: bool, socket: WebSocket, outbox: Outbox) -> None:
        """Run the session of the operator or a command line, which configures or follows."""
        number = next(self._numbers)
        outbox.put_nowait(dumps(self.introduction() | {"t": m.EUREKA}))
        outbox.put_nowait(dumps(self.registry.programmed_message()))
        self._followers[outbox] = seconds
        try:
            await read_messages(socket, "a control connection", lambda message: self._from_control(number, message))
        finally:
            self._followers.pop(outbox, None)
            self.registry.unfollow_all(number)

    def _from_control(self, number: int, message: Message) -> Act:
        registry = self.registry
        match message["t"]:
            case m.CONFIG:
                configuration = decode(Configuration, message["configuration"])
                return lambda: self.perform(registry.configure(configuration, time.monotonic()))
            case m.FOLLOW:
                id = str(message["id"])
                return lambda: self.perform(registry.follow(number, id))
            case m.UNFOLLOW:
                id = str(message["id"])
                return lambda: registry.unfollow(number, id)
            case m.CRASH:
                id, process = str(message["id"]), int(message["process"])
                return lambda: self.perform(registry.crash(id, process))
            case other:
                raise ContractError(f"t: {other!r}: not a message that an operator may send")

    # ---------------------------------------------------------------- requests

    def handle(self, request: Request) -> None:
        """Answer a plain HTTP request, or begin the session of a WebSocket."""
        path, _, query = request.path.partition(b"?")
        page = self.pages.get(path)
        if page is None and path not in SOCKET_PATHS:
            request.reply(404, b"not found\n")
        elif request.method != b"GET":
            request.reply(405, b"method not allowed: use GET\n")
        elif page is not None:
            page(request)
        elif request.websocket_key is None:
            request.reply(426, b"upgrade required: connect with a WebSocket\n", b"Upgrade: websocket\r\n")
        else:
            self._begin(request, request.websocket_key, path, query)

    def _begin(self, request: Request, key: bytes, path: bytes, query: bytes) -> None:
        parameters = {name: values[-1] for name, values in parse_qs(query.decode("latin-1")).items()}
        handler: SessionHandler
        if path == b"/register":
            region, requested = self.registry.region, parameters.get("region", self.registry.region)
            if requested != region:
                body = f"region: {requested!r}: this eureka serves region {region!r} only; connect to one of yours\n"
                request.reply(409, body.encode())
                return
            handler = self.register
        else:
            # The seconds have a path of their own instead of a query: the proxy of Kubernetes' API server drops the
            # query of a connection that is upgraded.
            handler = self.peer if path == b"/peer" else partial(self.control, path == b"/control/seconds")
        socket = WebSocket(PING_S, SILENCE_S, served=True, most_bytes=MOST_MESSAGE_BYTES)
        request.hand_over(socket, render_acceptance(key))
        task = asyncio.get_running_loop().create_task(serve_socket(socket, handler))
        self._sessions[task] = socket
        task.add_done_callback(self._sessions.pop)

    async def close(self, grace_s: float) -> None:
        """End all sessions after at most `grace_s`: pods that stop at the same time need LEFT before that."""
        if self._sessions:
            await asyncio.wait(self._sessions, timeout=grace_s)
        for socket in self._sessions.values():
            socket.close()
        await asyncio.gather(*self._sessions)


def _check_protocol(protocol: Any) -> None:
    if protocol not in SPOKEN:
        known = " and ".join(map(str, SPOKEN))
        raise ContractError(
            f"protocol {protocol!r}: this eureka supports {known}; use a pod image of the eureka's release or the one before"
        )


def _nothing() -> None:
    return
