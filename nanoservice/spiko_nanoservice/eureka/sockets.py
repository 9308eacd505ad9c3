"""Sends and receives the messages of one WebSocket: an outbox for each connection, and a loop that reads."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from spiko_nanoservice import messages as m
from spiko_nanoservice.contract import parse_object
from spiko_nanoservice.errors import LinkError
from spiko_nanoservice.eureka.registry.effects import dumps
from spiko_nanoservice.messages import Message
from spiko_nanoservice.wire.internal_errors import internal_errors
from spiko_nanoservice.wire.websocket import WebSocket

# Messages that wait for a slow reader before its connection is closed: a start of 1,000 pods queues fewer.
MOST_QUEUED = 10_000
Act = Callable[[], None]
SessionHandler = Callable[[WebSocket, "Outbox"], Awaitable[None]]
log = logging.getLogger("spiko.eureka")


class Outbox:
    """The messages that wait to be sent over one connection.

    Args:
        socket: the connection; it is closed if its reader falls behind by more than 10,000 messages.
    """

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._queue: asyncio.Queue[str] = asyncio.Queue()

    def put(self, text: str) -> None:
        """Queue a message. This never waits."""
        if self._queue.qsize() >= MOST_QUEUED:
            self._socket.close()
        else:
            self._queue.put_nowait(text)

    async def send_queued(self) -> None:
        """Send what is queued until cancelled, or until the connection breaks."""
        try:
            while True:
                self._socket.send_text(await self._queue.get())
                await self._socket.drain()
        except LinkError:
            # The reading side gets the same error and cleans up.
            return


async def serve_socket(socket: WebSocket, handler: SessionHandler, name: str) -> None:
    """Run the session of one WebSocket; an unexpected error ends this session only.

    It has an outbox of its own, so that a slow reader delays no other connection.

    Args:
        socket: the connection.
        handler: runs the session.
        name: of the session's path, for the log.
    """
    outbox = Outbox(socket)
    sender = asyncio.create_task(outbox.send_queued())
    try:
        await handler(socket, outbox)
    except Exception as error:  # noqa: BLE001  # the edge of the process
        internal_errors.note(f"session of {name}", error)
    finally:
        sender.cancel()
        socket.close()


async def read_messages(socket: WebSocket, peer: str, read: Callable[[Message], Act]) -> None:
    """Act on messages until the connection ends, or until the first message that violates the contract.

    The sender of such a message gets REFUSED with the reason, and the session ends.

    Args:
        socket: the connection.
        peer: names the other side in the log.
        read: decodes a message and returns the action; an error of the action is a defect of the eureka, not
            of the message.
    """
    while True:
        try:
            texts = await socket.receive_texts()
        except LinkError:
            return
        for text in texts:
            try:
                act = read(parse_object(text))
            except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
                reason = f"{error}: required, but missing" if isinstance(error, KeyError) else str(error)
                log.warning("closing %s: invalid message: %.300r", peer, reason)
                with contextlib.suppress(LinkError):
                    socket.send_text(dumps({"t": m.REFUSED, "message": reason}))
                    await socket.drain()
                return
            act()
