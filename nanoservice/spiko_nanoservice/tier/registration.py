"""A pod's registrations: one connection to a eureka of each region that it registers in.

The eureka of the pod's own zone comes first.

While the home eureka is away, the pod is registered at another one, keeps trying the home eureka, and moves
back by registering there before it leaves here. What a pod keeps over reconnections (slot, number of
registrations) is in `pod_registration.py`.
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
    ANYWHERE,
    Instance,
    PodConfig,
    Revision,
    decode,
    encode,
)
from spiko_nanoservice.contract.handshake import Purpose
from spiko_nanoservice.errors import LinkError
from spiko_nanoservice.routing.table import Routes
from spiko_nanoservice.tier.pod_registration import PodRegistration
from spiko_nanoservice.wire.client_handshake import Dialer
from spiko_nanoservice.wire.websocket import PING_S, SILENCE_S, WebSocket

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.03, 1.0
# A pod in several regions pings a silent eureka after the first time and misses it after the second one. Then
# callees there are probed once a call has timed out: the last call of 2 s to a lost region fails within 5 s.
REGION_PING_S, REGION_SILENCE_S = 0.75, 1.0
# A connection that breaks sooner does not reset the back-off: the next one may break for the same reason.
STABLE_S = 1.0
HOME_EVERY_S = 1.0
# Exit code of a container that SIGKILL ended: 128 + 9.
KILLED = 137
log = logging.getLogger("spiko.link")


@dataclass(frozen=True, slots=True)
class Eurekas:
    """The eurekas of one region.

    Attributes:
        region: of the eurekas.
        names: their Services in the order in which to try them.
        at_home: the first name is the Service of the pod's own zone.
    """

    region: str
    names: tuple[str, ...]
    at_home: bool


class RegionRegistration:
    """The registration in one region.

    Args:
        eurekas: where to register.
        pod: shared by all registrations of the pod.
        routes: gets the tables.
        on_config: gets the configurations.
        dialer: finds and connects to eurekas.
        random: for jitter.

    Attributes:
        region: of the registration.
        closed: messages are ignored from now on.
        registered: set once the pod has got a table.
        left: set once the eureka has confirmed that no caller in this region routes to the pod, after BYE.
    """

    def __init__(
        self,
        eurekas: Eurekas,
        pod: PodRegistration,
        routes: Routes,
        on_config: Callable[[PodConfig], None],
        dialer: Dialer,
        random: Random,
    ) -> None:
        self.region = eurekas.region
        self._eurekas, self._pod, self._routes, self._on_config = eurekas, pod, routes, on_config
        self._dialer, self._random = dialer, random
        self._socket: WebSocket | None = None
        self._config: Revision | None = None
        self.closed = False
        self.registered = asyncio.Event()
        self.left = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Whether the connection to a eureka is open."""
        return self._socket is not None

    def send(self, message: dict[str, Any]) -> bool:
        """Send a message; return False without a connection."""
        if self._socket is None:
            return False
        self._socket.send(message)
        return True

    async def drain(self) -> None:
        """Wait until the messages were written to the connection."""
        if self._socket is not None:
            with contextlib.suppress(LinkError):
                await self._socket.drain()

    async def run(self) -> None:
        """Stay registered until cancelled."""
        loop = asyncio.get_running_loop()
        pause_s = FIRST_PAUSE_S
        while True:
            began = loop.time()
            opened = await self._open(self._eurekas.names)
            if opened is not None:
                socket: WebSocket | None
                socket, home = opened
                while socket is not None:
                    socket, home = await self._serve(socket, home)
                if loop.time() - began >= STABLE_S:
                    pause_s = FIRST_PAUSE_S
            await asyncio.sleep(pause_s * (0.5 + self._random.random()))
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2)

    async def _serve(self, socket: WebSocket, home: bool) -> tuple[WebSocket | None, bool]:
        """Serve one connection.

        Returns:
            The connection to the home eureka and True if the pod moves there; (None, False) if the connection
            broke.
        """
        self._socket = socket
        moving = None if home else asyncio.create_task(self._find_home())
        reading = asyncio.create_task(self._read(socket))
        try:
            await asyncio.wait({reading, *({moving} if moving else ())}, return_when=asyncio.FIRST_COMPLETED)
            if moving is not None and moving.done():
                return moving.result(), True
            log.info("connection to the eureka of region %s ended: %s", self.region, reading.exception())
            return None, False
        finally:
            self._socket = None
            self._routes.mark_stale(self.region)
            for task in (moving, reading):
                if task is not None and not task.done():
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task
            socket.close()

    async def _find_home(self) -> WebSocket:
        while True:
            await asyncio.sleep(HOME_EVERY_S * (0.5 + self._random.random()))
            opened = await self._open(self._eurekas.names[:1])
            if opened is not None:
                return opened[0]

    async def _open(self, names: tuple[str, ...]) -> tuple[WebSocket, bool] | None:
        """Connect to the first eureka that answers; the second value says whether it is the home eureka."""
        for name in names:
            addresses = await self._dialer.resolve(name)
            self._random.shuffle(addresses)
            for address in addresses:
                with contextlib.suppress(LinkError):
                    path = f"/register?region={self.region}"
                    socket = await self._dialer.dial(address, path, Purpose.JOIN, *self._patience())
                    home = not self._eurekas.at_home or name == self._eurekas.names[0]
                    return socket, home
        return None

    def _patience(self) -> tuple[float, float]:
        """Return when to ping a silent eureka, and how long to wait for its answer."""
        if self._eurekas.at_home and self._pod.settings.region != ANYWHERE:
            return PING_S, SILENCE_S
        return REGION_PING_S, REGION_SILENCE_S

    async def _read(self, socket: WebSocket) -> None:
        """Register, then act on messages. Ends with LinkError."""
        if not self._pod.leaving:
            socket.send({"t": m.HELLO, "hello": encode(self._pod.hello())})
        try:
            while True:
                for message in await socket.receive():
                    self._act(socket, message)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise LinkError(f"invalid message: {error!r}") from error

    def _act(self, socket: WebSocket, message: dict[str, Any]) -> None:
        if self.closed:
            return
        pod = self._pod
        match message["t"]:
            case m.WELCOME:
                if self._eurekas.at_home or pod.slot is None:
                    pod.slot, pod.grant = message["slot"], message["grant"]
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
                    raise LinkError(f"delta with base {message['base']!r} does not follow the current table")
                self._ack(socket, int(message["revision"]))
            case m.SLOT:
                pod.slot, pod.grant = message["slot"], message["grant"]
                before = message.get("before")
                pod.on_slot(decode(Instance, before) if before else None)
            case m.REFUSED:
                log.warning(
                    "the eureka of region %s refused the registration: %s", self.region, message["message"]
                )
            case m.LEFT:
                self.left.set()
            case m.CRASH:
                log.warning("exiting with code %d: a Fault crashes this pod", KILLED)
                os._exit(KILLED)

    def _configure(self, document: dict[str, Any]) -> None:
        config = decode(PodConfig, document)
        self._config = config.revision
        self._on_config(config)

    def _ack(self, socket: WebSocket, revision: int) -> None:
        config = encode(self._config) if self._config else None
        socket.send({"t": m.ACK, "revision": revision, "config": config})
