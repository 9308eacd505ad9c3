#!/usr/bin/env python3
"""CPU time per request inside a pod, without sockets: `python -m tests.bench.hot_path [--base REVISION]
[--rounds N]`.

Two paths are measured, each with and without a sampled trace: a store that answers (leaf), and an elb that
forwards to an instance which replies at once (forward). With --base the same is measured for another
revision, checked out into a temporary worktree, in turns with the working tree, and the ratio is printed: the
speed of the machine then matters little. The other revision must have the packages `spiko_nanoservice.tier`
and `spiko_nanoservice.wire`. Figures, not assertions.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
REQUESTS, REPEATS = 3_000, 12
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nServer-Timing: app;dur=0.021\r\n\r\nbecause.."
REQUEST = (
    b"GET /k/why%%3F HTTP/1.1\r\nHost: a\r\n"
    b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-%b\r\nspiko-deadline-ms: 1500\r\n\r\n"
)
CASES = [(path, flags) for path in ("leaf", "forward") for flags in ("00", "01")]
Results = dict[str, float]


class Transport(asyncio.Transport):
    """A transport that drops what is written, or answers it at once."""

    def __init__(self, answer: Any = None) -> None:
        super().__init__()
        self._answer = answer

    def write(self, data: Any) -> None:
        """Take data, and let the protocol receive the reply."""
        if self._answer is not None:
            self._answer(REPLY)

    def is_closing(self) -> bool:
        """Return False: it stays open."""
        return False

    def close(self) -> None:
        """Do nothing."""

    def abort(self) -> None:
        """Do nothing."""


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose connections end in `Transport`, and that keeps the factory of its server's
    connections.
    """

    factory: Any = None

    async def create_server(self, protocol_factory: Any, *arguments: Any, **options: Any) -> Any:
        """Keep the factory."""
        self.factory = protocol_factory
        return await super().create_server(protocol_factory, *arguments, **options)

    async def create_connection(self, protocol_factory: Any, *arguments: Any, **options: Any) -> Any:
        """Return a connection to an instance that replies at once."""
        protocol = protocol_factory()
        transport = Transport(protocol.data_received)
        protocol.connection_made(transport)
        return transport, protocol


async def measure(loop: Loop) -> Results:
    """Return microseconds of CPU per request by case: the best of the repeats."""
    from spiko_nanoservice.settings import read_settings
    from spiko_nanoservice.tier.pod import TierPod

    async def resolve(name: str) -> list[str]:
        return []

    results: Results = {}
    for path, flags in CASES:
        package = "store" if path == "leaf" else "elb"
        names = ("ARCHITECTURE", "TIER", "REGION", "ZONE", "EUREKA", "POD_NAME")
        environ = {f"SPIKO_{name}": "x" for name in names} | {"SPIKO_PACKAGE": package}
        pod: Any = TierPod(read_settings(environ | {"SPIKO_BIND_ADDRESS": "127.0.0.1"}), Random(1), resolve)
        # Names of this revision, else those of earlier ones.
        exporter = getattr(pod, "exporter", None) or pod._exporter
        counters = getattr(pod.tier, "counters", None) or pod.tier.tally
        exporter.point_at("http://127.0.0.1:1")
        exporter.add = lambda span: None
        instance = {"id": "db-0", "tier": "db", "package": "store", "version": "1.0.0"}
        place = {"region": "x", "zone": "x", "address": "127.0.0.1", "port": 1}
        dependency = {"tier": "db", "weight": 1, "versions": [["1.0.0", 100]]}
        table = {"revision": 1, "dependencies": [dependency], "instances": [instance | place]}
        pod.tier.routes.replace("x", table)
        await pod.server.listen("127.0.0.1", 0)
        connection = loop.factory()
        connection.connection_made(Transport())
        request = REQUEST % flags.encode()
        connection.data_received(request)
        await asyncio.sleep(0.01)  # the first call opens the connection to the instance in a task
        best = float("inf")
        for _ in range(REPEATS):
            began = time.process_time()
            for _ in range(REQUESTS):
                connection.data_received(request)
            best = min(best, (time.process_time() - began) / REQUESTS)
            assert counters.take(0)["served"]["ok"] >= REQUESTS
        results[f"{path}, {'sampled' if flags == '01' else 'not sampled'}"] = best * 1e6
        await pod.server.drain(0.0)
    return results


def measure_tree(tree: Path) -> Results:
    """Measure the nanoservice of a working tree in a process of its own."""
    environ = os.environ | {"PYTHONPATH": str(tree / "nanoservice")}
    done = subprocess.run(
        [sys.executable, __file__, "--measure"], env=environ, check=True, capture_output=True, text=True
    )
    results: Results = json.loads(done.stdout)
    return results


def compare(base: Path | None, rounds: int) -> None:
    """Measure in turns and print a table."""
    ours: list[Results] = []
    theirs: list[Results] = []
    for _ in range(rounds):
        ours.append(measure_tree(ROOT))
        if base is not None:
            theirs.append(measure_tree(base))
    print(
        f"{'us of CPU per request':<24} {'this tree':>10}" + (f" {'base':>10} {'ratio':>7}" if base else "")
    )
    for case in ours[0]:
        line = f"{case:<24} {min(r[case] for r in ours):>10.2f}"
        if base is not None:
            ratio = statistics.median(a[case] / b[case] for a, b in zip(ours, theirs, strict=True))
            line += f" {min(r[case] for r in theirs):>10.2f} {ratio:>7.2f}"
        print(line)


def main() -> None:
    """Parse arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--base", help="a revision to compare with")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        with asyncio.Runner(loop_factory=Loop) as runner:
            loop = runner.get_loop()
            assert isinstance(loop, Loop)
            print(json.dumps(runner.run(measure(loop))))
    elif arguments.base is None:
        compare(None, arguments.rounds)
    else:
        with tempfile.TemporaryDirectory() as folder:
            base = Path(folder) / "base"
            git = ["git", "-C", str(ROOT), "worktree"]
            subprocess.run([*git, "add", "--detach", "--quiet", str(base), arguments.base], check=True)
            try:
                compare(base, arguments.rounds)
            finally:
                subprocess.run([*git, "remove", "--force", str(base)], check=True)


if __name__ == "__main__":
    main()
