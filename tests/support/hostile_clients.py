"""Hostile clients: they attack servers of loopback addresses at random, from a seed, in bounded numbers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from spiko_nanoservice.contract import Hello, encode
from spiko_nanoservice.contract.handshake import EpochKey
from tests.support.hostile_bytes import ATTACKS, draw_json
from tests.support.keys import open_session

CLIENTS = 24
LONGEST_S = 4.0
MOST_IDLE = 40
EUREKA_PORT = 7070
SESSION_PATHS = ("/register", "/peer", "/control", "/read")
RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Target:
    """A port to attack.

    Args:
        address: of the server.
        port: of the server.
        tls: whether the server expects TLS.
    """

    address: str
    port: int
    tls: bool = False


@dataclass(frozen=True)
class Loot:
    """What hostile clients with stolen secrets know.

    Args:
        keys: by the name of their file.
        hellos: the registrations of living pods.
    """

    keys: dict[str, tuple[EpochKey, ...]]
    hellos: Sequence[Hello]


class HostileClients:
    """Clients that attack at random.

    Args:
        seed: of all that they do.
        targets: to attack.
        loot: what they know.

    Attributes:
        done: attacks by name.
        admitted: sessions that began with the key of another purpose, or with an unknown key: must be 0.
        welcomed: sessions that registered as a living pod: must be 0.
    """

    def __init__(self, seed: int, targets: Sequence[Target], loot: Loot) -> None:
        self._random, self._targets, self._loot = Random(seed), targets, loot
        self._context = ssl.create_default_context()
        self._context.check_hostname, self._context.verify_mode = False, ssl.CERT_NONE
        self.done: Counter[str] = Counter()
        self.admitted = self.welcomed = 0

    async def run(self, seconds: float) -> None:
        """Attack for some seconds."""
        end = asyncio.get_running_loop().time() + seconds
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(self._attack_until(end))

    async def _attack_until(self, end: float) -> None:
        loop, random = asyncio.get_running_loop(), self._random
        while loop.time() < end:
            target = random.choice(self._targets)
            eureka = target.port == EUREKA_PORT
            # Most attacks end with a connection that the server closes or resets: that is right.
            with contextlib.suppress(OSError, TimeoutError, ClientError, asyncio.IncompleteReadError):
                async with asyncio.timeout(LONGEST_S):
                    if eureka and random.random() < 0.5:
                        await random.choice((self._forge, self._pose, self._speak))(target)
                    elif random.random() < 0.05:
                        await self._stay_idle(target)
                    else:
                        await self._send(target)
            await asyncio.sleep(random.random() * 0.2)

    def _source(self) -> str:
        """Return one loopback address for half of the clients, else one of 65,000."""
        random = self._random
        return (
            "127.200.0.1"
            if random.random() < 0.5
            else f"127.201.{random.randrange(256)}.{random.randrange(256)}"
        )

    # ---------------------------------------------------------------- bytes

    async def _connect(self, target: Target, tls: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(
            target.address, target.port, local_addr=(self._source(), 0), ssl=self._context if tls else None
        )

    async def _send(self, target: Target) -> None:
        random = self._random
        name = random.choice(list(ATTACKS))
        self.done[name] += 1
        reader, writer = await self._connect(target, target.tls and random.random() < 0.7)
        pause_s, reads = random.choice((0.0, 0.0, 0.05)), random.random() < 0.7
        try:
            for piece in ATTACKS[name](random):
                if writer.is_closing():
                    break
                writer.write(piece)
                await asyncio.sleep(pause_s)
            if reads:
                await reader.read(1 << 16)
            await asyncio.sleep(random.choice((0.0, 0.0, 0.5, 3.0)))
        finally:
            if random.random() < 0.3 and (raw := writer.get_extra_info("socket")) is not None:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()

    async def _stay_idle(self, target: Target) -> None:
        self.done["idle connections"] += MOST_IDLE
        writers = []
        try:
            for _ in range(MOST_IDLE):
                writers.append((await self._connect(target, False))[1])
            await asyncio.sleep(2.0)
        finally:
            for writer in writers:
                writer.transport.abort()

    # ---------------------------------------------------------------- sessions

    def _session(self) -> ClientSession:
        return ClientSession(
            timeout=ClientTimeout(LONGEST_S), connector=TCPConnector(local_addr=(self._source(), 0))
        )

    async def _forge(self, target: Target) -> None:
        """Prove a key that was made up, or the key of another purpose."""
        self.done["forged proofs"] += 1
        random, path = self._random, self._random.choice(SESSION_PATHS)
        own = {"/register": "join", "/read": "read"}.get(path, "control")
        others = [keys for name, keys in self._loot.keys.items() if name != own]
        made_up = tuple(EpochKey(key.epoch, random.randbytes(32)) for key in self._loot.keys[own])
        keys = random.choice((*others, made_up))
        async with self._session() as session:
            with contextlib.suppress(AssertionError, TypeError, ValueError, KeyError):
                await open_session(session, target.address, path, keys=keys)
                self.admitted += 1

    async def _pose(self, target: Target) -> None:
        """Register as a living pod at another address or port, or as another tier, with the true join key."""
        self.done["posing as living pods"] += 1
        random = self._random
        hello = random.choice(self._loot.hellos)
        start, counter = hello.registration
        changed = random.choice(({"address": self._source()}, {"port": 1}, {"tier": "x"}, {"zone": "x"}, {}))
        forged = replace(hello, registration=(start + 1_000, counter), **changed)
        await self._tell(target, "/register", "join", {"t": "hello", "hello": encode(forged)})

    async def _speak(self, target: Target) -> None:
        """Send invalid messages with the true key of the path."""
        self.done["invalid messages"] += 1
        path = self._random.choice(SESSION_PATHS)
        name = {"/register": "join", "/read": "read"}.get(path, "control")
        await self._tell(target, path, name, draw_json(self._random))

    async def _tell(self, target: Target, path: str, key: str, message: Any) -> None:
        async with self._session() as session:
            socket = await open_session(session, target.address, path, keys=self._loot.keys[key])
            await (socket.send_str(message) if isinstance(message, str) else socket.send_json(message))
            async for answer in socket:
                self.welcomed += path == "/register" and '"welcome"' in str(answer.data)[:100]
