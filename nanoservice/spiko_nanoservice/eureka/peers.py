"""Finds the other eurekas of the architecture and keeps one connection to each.

A connection carries the entries of this eureka.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from spiko_nanoservice.contract import ContractError
from spiko_nanoservice.contract.handshake import Purpose
from spiko_nanoservice.errors import LinkError
from spiko_nanoservice.eureka.registry.effects import dumps
from spiko_nanoservice.eureka.server import PING_S, SILENCE_S, Eureka, PeerLink
from spiko_nanoservice.wire.client_handshake import Dialer
from spiko_nanoservice.wire.internal_errors import internal_errors
from spiko_nanoservice.wire.websocket import WebSocket

# Between two look-ups while a connection to a eureka is missing.
SEARCH_S = 0.1
# Between two look-ups once every eureka is connected.
LOOK_S = 10.0
# After a connection has ended: the other eureka is starting or gone, or would end the next connection as
# well.
PAUSE_S = 0.2
log = logging.getLogger("spiko.eureka")


class Peers:
    """Connections to all other eurekas.

    Args:
        eureka: this eureka.
        name: the headless Service of all eurekas, `name.namespace`.
        own_address: the address of this eureka, which is skipped.
        dialer: finds and connects to eurekas.
    """

    def __init__(self, eureka: Eureka, name: str, own_address: str, dialer: Dialer) -> None:
        self._eureka, self._name, self._own, self._dialer = eureka, name, own_address, dialer
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Look up eurekas and connect to them until cancelled."""
        try:
            while True:
                for address in await self._dialer.resolve(self._name):
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
        """Keep one connection until it breaks, then pause."""
        try:
            await self._connect(address)
            await asyncio.sleep(PAUSE_S)
        finally:
            self._tasks.pop(address, None)
            self._changed.set()

    async def _connect(self, address: str) -> None:
        try:
            socket = await self._dialer.dial(address, "/peer", Purpose.PEER, PING_S, SILENCE_S)
            try:
                await self._report(socket)
            finally:
                socket.close()
        except (LinkError, ContractError, TimeoutError, KeyError, TypeError) as error:
            log.debug("peer %s: %r", address, error)
        except Exception as error:  # noqa: BLE001  # the edge of the process
            internal_errors.note("connection to another eureka", error)

    async def _report(self, socket: WebSocket) -> None:
        """Wait for the other eureka's introduction, then report own entries until the connection breaks.

        Raises:
            LinkError: the connection broke.
        """
        messages: list[dict[str, Any]] = []
        async with asyncio.timeout(PING_S):
            while not messages:
                messages = await socket.receive()
        link = PeerLink(socket, messages[0]["region"] == self._eureka.registry.region)
        self._open(link)
        sender = asyncio.create_task(link.outbox.send_queued())
        try:
            while True:
                # The other eureka reports its entries over the connection that it opened itself.
                await socket.receive()
        finally:
            self._eureka.peers.discard(link)
            sender.cancel()

    def _open(self, link: PeerLink) -> None:
        """Queue the first messages, before any change can be queued for this connection."""
        registry = self._eureka.registry
        link.outbox.put(dumps(registry.introduction_message()))
        if configuration := registry.configuration_message():
            link.outbox.put(dumps(configuration))
        if link.same_region:
            link.outbox.put(dumps(registry.entries_message()))
        self._eureka.peers.add(link)
