"""Connects the pure registry of a eureka to WebSockets, on the HTTP server that tiers use.

| path | client | content |
|---|---|---|
| /register | pods | sessions |
| /peer | other eurekas | their entries |
| /control | operator | in: configurations, crashes; out: programmed, health, holders, hurt |
| /read | command line | every second; edges; counts and histograms since the start of this eureka |
| /healthz, /readyz | kubelet | |
| /metrics | Prometheus | added by `pod.py`, which knows the labels of the pod |

A session begins with the proof of a key for its purpose (`admission.py`).
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from urllib.parse import parse_qs

from spiko_nanoservice.contract.handshake import Purpose
from spiko_nanoservice.eureka.admission import MOST_PROOF_BYTES, Gate
from spiko_nanoservice.eureka.liveness_check import find_silent
from spiko_nanoservice.eureka.registry.effects import Ask, Effect, Inform, Send, Tell, dumps
from spiko_nanoservice.eureka.registry.registry import Registry
from spiko_nanoservice.eureka.registry.totals import Totals
from spiko_nanoservice.eureka.session_handlers import Sessions
from spiko_nanoservice.eureka.sockets import Outbox, SessionHandler, serve_socket
from spiko_nanoservice.messages import Message
from spiko_nanoservice.wire.request import Handler, Request
from spiko_nanoservice.wire.websocket import WebSocket, render_acceptance

# A eureka pings after 2 s of silence and waits 1 s for an answer: three seconds without a message end a
# session.
PING_S, SILENCE_S = 2.0, 1.0
PURPOSES = {
    b"/register": Purpose.JOIN,
    b"/peer": Purpose.PEER,
    b"/control": Purpose.CONTROL,
    b"/read": Purpose.READ,
}
# Bytes of a message. A eureka with 1,000 pods reports 300 kB to another one; the largest configuration has
# 2 MB.
MOST_MESSAGE_BYTES = {
    Purpose.JOIN: 1 << 20,
    Purpose.PEER: 16 << 20,
    Purpose.CONTROL: 16 << 20,
    Purpose.READ: 4_096,
}


class PeerLink:
    """The connection that this eureka opened to another one, for everything that this eureka reports."""

    def __init__(self, socket: WebSocket, same_region: bool) -> None:
        self.outbox = Outbox(socket)
        self.same_region = same_region


class Eureka:
    """One registry with its connections.

    Args:
        name: unique over restarts.
        region: the eureka's region.
        zone: the eureka's zone.
        gate: admits clients.

    Attributes:
        registry: decides what to send.
        totals: adds up the reports of pods.
        peers: open connections to other eurekas.
        sessions: the open sessions of pods, other eurekas and the operator.
        pages: handlers of plain HTTP requests by path.
    """

    def __init__(self, name: str, region: str, zone: str, gate: Gate) -> None:
        # Milliseconds since 1970: above every grant number of an earlier process of this zone.
        grant_base = int(time.time() * 1000)
        self.registry = Registry(name, region, zone, time.monotonic(), grant_base)
        self.totals = Totals()
        self.peers: set[PeerLink] = set()
        self.gate = gate
        self.pages: dict[bytes, Handler] = dict.fromkeys((b"/healthz", b"/readyz"), _answer_ok)
        self.sessions = Sessions(self.registry, self.totals, self.perform, self.inform)
        self._performed = asyncio.Event()
        self._running: dict[asyncio.Task[None], WebSocket] = {}
        self._probes: set[asyncio.Task[None]] = set()

    # ---------------------------------------------------------------- effects

    def perform(self, effects: list[Effect]) -> None:
        """Perform the effects of an event. Messages are queued, so this never waits."""
        for effect in effects:
            match effect:
                case Send(session, message):
                    if outbox := self.sessions.pods.get(session):
                        outbox.put(dumps(message))
                case Tell(message, all_regions):
                    text = dumps(message)
                    for peer in self.peers:
                        if peer.same_region or all_regions:
                            peer.outbox.put(text)
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
        """Send a message to all followers."""
        _send_all(self.sessions.followers, message)

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
            if second is not None and self.sessions.readers:
                _send_all(self.sessions.readers, second)
            configuration = self.registry.configuration
            endpoint = configuration.otlp_endpoint if configuration else ""
            if (health := self.sessions.health.close_second(endpoint)) is not None:
                self.inform(health)

    def connections(self) -> dict[str, int]:
        """Return the number of open connections by kind."""
        return {
            "pod": len(self.sessions.pods),
            "eureka": len(self.peers),
            "follower": len(self.sessions.followers),
            "reader": len(self.sessions.readers),
        }

    # ---------------------------------------------------------------- requests

    def handle(self, request: Request) -> None:
        """Answer a plain HTTP request, or begin the session of a WebSocket."""
        path, _, query = request.path.partition(b"?")
        page = self.pages.get(path)
        if page is None and path not in PURPOSES:
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
        purpose = PURPOSES[path]
        region, requested = self.registry.region, parameters.get("region", self.registry.region)
        if purpose is Purpose.JOIN and requested != region:
            body = f"region: {requested!r}: must be {region!r}; connect to a eureka of your region\n"
            request.reply(409, body.encode())
            return
        socket = WebSocket(PING_S, SILENCE_S, served=True, most_bytes=MOST_PROOF_BYTES)
        if not self.gate.reserve(purpose, request.source):
            request.reply(503, b"too many connections\n")
            return
        request.hand_over(socket, render_acceptance(key))
        handlers: dict[Purpose, SessionHandler] = {
            Purpose.JOIN: self.sessions.register,
            Purpose.PEER: self.sessions.peer,
            Purpose.CONTROL: self.sessions.control,
            Purpose.READ: self.sessions.read,
        }
        handler = partial(self._run_session, purpose, request.source, handlers[purpose])
        task = asyncio.get_running_loop().create_task(serve_socket(socket, handler, path.decode()))
        self._running[task] = socket
        task.add_done_callback(self._running.pop)

    async def _run_session(
        self, purpose: Purpose, source: str, handler: SessionHandler, socket: WebSocket, outbox: Outbox
    ) -> None:
        if await self.gate.admit(socket, purpose, source):
            socket.limit_messages(MOST_MESSAGE_BYTES[purpose])
            with self.gate.session(purpose):
                await handler(socket, outbox)

    async def close(self, grace_s: float) -> None:
        """End all sessions after at most `grace_s`: pods that stop at the same time need LEFT before that."""
        if self._running:
            await asyncio.wait(self._running, timeout=grace_s)
        for socket in self._running.values():
            socket.close()
        await asyncio.gather(*self._running)


def _answer_ok(request: Request) -> None:
    request.reply(200, b"ok\n")


def _send_all(outboxes: set[Outbox], message: Message) -> None:
    text = dumps(message)
    for outbox in outboxes:
        outbox.put(text)
