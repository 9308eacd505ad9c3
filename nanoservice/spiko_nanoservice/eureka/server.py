"""The eureka's shell: WebSockets in, the pure registry between, WebSockets out (aiohttp).

| path | who | what |
|---|---|---|
| /register | pods | sessions |
| /peer | other eurekas | their entries |
| /control, /control/seconds | operator, command line | configurations and crashes in; programmed, holders, hurt out; on the second path also every second |
| /edges, /totals | anybody | discovered nodes and edges; counts and histograms since this eureka began |
| /healthz, /readyz | kubelet | |
| /metrics | Prometheus | added by `pod.py`, which knows whose they are |
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSMsgType, web

from spiko_nanoservice.contract import PROTOCOL, Configuration, ContractError, Hello, Revision, decode, encode
from spiko_nanoservice.eureka import messages as m
from spiko_nanoservice.eureka.asking import find_silent
from spiko_nanoservice.eureka.effects import Ask, Effect, Inform, Send, Tell, dumps
from spiko_nanoservice.eureka.messages import Message
from spiko_nanoservice.eureka.registry import Registry
from spiko_nanoservice.eureka.totals import Totals

HEARTBEAT_S = 2.0  # a ping every 2 s, its pong awaited for 1 s: gone after three seconds of silence
MOST_MESSAGE_BYTES = 16 * 1024 * 1024
SPOKEN = tuple(range(max(1, PROTOCOL - 1), PROTOCOL + 1))
Act = Callable[[], None]
log = logging.getLogger("spiko.eureka")


class PeerLink:
    """Our connection to another eureka: everything we tell goes out here."""

    def __init__(self, socket: Any, same_region: bool) -> None:
        self.outbox: asyncio.Queue[str] = asyncio.Queue()
        self.same_region = same_region
        self._socket = socket

    async def pump(self) -> None:
        """Send until cancelled or broken."""
        while True:
            await self._socket.send_str(await self.outbox.get())


class Eureka:
    """One registry with its connections.

    Args:
        name: unique over restarts.
        region: its region.
        zone: its zone.

    """

    def __init__(self, name: str, region: str, zone: str) -> None:
        grant_base = int(time.time() * 1000)  # older than any later grant, whichever process gave it
        self.registry = Registry(name, region, zone, time.monotonic(), grant_base)
        self.totals = Totals()
        self.peers: set[PeerLink] = set()
        self._numbers = itertools.count(1)
        self._pods: dict[int, asyncio.Queue[str]] = {}
        self._followers: dict[asyncio.Queue[str], bool] = {}  # and whether it wants the seconds
        self._wake = asyncio.Event()
        self._asking: set[asyncio.Task[None]] = set()

    # ---------------------------------------------------------------- effects

    def carry_out(self, effects: list[Effect]) -> None:
        """Queue what the registry wants said; sending never waits here."""
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
                    asking = asyncio.get_running_loop().create_task(self._ask(effect))
                    self._asking.add(asking)
                    asking.add_done_callback(self._asking.discard)
        self._wake.set()

    async def _ask(self, question: Ask) -> None:
        silent = await find_silent(question.hellos)
        self.carry_out(self.registry.unanswered(question.peer, silent, time.monotonic()))

    def inform(self, message: Message) -> None:
        """Say something to all followers; seconds, which are large, to those that asked for them."""
        text = dumps(message)
        for outbox, seconds in self._followers.items():
            if seconds or message["t"] != m.SECOND:
                outbox.put_nowait(text)

    async def tick(self) -> None:
        """Call the registry when something of its is due; runs for ever."""
        while True:
            self._wake.clear()
            due = self.registry.deadline()
            wait = None if due is None else max(0.0, due - time.monotonic())
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                self.carry_out(self.registry.tick(time.monotonic()))

    async def count_seconds(self) -> None:
        """End a second every second; runs for ever."""
        while True:
            await asyncio.sleep(1.0)
            second = self.totals.second(self.registry.name)
            if second is not None and any(self._followers.values()):
                self.inform(second)

    def connections(self) -> dict[str, int]:
        """How many are open, by kind."""
        return {"pod": len(self._pods), "eureka": len(self.peers), "follower": len(self._followers)}

    # ---------------------------------------------------------------- pods

    async def register(self, request: web.Request) -> web.WebSocketResponse:
        """One pod's session."""
        wanted = request.query.get("region", self.registry.region)
        if wanted != self.registry.region:
            raise web.HTTPConflict(text=f"region: this eureka is of {self.registry.region}, not {wanted}\n")
        number = next(self._numbers)
        async with self._socket(request) as (socket, outbox):
            self._pods[number] = outbox
            try:
                await _listen(socket, f"session {number}", lambda message: self._from_pod(number, message))
            finally:
                del self._pods[number]
                self.carry_out(self.registry.lost(number, time.monotonic()))
        return socket

    def _from_pod(self, number: int, message: Message) -> Act:
        now, registry = time.monotonic(), self.registry
        match message["t"]:
            case m.HELLO:
                _check_protocol(message["hello"]["protocol"])
                hello = decode(Hello, message["hello"])
                return lambda: self.carry_out(registry.hello(number, hello, now))
            case m.ACK:
                config = decode(Revision, message["config"]) if message.get("config") else None
                revision = int(message["revision"])
                return lambda: self.carry_out(registry.ack(number, revision, config, now))
            case m.REPORT:
                return self._from_report(number, message)
            case m.BYE:
                return lambda: self.carry_out(registry.bye(number, now))
            case other:
                raise ContractError(f"t: {other!r} is no message from a pod")

    def _from_report(self, number: int, message: Message) -> Act:
        session = self.registry.sessions.get(number)
        if session is None:
            return _nothing
        h, hurt = session.hello, dict(message.get("hurt") or {})
        self.totals.add((h.tier, h.version, h.region, h.zone), message)  # it adds up as it reads

        def tell() -> None:
            for id, errors in hurt.items():
                self.inform({"t": m.HURT, "id": id, "errors": errors})

        return tell

    # ---------------------------------------------------------------- peers

    async def peer(self, request: web.Request) -> web.WebSocketResponse:
        """Another eureka tells us what it has."""
        number = next(self._numbers)
        name = ""

        def read(message: Message) -> Act:
            nonlocal name
            if message["t"] == m.PEER:
                name = str(message["name"])
                return _nothing
            return self._from_peer(number, name, message)

        async with self._socket(request) as (socket, outbox):
            outbox.put_nowait(dumps(self.introduction()))
            try:
                await _listen(socket, f"peer {request.remote}", read)
            finally:
                if name:
                    self.carry_out(self.registry.peer_lost(number, name, time.monotonic()))
        return socket

    def introduction(self) -> Message:
        """Who we are."""
        return {"t": m.PEER, "name": self.registry.name, "region": self.registry.region, "zone": self.registry.zone}

    def _from_peer(self, number: int, name: str, message: Message) -> Act:
        now, registry = time.monotonic(), self.registry
        match message["t"]:
            case m.ENTRIES:
                entries = [decode(Hello, entry) for entry in message["entries"]]
                return lambda: self.carry_out(registry.peer_entries(number, name, entries, now))
            case m.CHANGES:
                up = [decode(Hello, entry) for entry in message["up"]]
                down = [str(id) for id in message["down"]]
                return lambda: self.carry_out(registry.peer_changes(number, name, up, down, now))
            case m.CONFIG:
                configuration = decode(Configuration, message["configuration"])
                return lambda: self.carry_out(registry.configure(configuration, now))
            case other:
                raise ContractError(f"t: {other!r} is no message from a eureka")

    # ---------------------------------------------------------------- operator, command line

    async def control(self, request: web.Request) -> web.WebSocketResponse:
        """Whoever configures or follows."""
        number = next(self._numbers)
        async with self._socket(request) as (socket, outbox):
            outbox.put_nowait(dumps(self.introduction() | {"t": m.EUREKA}))
            outbox.put_nowait(dumps(self.registry.programmed_message()))
            # a path, no query: Kubernetes' pod proxy drops the query of a connection that is upgraded
            self._followers[outbox] = request.path.endswith("/seconds")
            try:
                await _listen(socket, "a control connection", lambda message: self._from_control(number, message))
            finally:
                self._followers.pop(outbox, None)
                self.registry.unfollow_all(number)
        return socket

    def _from_control(self, number: int, message: Message) -> Act:
        registry = self.registry
        match message["t"]:
            case m.CONFIG:
                configuration = decode(Configuration, message["configuration"])
                return lambda: self.carry_out(registry.configure(configuration, time.monotonic()))
            case m.FOLLOW | m.UNFOLLOW as word:
                id = str(message["id"])
                if word == m.FOLLOW:
                    return lambda: self.carry_out(registry.follow(number, id))
                return lambda: registry.unfollow(number, id)
            case m.CRASH:
                id, process = str(message["id"]), int(message["process"])
                return lambda: self.carry_out(registry.crash(id, process))
            case other:
                raise ContractError(f"t: {other!r} is no message from an operator")

    async def edges(self, request: web.Request) -> web.Response:
        """Discovered nodes and edges of the pods that have their session here."""
        return web.json_response(
            {
                "nodes": [encode(hello) for hello in self.registry.own_entries()],
                "edges": [list(edge) for edge in self.registry.edges()],
            }
        )

    async def read_totals(self, request: web.Request) -> web.Response:
        """Counts and histograms since this eureka began."""
        return web.json_response(self.totals.totals())

    async def health(self, request: web.Request) -> web.Response:
        """Alive, and listening."""
        return web.Response(text="ok\n")

    def application(self) -> web.Application:
        """The routes."""
        application = web.Application()
        application.router.add_get("/register", self.register)
        application.router.add_get("/peer", self.peer)
        application.router.add_get("/control", self.control)
        application.router.add_get("/control/seconds", self.control)
        application.router.add_get("/edges", self.edges)
        application.router.add_get("/totals", self.read_totals)
        application.router.add_get("/healthz", self.health)
        application.router.add_get("/readyz", self.health)
        return application

    # ---------------------------------------------------------------- sockets

    @asynccontextmanager
    async def _socket(self, request: web.Request) -> AsyncIterator[tuple[web.WebSocketResponse, asyncio.Queue[str]]]:
        """A WebSocket with an outbox of its own: a slow reader delays nobody else."""
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MOST_MESSAGE_BYTES, compress=False)
        await socket.prepare(request)
        outbox: asyncio.Queue[str] = asyncio.Queue()
        pump = asyncio.create_task(_pump(socket, outbox))
        try:
            yield socket, outbox
        finally:
            pump.cancel()


