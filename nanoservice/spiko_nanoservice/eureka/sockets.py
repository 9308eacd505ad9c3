"""Sends and receives the messages of one WebSocket: an outbox for each connection, and a loop that reads."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable

from spiko_nanoservice import messages as m
from spiko_nanoservice.contract import ContractError
from spiko_nanoservice.errors import LinkError
from spiko_nanoservice.eureka.registry.effects import dumps
from spiko_nanoservice.messages import Message
from spiko_nanoservice.wire.websocket import WebSocket

Act = Callable[[], None]
Outbox = asyncio.Queue[str]
SessionHandler = Callable[[WebSocket, Outbox], Awaitable[None]]
log = logging.getLogger("spiko.eureka")


async def serve_socket(socket: WebSocket, handler: SessionHandler) -> None:
    """Run the session of one WebSocket.

    It has an outbox of its own, so that a slow reader delays no other connection.
    """
    outbox: Outbox = asyncio.Queue()
    sender = asyncio.create_task(send_queued(socket, outbox))
    try:
        await handler(socket, outbox)
    finally:
        sender.cancel()
        socket.close()


async def send_queued(socket: WebSocket, outbox: Outbox) -> None:
    """Send what is queued until cancelled, or until the connection breaks."""
    try:
        while True:
            socket.send_text(await outbox.get())
            await socket.drain()
    except LinkError:
        # The reading side gets the same error and cleans up.
        return


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
                message = json.loads(text)
                if not isinstance(message, dict):
                    raise ContractError(f"message: {text[:80]!r}: must be a JSON object")
                act = read(message)
            except (KeyError, TypeError, ValueError) as error:
                reason = f"{error}: required, but missing" if isinstance(error, KeyError) else str(error)
                log.warning("closing %s: invalid message: %s", peer, reason)
                with contextlib.suppress(LinkError):
                    socket.send_text(dumps({"t": m.REFUSED, "message": reason}))
                    await socket.drain()
                return
            act()
