#!/usr/bin/env python3
"""CPU time, traffic and memory of a pod's exports: `python -m tests.bench.export [BATCHES]`.

Sends batches of 512 different spans of an elb to a receiver in a process of its own, over http and https,
with and without gzip, and prints what each span costs the sender. Figures, not assertions.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

import uvloop

from spiko_nanoservice.telemetry.export import BATCH, Exporter
from spiko_nanoservice.telemetry.spans import CLIENT, SERVER, Envelope, SpanTemplate
from tests.bench.footprint import read_usage
from tests.support.certificates import make_authority, make_certificate

RESOURCE = {"service.name": "elb", "service.namespace": "lamp", "k8s.pod.name": "lamp-elb-z0-6f9c7b9c5-x8v2k"}


def spans() -> Iterator[bytes]:
    """Yield SERVER and CLIENT spans with random ids."""
    attributes: dict[str, str | int] = {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/k/{key}",
        "server.address": "127.65.0.17",
        "server.port": 8080,
    }
    templates = [
        SpanTemplate("GET /k/{key}", kind, attributes, "url.path", remote=kind == SERVER)
        for kind in (SERVER, CLIENT)
    ]
    random, now = Random(1), time.time_ns()
    while True:
        trace, ids = random.randbytes(16), random.randbytes(16)
        for template in templates:
            end = now + random.randrange(5_000_000)
            yield template.encode(trace, ids[:8], ids[8:], now, end, b"/k/Why%d" % random.randrange(1_000))


async def receive(folder: Path, pipe: Connection) -> None:
    """Answer batches at two ports, without and with TLS, and send these ports."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                await reader.readexactly(int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0]))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    authority = make_authority()
    (folder / "ca.crt").write_bytes(authority.pem)
    context = make_certificate(authority, "localhost").server_context(folder)
    servers = [await asyncio.start_server(accept, "127.0.0.1", 0, ssl=ssl) for ssl in (None, context)]
    pipe.send([server.sockets[0].getsockname()[1] for server in servers])
    await asyncio.Event().wait()


def run_receiver(folder: Path, pipe: Connection) -> None:
    """Run the receiver until it is terminated."""
    uvloop.run(receive(folder, pipe))


async def measure(url: str, gzip: bool, secret: Path, batches: int) -> None:
    """Print a line of the table."""
    exporter = Exporter(Envelope(RESOURCE, "s", "1"), str(secret))
    exporter.point_at(url)
    exporter.gzip = gzip
    made = spans()
    before, cpu_s = read_usage(os.getpid()), 0.0
    for _ in range(batches):
        for _ in range(BATCH):
            exporter.add(next(made))
        begun = time.process_time()
        verdict = await exporter.send_batch()
        cpu_s += time.process_time() - begun
        assert not verdict.error, verdict
    grown = (read_usage(os.getpid()).private - before.private) / 1024
    name = f"{url.partition(':')[0]}{', gzip' if gzip else ''}"
    print(f"{name:<14} {1e6 * cpu_s / batches / BATCH:>8.2f} {1e3 * cpu_s / batches:>9.2f} {grown:>9.1f}")
    exporter.point_at("")
    await asyncio.sleep(0.1)


async def main(batches: int) -> None:
    """Measure all four ways."""
    here, there = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        receiver = multiprocessing.Process(target=run_receiver, args=(Path(folder), there))
        receiver.start()
        try:
            plain, tls = here.recv()
            print(f"{'':<14} {'us/span':>8} {'ms/batch':>9} {'more MB':>9}")
            for gzip in (False, True):
                for url in (f"http://localhost:{plain}", f"https://localhost:{tls}"):
                    await measure(url, gzip, Path(folder), batches)
        finally:
            receiver.terminate()


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
