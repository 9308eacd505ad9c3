"""A pod's links to the registry: one to a eureka of each region that it registers in, its own zone's first.

A link that is elsewhere because the home eureka is away keeps trying it, and moves back by registering there before it leaves here. What a
pod must keep over all of this (its slot, the count of its registrations, its reports) lives in `Membership`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from spiko_nanoservice import messages as m
from spiko_nanoservice.contract import (
    EUREKA_PORT,
    PROTOCOL,
    Hello,
    Instance,
    PodConfig,
    Revision,
    decode,
    encode,
)
from spiko_nanoservice.errors import LinkError
from spiko_nanoservice.routing.table import Routes
from spiko_nanoservice.settings import Settings
from spiko_nanoservice.wire.resolve import Resolve
from spiko_nanoservice.wire.websocket import WebSocket, connect

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.03, 1.0
HELD_S = 1.0  # a connection that breaks sooner is as good as none: whatever breaks it may do so every time
HOME_EVERY_S = 1.0
KILLED = 137  # what a container that was ended by SIGKILL says: 128 + 9
log = logging.getLogger("spiko.link")


@dataclass(slots=True)
class Membership:
    """What a pod is to the registry, over all links and reconnections."""

    settings: Settings
    port: int
    started_ms: int
    registrations: int = 0
    slot: int | None = None
    grant: int | None = None
    leaving: bool = False
    on_slot: Callable[[Instance | None], None] = lambda before: None  # and who had it before, if the eureka knows

    def hello(self) -> Hello:
        """The next registration."""
        self.registrations += 1
        s = self.settings
        return Hello(
            PROTOCOL, s.pod_uid, s.pod_name, s.tier, s.package, s.version, s.region, s.zone, s.address, self.port,
            (self.started_ms, self.registrations), self.slot, self.grant,
        )  # fmt: skip


class RegionLink:
    """The link to one region's registry.

    Args:
        region: whose.
        names: Service names to try in order; the first is home if this is the pod's own region.
        at_home: whether the first name is the home zone's.
        membership: shared by all links of the pod.
        routes: told of tables.
        on_config: told of configurations.
        resolve: how names become addresses.
        random: for jitter.

    """

    def __init__(
        self, region: str, names: tuple[str, ...], at_home: bool, membership: Membership, routes: Routes,
        on_config: Callable[[PodConfig], None], resolve: Resolve, random: Random,
    ) -> None:  # fmt: skip
        self.region, self._names, self._at_home = region, names, at_home
        self._membership, self._routes, self._on_config = membership, routes, on_config
        self._resolve, self._random = resolve, random
        self._socket: WebSocket | None = None
        self._config: Revision | None = None
        self.closed = False  # nothing that is heard from now on counts
        self.registered = asyncio.Event()
        self.left = asyncio.Event()  # we said that we leave, and nobody here routes to us any more

    @property
    def connected(self) -> bool:
        """Whether a eureka has this pod's registration now."""
        return self._socket is not None

    def send(self, message: dict[str, Any]) -> bool:
        """Send over the link; False if there is none now."""
        if self._socket is None:
            return False
        self._socket.send(message)
        return True

    async def drain(self) -> None:
        """Wait until what was sent has left."""
        if self._socket is not None:
            with contextlib.suppress(LinkError):
                await self._socket.drain()

    async def run(self) -> None:
        """Keep registered until cancelled."""
        loop = asyncio.get_running_loop()
        pause_s = FIRST_PAUSE_S
        while True:
            began = loop.time()
            opened = await self._open(self._names)
            if opened is not None:
                socket: WebSocket | None
                socket, home = opened
                while socket is not None:
                    socket, home = await self._serve(socket, home)
                if loop.time() - began >= HELD_S:
                    pause_s = FIRST_PAUSE_S
            await asyncio.sleep(pause_s * (0.5 + self._random.random()))
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2)

    async def _serve(self, socket: WebSocket, home: bool) -> tuple[WebSocket | None, bool]:
        """Serve one connection; returns its successor if the link has moved home, else None when it breaks."""
        self._socket = socket
        moving = None if home else asyncio.create_task(self._find_home())
        reading = asyncio.create_task(self._read(socket))
        try:
            await asyncio.wait({reading, *({moving} if moving else ())}, return_when=asyncio.FIRST_COMPLETED)
            if moving is not None and moving.done():
                return moving.result(), True
            error = reading.exception()
            log.info("link to %s ends: %s", self.region, error)
            return None, False
        finally:
            self._socket = None
            for task in (moving, reading):
                if task is not None and not task.done():
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task
            socket.close()

    async def _find_home(self) -> WebSocket:
        while True:
            await asyncio.sleep(HOME_EVERY_S * (0.5 + self._random.random()))
            opened = await self._open(self._names[:1])
            if opened is not None:
                return opened[0]

    async def _open(self, names: tuple[str, ...]) -> tuple[WebSocket, bool] | None:
        """Connect to the first eureka of this region that answers; whether it is home comes along."""
        for name in names:
            addresses = await self._resolve(name)
            self._random.shuffle(addresses)
            for address in addresses:
                with contextlib.suppress(LinkError):
                    socket = await connect(address, EUREKA_PORT, f"/register?region={self.region}")
                    home = not self._at_home or name == self._names[0]
                    return socket, home
        return None

    async def _read(self, socket: WebSocket) -> None:
        """Register, then act on what comes; ends with LinkError."""
        if not self._membership.leaving:
            socket.send({"t": m.HELLO, "hello": encode(self._membership.hello())})
        try:
            while True:
                for message in await socket.receive():
                    self._act(socket, message)
        except (KeyError, TypeError, ValueError) as error:
            raise LinkError(f"a message that does not follow the contract: {error!r}") from error

    def _act(self, socket: WebSocket, message: dict[str, Any]) -> None:
        if self.closed:
            return
        match message["t"]:
            case m.WELCOME:
                if self._at_home or self._membership.slot is None:
                    self._membership.slot, self._membership.grant = message["slot"], message["grant"]
                self._configure(message["config"])
            case m.CONFIG:
                self._configure(message["config"])
                revision = self._routes.revision(self.region)
                if revision is not None:
                    self._ack(socket, revision)
            case m.TABLE:
                self._routes.replace(self.region, message)
                self.registered.set()
                self._ack(socket, int(message["revision"]))
            case m.DELTA:
                if not self._routes.change(self.region, message):
                    raise LinkError("a delta that does not follow the table at hand")
                self._ack(socket, int(message["revision"]))
            case m.SLOT:
                self._membership.slot, self._membership.grant = message["slot"], message["grant"]
                before = message.get("before")
                self._membership.on_slot(decode(Instance, before) if before else None)
            case m.REFUSED:
                log.warning("the eureka of %s refuses: %s", self.region, message["message"])
            case m.LEFT:
                self.left.set()
            case m.CRASH:
                log.warning("ends at once, as by kill -9: a Fault wants it")
                os._exit(KILLED)

    def _configure(self, document: dict[str, Any]) -> None:
        config = decode(PodConfig, document)
        self._config = config.revision
        self._on_config(config)

    def _ack(self, socket: WebSocket, revision: int) -> None:
        config = encode(self._config) if self._config else None
        socket.send({"t": m.ACK, "revision": revision, "config": config})
