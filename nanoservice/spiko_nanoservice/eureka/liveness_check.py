"""Asks pods directly whether they are there: any answer to GET /healthz counts, silence and refusal do not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

from spiko_nanoservice.contract import Hello

ANSWER_S = 1.0
AT_ONCE = 64
_REQUEST = b"GET /healthz HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n"


async def find_silent(hellos: Iterable[Hello]) -> list[Hello]:
    """Those that do not answer within a second."""
    asked = list(hellos)
    places = asyncio.Semaphore(AT_ONCE)

    async def ask(hello: Hello) -> bool:
        async with places:
            return await answers(hello.address, hello.port)

    said = await asyncio.gather(*(ask(hello) for hello in asked))
    return [hello for hello, there in zip(asked, said, strict=True) if not there]


async def answers(address: str, port: int) -> bool:
    """Whether anybody says anything there. A stopped process still accepts connections: only words count."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                writer.write(_REQUEST)
                return bool(await reader.read(1))
            finally:
                writer.close()
    return False
