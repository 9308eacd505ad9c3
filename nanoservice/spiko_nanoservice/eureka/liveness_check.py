"""Probes pods directly with GET /healthz.

Every answer counts as alive; silence and a refused connection do not.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

from spiko_nanoservice.contract import Hello

ANSWER_S = 1.0
AT_ONCE = 64
_REQUEST = b"GET /healthz HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n"


async def find_silent(hellos: Iterable[Hello]) -> list[Hello]:
    """Return the pods that do not answer within a second."""
    probed = list(hellos)
    slots = asyncio.Semaphore(AT_ONCE)

    async def probe(hello: Hello) -> bool:
        async with slots:
            return await answers(hello.address, hello.port)

    alive = await asyncio.gather(*(probe(hello) for hello in probed))
    return [hello for hello, answered in zip(probed, alive, strict=True) if not answered]


async def answers(address: str, port: int) -> bool:
    """Return whether a server at this address sends a byte.

    The kernel accepts connections for a stopped process too.
    """
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                writer.write(_REQUEST)
                return bool(await reader.read(1))
            finally:
                writer.close()
    return False
