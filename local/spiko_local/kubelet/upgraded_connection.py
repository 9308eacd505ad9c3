"""A connection that was taken over from aiohttp: its bytes in both directions, neither faster than the other side takes them."""

from __future__ import annotations

import asyncio

# bytes that were read and not yet taken: where reading stops, and begins again
MOST_WAITING, FEW_WAITING = 262_144, 65_536


class Taken(asyncio.Protocol):
    """The connection's protocol from now on.

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
        """What came; None at the end."""
        data = await self._queue.get()
        self._waiting -= len(data or b"")
        if self._is_paused and self._waiting <= FEW_WAITING and not self._transport.is_closing():
            self._is_paused = False
            self._transport.resume_reading()
        return data

    async def send(self, data: bytes) -> None:
        """Write, and wait until there is room for more."""
        self._transport.write(data)
        await self._writable.wait()

    def close(self) -> None:
        """End it at once."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self._queue.put_nowait(data)
        self._waiting += len(data)
        if self._waiting > MOST_WAITING and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """The other side does not read."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It does again."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end: whoever waits goes on."""
        self._writable.set()
        self._queue.put_nowait(None)
