"""The eureka's shell: WebSockets in, the pure registry between, WebSockets out; on the server that tiers have (`http_server.py`).

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
import contextlib
import itertools
import json
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from spiko_nanoservice import messages as m
from spiko_nanoservice.contract import PROTOCOL, Configuration, ContractError, Hello, Revision, decode, encode
from spiko_nanoservice.errors import LinkError
from spiko_nanoservice.eureka.liveness_check import find_silent
from spiko_nanoservice.eureka.registry.effects import Ask, Effect, Inform, Send, Tell, dumps
from spiko_nanoservice.eureka.registry.registry import Registry
from spiko_nanoservice.eureka.registry.totals import Totals
from spiko_nanoservice.messages import Message
from spiko_nanoservice.wire.http_server import Request, render_heads
from spiko_nanoservice.wire.websocket import WebSocket, render_acceptance

PING_S, SILENCE_S = 2.0, 1.0  # a ping after 2 s of silence, anything awaited for 1 s: gone after three
MOST_MESSAGE_BYTES = 16 * 1024 * 1024
SPOKEN = tuple(range(max(1, PROTOCOL - 1), PROTOCOL + 1))
Act = Callable[[], None]
Outbox = asyncio.Queue[str]
Session = Callable[[WebSocket, Outbox], Awaitable[None]]
SOCKETS = (b"/register", b"/peer", b"/control", b"/control/seconds")
_JSON_HEADS = render_heads(b"application/json; charset=utf-8")
log = logging.getLogger("spiko.eureka")


class PeerLink:
    """Our connection to another eureka: everything we tell goes out here."""

    def __init__(self, socket: WebSocket, same_region: bool) -> None:
        self.outbox: Outbox = asyncio.Queue()
        self.same_region = same_region
        self._socket = socket

    async def pump(self) -> None:
        """Send until cancelled or broken."""
        await _pump(self._socket, self.outbox)


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
        self._pods: dict[int, Outbox] = {}
        self._followers: dict[Outbox, bool] = {}  # and whether it wants the seconds
        self._wake = asyncio.Event()
        self._sessions: dict[asyncio.Task[None], WebSocket] = {}
        self.pages: dict[bytes, Callable[[Request], None]] = {
            b"/edges": self.edges,
            b"/totals": self.read_totals,
            b"/healthz": self.health,
            b"/readyz": self.health,
        }
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

    async def register(self, socket: WebSocket, outbox: Outbox) -> None:
        """One pod's session."""
        number = next(self._numbers)
        self._pods[number] = outbox
        try:
            await _listen(socket, f"session {number}", lambda message: self._from_pod(number, message))
        finally:
            del self._pods[number]
            self.carry_out(self.registry.lost(number, time.monotonic()))

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

    async def peer(self, socket: WebSocket, outbox: Outbox) -> None:
        """Another eureka tells us what it has."""
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
            await _listen(socket, f"peer session {number}", read)
        finally:
            if name:
                self.carry_out(self.registry.peer_lost(number, name, time.monotonic()))

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

    async def control(self, seconds: bool, socket: WebSocket, outbox: Outbox) -> None:
        """Whoever configures or follows."""
        number = next(self._numbers)
        outbox.put_nowait(dumps(self.introduction() | {"t": m.EUREKA}))
        outbox.put_nowait(dumps(self.registry.programmed_message()))
        self._followers[outbox] = seconds
        try:
            await _listen(socket, "a control connection", lambda message: self._from_control(number, message))
        finally:
            self._followers.pop(outbox, None)
            self.registry.unfollow_all(number)

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

    # ---------------------------------------------------------------- requests

    def handle(self, request: Request) -> None:
        """The server's handler: pages are answered at once, a WebSocket begins a session."""
        path, _, query = request.path.partition(b"?")
        page = self.pages.get(path)
        if page is None and path not in SOCKETS:
            request.reply(404, b"no such page\n")
        elif request.method != b"GET":
            request.reply(405, b"GET\n")
        elif page is not None:
            page(request)
        elif request.websocket_key is None:
            request.reply(426, b"a WebSocket begins here\n", b"Upgrade: websocket\r\n")
        else:
            self._begin(request, request.websocket_key, path, query)

    def _begin(self, request: Request, key: bytes, path: bytes, query: bytes) -> None:
        asked = {name: values[-1] for name, values in parse_qs(query.decode("latin-1")).items()}
        session: Session
        if path == b"/register":
            region, wanted = self.registry.region, asked.get("region", self.registry.region)
            if wanted != region:
                request.reply(409, f"region: this eureka is of {region}, not {wanted}\n".encode())
                return
            session = self.register
        else:
            # a path of their own, no query: Kubernetes' proxy to pods drops the query of a connection that is upgraded
            session = self.peer if path == b"/peer" else partial(self.control, path == b"/control/seconds")
        socket = WebSocket(PING_S, SILENCE_S, served=True, most_bytes=MOST_MESSAGE_BYTES)
        request.hand_over(socket, render_acceptance(key))
        task = asyncio.get_running_loop().create_task(_hold(socket, session))
        self._sessions[task] = socket
        task.add_done_callback(self._sessions.pop)

    async def close(self, grace_s: float) -> None:
        """End all sessions; a pod that is about to leave as well has `grace_s` to hear that all others know."""
        if self._sessions:
            await asyncio.wait(self._sessions, timeout=grace_s)
        for socket in self._sessions.values():
            socket.close()
        await asyncio.gather(*self._sessions)

    def edges(self, request: Request) -> None:
        """Discovered nodes and edges of the pods that have their session here."""
        nodes, edges = self.registry.own_entries(), self.registry.edges()
        _reply_json(request, {"nodes": [encode(hello) for hello in nodes], "edges": [list(edge) for edge in edges]})

    def read_totals(self, request: Request) -> None:
        """Counts and histograms since this eureka began."""
        _reply_json(request, self.totals.totals())

    def health(self, request: Request) -> None:
        """Alive, and listening."""
        request.reply(200, b"ok\n")


def _reply_json(request: Request, document: dict[str, Any]) -> None:
    request.reply(200, json.dumps(document).encode(), heads=_JSON_HEADS)


async def _hold(socket: WebSocket, session: Session) -> None:
    """One WebSocket, with an outbox of its own: a slow reader delays nobody else."""
    outbox: Outbox = asyncio.Queue()
    pump = asyncio.create_task(_pump(socket, outbox))
    try:
        await session(socket, outbox)
    finally:
        pump.cancel()
        socket.close()


async def _pump(socket: WebSocket, outbox: Outbox) -> None:
    try:
        while True:
            socket.send_text(await outbox.get())
            await socket.drain()
    except LinkError:
        return  # the reading side sees the end as well, and cleans up


async def _listen(socket: WebSocket, who: str, read: Callable[[Message], Act]) -> None:
    """Act on messages until the end, or the first that does not follow the contract: its sender is told why.

    Args:
        socket: where they come from.
        who: for the log.
        read: decodes one and returns what is to be done; an error of that is our own, and no fault of the message.
    """
    while True:
        try:
            texts = await socket.receive_texts()
        except LinkError:
            return
        for text in texts:
            try:
                message = json.loads(text)
                if not isinstance(message, dict):
                    raise ContractError(f"message: {text[:80]!r} is no object")
                act = read(message)
            except (KeyError, TypeError, ValueError) as error:
                why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
                log.warning("%s ends: it does not follow the contract: %s", who, why)
                with contextlib.suppress(LinkError):
                    socket.send_text(dumps({"t": m.REFUSED, "message": why}))
                    await socket.drain()
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
