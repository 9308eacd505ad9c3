"""Finds the other eurekas of the architecture by name and keeps one connection to each, over which ours tells what it knows."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from spiko_nanoservice.contract import EUREKA_PORT
from spiko_nanoservice.errors import LinkError
from spiko_nanoservice.eureka.registry.effects import dumps
from spiko_nanoservice.eureka.server import PING_S, SILENCE_S, Eureka, PeerLink
from spiko_nanoservice.wire.resolve import Resolve
from spiko_nanoservice.wire.websocket import WebSocket, connect

SEARCH_S = 0.1  # while one is missing
LOOK_S = 10.0  # once all are known
PAUSE_S = 0.2  # after a connection's end: the other is starting or gone, or would end the next one as well
log = logging.getLogger("spiko.eureka")


class Peers:
    """Connections to all other eurekas.

    Args:
        eureka: ours.
        name: the Service of all eurekas, `name.namespace`.
        own_address: skipped.
        resolve: how names become addresses.

    """

    def __init__(self, eureka: Eureka, name: str, own_address: str, resolve: Resolve, port: int = EUREKA_PORT) -> None:
        self._eureka, self._name, self._own, self._resolve, self._port = eureka, name, own_address, resolve, port
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Look for eurekas until cancelled."""
        try:
            while True:
                for address in await self._resolve(self._name):
                    if address != self._own and address not in self._tasks:
                        self._tasks[address] = asyncio.create_task(self._hold(address))
                self._changed.clear()
                try:
                    async with asyncio.timeout(LOOK_S if self._complete() else SEARCH_S):
                        await self._changed.wait()
                except TimeoutError:
                    continue
        finally:
            for task in self._tasks.values():
                task.cancel()

    def _complete(self) -> bool:
        configuration = self._eureka.registry.configuration
        if configuration is None:
            return False
        return len(self._eureka.peers) >= sum(len(region.zones) for region in configuration.regions) - 1

    async def _hold(self, address: str) -> None:
        """One connection, until it breaks, and a pause."""
        try:
            await self._connect(address)
            await asyncio.sleep(PAUSE_S)
        finally:
            self._tasks.pop(address, None)
            self._changed.set()

    async def _connect(self, address: str) -> None:
        try:
            socket = await connect(address, self._port, "/peer", PING_S, SILENCE_S)
            try:
                await self._tell(socket)
            finally:
                socket.close()
        except (LinkError, TimeoutError, KeyError, TypeError) as error:
            log.debug("peer %s: %r", address, error)

    async def _tell(self, socket: WebSocket) -> None:
        """Hear who it is, then tell it everything until the connection breaks. Raises LinkError."""
        words: list[dict[str, Any]] = []
        async with asyncio.timeout(PING_S):
            while not words:
                words = await socket.receive()
        link = PeerLink(socket, words[0]["region"] == self._eureka.registry.region)
        self._open(link)
        pump = asyncio.create_task(link.pump())
        try:
            while True:
                await socket.receive()  # the other side tells its own over its own connection
        finally:
            self._eureka.peers.discard(link)
            pump.cancel()

    def _open(self, link: PeerLink) -> None:
        """First words, before anything else can be told over this connection."""
        registry = self._eureka.registry
        link.outbox.put_nowait(dumps(self._eureka.introduction()))
        if configuration := registry.configuration_message():
            link.outbox.put_nowait(dumps(configuration))
        if link.same_region:
            link.outbox.put_nowait(dumps(registry.entries_message()))
        self._eureka.peers.add(link)
