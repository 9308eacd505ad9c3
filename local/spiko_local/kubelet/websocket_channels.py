"""Port-forward over WebSocket channels (v4.channel.k8s.io), as most client libraries use it.

Every port has two channels, one for data and one for errors.

Source: k8s.io/kubelet, pkg/cri/streaming/portforward/websocket.go.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Sequence
from typing import Any

from aiohttp import WSMsgType, web

PROTOCOL = "v4.channel.k8s.io"
CHUNK_BYTES = 16_384


async def forward_channels(socket: web.WebSocketResponse, address: str, ports: Sequence[int]) -> None:
    """Connect a client with ports of a pod, until the pod has closed all connections or the client its own.

    Args:
        socket: prepared.
        address: the pod's IP.
        ports: the n-th port has the channels 2n and 2n + 1.
    """
    for channel in range(2 * len(ports)):  # the first message of a channel is its port
        await socket.send_bytes(bytes([channel]) + struct.pack("<H", ports[channel // 2]))
    writers: dict[int, asyncio.StreamWriter] = {}
    pumps = []
    for number, port in enumerate(ports):
        try:
            reader, writers[number] = await asyncio.open_connection(address, port)
        except OSError as error:
            text = f"cannot connect to {address}:{port}: {error.strerror or error}"
            await socket.send_bytes(bytes([2 * number + 1]) + text.encode())
        else:
            pumps.append(_pump(socket, 2 * number, reader))
    ending: asyncio.Future[Any] = asyncio.gather(*pumps)
    listening: asyncio.Future[Any] = asyncio.create_task(_listen(socket, writers))
    try:
        await asyncio.wait([ending, listening], return_when=asyncio.FIRST_COMPLETED)
    finally:
        ending.cancel()
        listening.cancel()
        await asyncio.gather(ending, listening, return_exceptions=True)
        for writer in writers.values():
            writer.close()


async def _pump(socket: web.WebSocketResponse, channel: int, reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(CHUNK_BYTES):
            await socket.send_bytes(bytes([channel]) + data)


async def _listen(socket: web.WebSocketResponse, writers: dict[int, asyncio.StreamWriter]) -> None:
    async for message in socket:
        if message.type != WSMsgType.BINARY or not message.data:
            continue
        number, is_error = divmod(message.data[0], 2)
        writer = writers.get(number)
        if writer is not None and not is_error:
            writer.write(message.data[1:])
            with contextlib.suppress(ConnectionError):
                await writer.drain()