async def _pump(socket: web.WebSocketResponse, outbox: asyncio.Queue[str]) -> None:
    try:
        while True:
            await socket.send_str(await outbox.get())
    except (ConnectionError, RuntimeError):
        return  # the reading side sees the end as well, and cleans up


async def _listen(socket: web.WebSocketResponse, who: str, read: Callable[[Message], Act]) -> None:
    """Act on messages until the end, or the first that does not follow the contract: its sender is told why.

    Args:
        socket: where they come from.
        who: for the log.
        read: decodes one and returns what is to be done; an error of that is our own, and no fault of the message.
    """
    async for frame in socket:
        if frame.type != WSMsgType.TEXT:
            continue
        try:
            message = json.loads(frame.data)
            if not isinstance(message, dict):
                raise ContractError(f"message: {frame.data[:80]!r} is no object")
            act = read(message)
        except (KeyError, TypeError, ValueError) as error:
            why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            log.warning("%s ends: it does not follow the contract: %s", who, why)
            await socket.send_str(dumps({"t": m.REFUSED, "message": why}))
            return
        act()


def _check_protocol(protocol: Any) -> None:
    if protocol not in SPOKEN:
        known = " and ".join(map(str, SPOKEN))
        raise ContractError(
            f"protocol {protocol!r}: this eureka speaks {known}; the pod's image is too new for it, or too old"
        )


def _nothing() -> None:
    return
