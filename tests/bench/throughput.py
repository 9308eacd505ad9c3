#!/usr/bin/env python3
"""Requests per CPU-second of one pod over loopback sockets: `python -m tests.bench.throughput [SECONDS]`.

A store (leaf) and an elb in front of it (hop) run in processes of their own, without a eureka. This process
sends requests over 16 kept-alive connections, takes the exported spans, and reads the CPU time of the pod
that is measured. Figures, not assertions.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from random import Random
from typing import Any

import uvloop

from spiko_nanoservice.settings import read_settings
from spiko_nanoservice.tier.pod import TierPod
from spiko_nanoservice.wire.connection_pool import Pool
from spiko_nanoservice.wire.http_server import Server
from tests.bench.footprint import read_usage

CONNECTIONS = 16
ADDRESS = "127.0.0.1"
TRACE = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-%s\r\nspiko-deadline-ms: 1500\r\n"


async def serve(package: str, collector: str, below: int) -> None:
    """Run a pod that prints its port; an elb forwards to the store at the port `below`."""
    names = ("ARCHITECTURE", "TIER", "REGION", "ZONE", "EUREKA", "POD_NAME")
    environ = {f"SPIKO_{name}": "x" for name in names} | {
        "SPIKO_PACKAGE": package,
        "SPIKO_BIND_ADDRESS": ADDRESS,
    }
    pod = TierPod(read_settings(environ), Random(1))
    pod.exporter.point_at(collector)
    instance = {
        "id": "db-0",
        "tier": "db",
        "package": "store",
        "version": "1.0.0",
        "region": "x",
        "zone": "x",
    }
    dependency = {"tier": "db", "weight": 1, "versions": [["1.0.0", 100]]}
    table: dict[str, Any] = {"revision": 1, "dependencies": [dependency]}
    pod.tier.routes.replace("x", table | {"instances": [instance | {"address": ADDRESS, "port": below}]})
    print((await pod.server.listen(ADDRESS, 0))[1], flush=True)
    exporting = asyncio.create_task(pod.exporter.run())
    while not exporting.done():
        await asyncio.sleep(1.0)
        pod.tier.tick()
        pod.tier.counters.take(0)


@contextlib.contextmanager
def process(package: str, collector: str, below: int = 1) -> Iterator[tuple[int, int]]:
    """Run a pod in a process of its own; yield its pid and port."""
    command = [sys.executable, "-m", "tests.bench.throughput", "--serve", package, collector, str(below)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        yield running.pid, int(running.stdout.readline())
    finally:
        running.kill()
        running.wait()


async def load(port: int, flags: str, seconds: float) -> int:
    """Send requests over all connections and return how many were answered."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    headers = (TRACE % flags).encode()

    async def client() -> int:
        pool, answered = Pool(ADDRESS, port), 0
        while loop.time() < end:
            reply = await pool.call(b"GET", b"/k/why%3F", lambda: headers, b"", 5.0)
            assert reply.status == 200
            answered += 1
        pool.close()
        return answered

    return sum(await asyncio.gather(*(client() for _ in range(CONNECTIONS))))


async def measure(name: str, pid: int, port: int, seconds: float) -> None:
    """Print the figures of one pod."""
    for flags, sampled in (("00", "not sampled"), ("01", "sampled")):
        await load(port, flags, 1.0)
        before = read_usage(pid).cpu_s
        answered = await load(port, flags, seconds)
        cpu_s = read_usage(pid).cpu_s - before
        print(f"{name + ', ' + sampled:<24} {answered / cpu_s:>10,.0f} {1e6 * cpu_s / answered:>10.1f}")


async def main(seconds: float) -> None:
    """Measure a leaf and a hop."""
    collector = Server(lambda request: request.reply(200, b""))
    url = f"http://{ADDRESS}:{(await collector.listen(ADDRESS, 0))[1]}"
    print(f"{'one pod':<24} {'per CPU-s':>10} {'us each':>10}")
    with process("store", url) as (leaf, leaf_port):
        await measure("leaf", leaf, leaf_port, seconds)
        with process("elb", url, leaf_port) as (hop, hop_port):
            await measure("hop", hop, hop_port, seconds)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        uvloop.run(serve(sys.argv[2], sys.argv[3], int(sys.argv[4])))
    else:
        uvloop.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0))
