"""A WebSocket client of few megabytes: wsproto over asyncio streams. JSON text messages, pings answered, silence noticed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import ProtocolError

from spiko_nanoservice.errors import LinkError

PING_S = 2.0  # a eureka pings nobody who talks, so a pod that only talks asks by itself
SILENCE_S = 3.0  # after its ping
CONNECT_S = 2.0
_encode = json.JSONEncoder(separators=(",", ":")).encode  # json.dumps would make an encoder each time


class WebSocket:
    """One open connection; made by `connect`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, protocol: WSConnection) -> None:
        self._reader, self._writer, self._protocol = reader, writer, protocol
        self._parts: list[str] = []

    def send(self, message: dict[str, Any]) -> None:
        """Queue one message; a broken connection shows at the next `receive`."""
        if not self._writer.is_closing():
            text = _encode(message)
            self._writer.write(self._protocol.send(TextMessage(data=text)))

    async def receive(self) -> list[dict[str, Any]]:
        """Wait for messages; one read may bring several, or none.

        Raises:
            LinkError: the other side has closed, is silent for 3 s after a ping, or talks nonsense.
        """
        try:
            data = await self._read(PING_S)
            if data is None:
                self._writer.write(self._protocol.send(Ping()))
                data = await self._read(SILENCE_S)
        except OSError as error:
            raise LinkError(f"eureka has gone: {error!r}") from error
        if data is None:
            raise LinkError(f"eureka does not answer a ping within {SILENCE_S:.0f} s")
        try:
            self._protocol.receive_data(data or None)
            return self._read_events()
        except (ProtocolError, ValueError) as error:
            raise LinkError(f"not the protocol: {error}") from error

    async def _read(self, seconds: float) -> bytes | None:
        """Bytes, empty at the end of the stream; None if none came in time."""
        try:
            async with asyncio.timeout(seconds):
                return await self._reader.read(65_536)
        except TimeoutError:
            return None

    def _read_events(self) -> list[dict[str, Any]]:
        found = []
        for event in self._protocol.events():
            match event:
                case TextMessage():
                    self._parts.append(event.data)
                    if event.message_finished:
                        found.append(json.loads("".join(self._parts)))
                        self._parts = []
                case Ping():
                    self._writer.write(self._protocol.send(event.response()))
                case CloseConnection() | RejectConnection():
                    raise LinkError("eureka closed the connection")
        return found

    async def drain(self) -> None:
        """Wait until what was sent has left, as far as the other side reads."""
        try:
            await self._writer.drain()
        except OSError as error:
            raise LinkError(f"eureka has gone: {error}") from error

    def close(self) -> None:
        """End it without a handshake: the registry takes the end of the stream for what it is."""
        self._writer.close()


async def connect(address: str, port: int, path: str) -> WebSocket:
    """Open a WebSocket.

    Raises:
        LinkError: refused, no answer within 2 s, or no WebSocket.

    """
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                protocol = WSConnection(ConnectionType.CLIENT)
                writer.write(protocol.send(Request(host=f"{address}:{port}", target=path)))
                await _accepted(reader, protocol)
            except BaseException:
                writer.close()
                raise
    except (OSError, TimeoutError, ProtocolError) as error:
        raise LinkError(f"{address}:{port}: {error!r}") from error
    return WebSocket(reader, writer, protocol)


async def _accepted(reader: asyncio.StreamReader, protocol: WSConnection) -> None:
    while True:
        data = await reader.read(65_536)
        protocol.receive_data(data or None)
        for event in protocol.events():
            if isinstance(event, AcceptConnection):
                return
            raise LinkError(f"no WebSocket: {event!r}")
        if not data:
            raise LinkError("closed before the handshake")
