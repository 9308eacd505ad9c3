"""A collector in the process of a test, with or without TLS, and an exporter to it with a Secret."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from spiko_nanoservice.telemetry.export import Exporter
from spiko_nanoservice.telemetry.spans import Envelope

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Collector:
    """Keeps what it receives, and answers every request with `reply`."""

    def __init__(self, reply: bytes = OK) -> None:
        self.reply = reply
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.connections += 1
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length: "))
            self.bodies.append(await reader.readexactly(int(length[16:])))
            self.heads.append(head)
            writer.write(self.reply)


@asynccontextmanager
async def listening(serve: Serve, context: ssl.SSLContext | None) -> AsyncIterator[int]:
    """Run a server; yields its port."""
    ended: list[asyncio.Future[None]] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = asyncio.get_running_loop().create_future()
        ended.append(end)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await serve(reader, writer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        end.set_result(None)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        async with asyncio.timeout(10):
            await asyncio.gather(*ended)


@asynccontextmanager
async def exporter(url: str, secret: Path) -> AsyncIterator[Exporter]:
    """Yield an exporter with one queued span, which does not send by itself."""
    made = Exporter(Envelope({}, "s", "1"), str(secret))
    made.point_at(url)
    made.add(b"")
    try:
        yield made
    finally:
        made.point_at("")


def write_secret(folder: Path, **files: str | bytes) -> Path:
    """Write the files of a Secret, `headers` and `ca`, and return their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / {"ca": "ca.crt"}.get(name, name)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder
