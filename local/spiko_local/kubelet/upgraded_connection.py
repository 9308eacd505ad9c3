"""A connection taken from aiohttp after an HTTP upgrade: bytes in both directions, with flow control."""

from __future__ import annotations

import asyncio

# Bytes received and not yet consumed: above the first reading pauses, below the second it resumes.
PAUSE_BYTES, RESUME_BYTES = 262_144, 65_536


class UpgradedConnection(asyncio.Protocol):
    """The protocol of the connection after the upgrade.

    Args:
        transport: of the connection.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._waiting = 0
        self._is_paused = False
        self._writable = asyncio.Event()
        self._writable.set()

    async def next(self) -> bytes | None:
        """Return the next received bytes; None at the end."""
        data = await self._queue.get()
        self._waiting -= len(data or b"")
        if self._is_paused and self._waiting <= RESUME_BYTES and not self._transport.is_closing():
            self._is_paused = False
            self._transport.resume_reading()
        return data

    async def send(self, data: bytes) -> None:
        """Write, and wait until the send buffer has room again."""
        self._transport.write(data)
        await self._writable.wait()

    def close(self) -> None:
        """Abort the connection."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Queue received bytes (asyncio.Protocol)."""
        self._queue.put_nowait(data)
        self._waiting += len(data)
        if self._waiting > PAUSE_BYTES and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """Block `send`: the peer reads too slowly (asyncio.Protocol)."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Unblock `send` (asyncio.Protocol)."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Unblock `send` and `next` (asyncio.Protocol)."""
        self._writable.set()
        self._queue.put_nowait(None)
