"""The server's side of SPDY/3.1, as far as port-forward needs it.

Streams come in pairs, for data and for errors. Flow control is a window update for every frame.

Source: the SPDY/3.1 draft (framing, the header dictionary of section 2.6.10.1); Kubernetes'
portforward.k8s.io protocol.
"""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import Awaitable, Callable

_NAMES = [
    "options",
    "head",
    "post",
    "put",
    "delete",
    "trace",
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "connection",
    "content-base",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "retry-after",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "method",
    "get",
    "status",
]
_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request"
    "401 Unauthorized403 Forbidden404 Not Found"
    "500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,"
    "text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _word(text: str) -> bytes:
    return struct.pack(">I", len(text)) + text.encode()


DICTIONARY = (
    b"".join(map(_word, _NAMES))
    + b"".join(
        map(_word, ("200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin"))
    )
    + _TAIL.encode()
)

SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY, WINDOW_UPDATE = 1, 2, 3, 6, 7, 9
FIN = 1
Send = Callable[[bytes], Awaitable[None]]


class PortForward:
    """One port-forward connection.

    Args:
        send: writes bytes to the client.
        address: the pod's IP.
    """

    def __init__(self, send: Send, address: str) -> None:
        self._send, self._address = send, address
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)
        self._buffer = b""
        self._headers: dict[int, dict[str, str]] = {}
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()

    async def feed(self, data: bytes) -> None:
        """Process bytes from the client."""
        self._buffer += data
        while len(self._buffer) >= 8:
            first, second = struct.unpack(">II", self._buffer[:8])
            size = second & 0xFFFFFF
            if len(self._buffer) < 8 + size:
                return
            body, self._buffer = self._buffer[8 : 8 + size], self._buffer[8 + size :]
            if first & 0x80000000:
                await self._control(first & 0xFFFF, body)
            else:
                await self._data(first, second >> 24, body)

    def close(self) -> None:
        """Close all streams."""
        for task in self._tasks:
            task.cancel()
        for writer in self._writers.values():
            writer.close()

    async def _control(self, kind: int, body: bytes) -> None:
        if kind == SYN_STREAM:
            stream = struct.unpack(">I", body[:4])[0] & 0x7FFFFFFF
            headers = self._headers[stream] = self._read_headers(body[10:])
            async with self._turn:
                block = self._deflate.compress(struct.pack(">I", 0)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
                await self._send(_frame(SYN_REPLY, struct.pack(">I", stream) + block))
            if headers.get("streamtype") == "data":
                await self._open(stream, int(headers["port"]))
        elif kind == PING:
            await self._send(_frame(PING, body))
        elif kind == RST_STREAM:
            writer = self._writers.pop(struct.unpack(">I", body[:4])[0], None)
            if writer is not None:
                writer.close()

    async def _open(self, stream: int, port: int) -> None:
        try:
            reader, writer = await asyncio.open_connection(self._address, port)
        except OSError as error:
            text = f"cannot connect to {self._address}:{port}: {error.strerror or error}"
            await self._finish(stream, text.encode())
            return
        self._writers[stream] = writer
        task = asyncio.create_task(self._back(stream, reader))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _data(self, stream: int, flags: int, body: bytes) -> None:
        writer = self._writers.get(stream)
        if body:
            if writer is not None:
                writer.write(body)
                await writer.drain()
            for window in (stream, 0):
                await self._send(_frame(WINDOW_UPDATE, struct.pack(">II", window, len(body))))
        if flags & FIN and writer is not None and writer.can_write_eof():
            writer.write_eof()

    async def _back(self, stream: int, reader: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(16_384):
                await self._send(struct.pack(">II", stream, len(data)) + data)
        except OSError:
            pass
        await self._finish(stream, b"")

    async def _finish(self, stream: int, error: bytes) -> None:
        """Close a pair of streams, with an error message for the client if it is not empty."""
        request = self._headers.get(stream, {}).get("requestid")
        for other, headers in self._headers.items():
            if headers.get("streamtype") == "error" and headers.get("requestid") == request:
                await self._send(struct.pack(">II", other, FIN << 24 | len(error)) + error)
        await self._send(struct.pack(">II", stream, FIN << 24))
        writer = self._writers.pop(stream, None)
        if writer is not None:
            writer.close()

    def _read_headers(self, block: bytes) -> dict[str, str]:
        data = self._inflate.decompress(block)
        (count,) = struct.unpack(">I", data[:4])
        position, found = 4, []
        for _ in range(count * 2):
            (size,) = struct.unpack(">I", data[position : position + 4])
            found.append(data[position + 4 : position + 4 + size].decode())
            position += 4 + size
        return dict(zip(found[::2], found[1::2], strict=True))


def _frame(kind: int, body: bytes) -> bytes:
    return struct.pack(">HHI", 0x8003, kind, len(body)) + body
