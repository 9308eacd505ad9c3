"""A real OpenTelemetry Collector for tests: OTLP/HTTP in on a loopback port, a file of JSON lines out."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_cluster import need_binaries

READY_S = 20.0
CONFIG = """
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
exporters: {{file: {{path: "{path}", flush_interval: 100ms}}}}
service:
  telemetry: {{metrics: {{level: none}}, logs: {{level: error}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [file]}}}}
"""


class Collector:
    """A running collector."""

    def __init__(self, port: int, out: Path) -> None:
        self.endpoint, self._out = f"http://127.0.0.1:{port}", out

    def spans(self) -> list[dict[str, Any]]:
        """Every span so far, with its resource's attributes under `resource`."""
        found = []
        for line in (
            self._out.read_text().split("\n")[:-1] if self._out.exists() else ()
        ):  # the last may be half written
            for resource in json.loads(line)["resourceSpans"]:
                attributes = _attributes(resource["resource"])
                for scope in resource["scopeSpans"]:
                    found += [
                        span | {"resource": attributes, "attributes": _attributes(span)} for span in scope["spans"]
                    ]
        return found


def _attributes(body: dict[str, Any]) -> dict[str, Any]:
    return {a["key"]: next(iter(a["value"].values())) for a in body.get("attributes", ())}


@contextmanager
def collector(folder: Path) -> Iterator[Collector]:
    """Start one; end it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    out, config = folder / "spans.jsonl", folder / "collector.yaml"
    config.write_text(CONFIG.format(port=port, path=out))
    with (folder / "collector.log").open("wb") as log:
        process = subprocess.Popen([need_binaries() / "otelcol", "--config", config], stdout=log, stderr=log)
    try:
        end = time.monotonic() + READY_S
        while not _listens(port):
            assert process.poll() is None, (folder / "collector.log").read_text()
            assert time.monotonic() < end, "the collector does not listen"
            time.sleep(0.05)
        yield Collector(port, out)
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
