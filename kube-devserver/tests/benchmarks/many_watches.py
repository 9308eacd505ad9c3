"""Thousands of watches on the API server: memory for each, and the time until a change has reached all that
select it.

    PYTHONPATH=kube-devserver/tests python kube-devserver/tests/benchmarks/many_watches.py [watches]

Needs as many files as watches in each of two processes (`ulimit -n`). Watches are spread over a hundred
namespaces; then as many again are opened on all namespaces at once.
"""

from __future__ import annotations

import asyncio
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from devserver_support.servers import Own, Server, own_home

NAMESPACES, WRITES, AT_ONCE = 100, 20, 100


def path_of(namespace: str) -> str:
    """The path of a namespace's ConfigMaps, or of all."""
    return f"/api/v1/namespaces/{namespace}/configmaps" if namespace else "/api/v1/configmaps"


class Watcher:
    """One watch, which counts the writes that it received."""

    def __init__(self, server: Server, namespace: str) -> None:
        self._server, self._namespace = server, namespace
        self.told = 0
        self.changed: asyncio.Event = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        """Begin the watch in the background."""
        server = self._server
        reader, self._writer = await asyncio.open_connection(server.host, server.port, ssl=server.context)
        head = "".join(f"{name}: {value}\r\n" for name, value in server.headers.items())
        path = (
            f"{path_of(self._namespace)}?watch=true&sendInitialEvents=false&resourceVersionMatch=NotOlderThan"
        )
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in answer.split(b"\r\n")[0], answer
        self._task = asyncio.create_task(self._read(reader))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(65_536):
            self.told += data.count(b'{"type":"')
            self.changed.set()

    async def until(self, number: int) -> None:
        """Wait until the watch has received this many writes."""
        while self.told < number:
            self.changed.clear()
            await self.changed.wait()

    def close(self) -> None:
        """End the watch."""
        self._task.cancel()
        assert self._writer is not None
        self._writer.transport.abort()


def memory_mb(own: Own) -> float:
    """The server's resident memory."""
    text = Path(f"/proc/{own.pid}/statm").read_text()
    return int(text.split()[1]) * resource.getpagesize() / 1e6


async def measure(own: Own, namespaces: list[str], what: str) -> None:
    """Open a watch on each path, write, and print the figures."""
    before = memory_mb(own)
    watchers = [Watcher(own.server, namespace) for namespace in namespaces]
    began = time.perf_counter()
    for i in range(0, len(watchers), AT_ONCE):
        await asyncio.gather(*(each.open() for each in watchers[i : i + AT_ONCE]))
    opened_s = time.perf_counter() - began
    each_kb = (memory_mb(own) - before) * 1000 / len(watchers)
    concerned = [
        each for each, namespace in zip(watchers, namespaces, strict=True) if namespace in ("", "n-0")
    ]
    took, answered = [], []
    for write in range(WRITES):
        body: Any = {"metadata": {"name": f"{what.split()[0]}-{write}"}, "data": {"x": "x" * 300}}
        began = time.perf_counter()
        answer = await asyncio.to_thread(own.server.ask, "POST", path_of("n-0"), body)
        answered.append(time.perf_counter() - began)
        assert answer.status == 201, answer.body
        await asyncio.gather(*(each.until(write + 1) for each in concerned))
        took.append(time.perf_counter() - began)
    print(
        f"{len(watchers):>6,} watches on {what}: opened in {opened_s:.1f} s, {each_kb:.0f} kB each;"
        f" a write is answered in {statistics.median(answered) * 1000:.0f} ms and has reached"
        f" {len(concerned):,} watchers after {statistics.median(took) * 1000:.0f} ms"
    )
    for each in watchers:
        each.close()
    await asyncio.sleep(1.0)


async def run(number: int) -> None:
    """Run the benchmark both ways."""
    with own_home() as own:
        own.start()
        for i in range(NAMESPACES):
            own.server.ask("POST", "/api/v1/namespaces", {"metadata": {"name": f"n-{i}"}})
        await measure(own, [f"n-{i % NAMESPACES}" for i in range(number)], "a hundred namespaces")
        await measure(own, [""] * number, "all namespaces")
        print(f"{memory_mb(own):.0f} MB in the end")
        own.check_log()


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(run(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000))
