"""Pods of a eureka that is gone are probed directly."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from spiko_nanoservice.contract import PROTOCOL, Hello
from spiko_nanoservice.eureka.liveness_check import find_silent


def hello(name: str, port: int) -> Hello:
    """Return a pod's registration."""
    return Hello(PROTOCOL, name, name, "web", "monolith", "1.0.0", "r", "a", "127.0.0.1", port, (1, 1))


@pytest.fixture
async def talker() -> AsyncIterator[int]:
    """Run a server that replies with an error; yield its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 500 Oh\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_only_a_reply_counts_as_alive(talker: int) -> None:
    """Given a pod that answers, one that is stopped but accepts connections, and a closed port, then only the
    first is alive.
    """
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as deaf, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        asked = [
            hello("deaf", deaf.getsockname()[1]),
            hello("there", talker),
            hello("gone", free.getsockname()[1]),
        ]
        began = asyncio.get_running_loop().time()
        silent = await find_silent([*asked, *(hello(f"also {n}", talker) for n in range(200))])

    assert ["deaf", "gone"] == [pod.name for pod in silent]
    assert asyncio.get_running_loop().time() - began < 5
