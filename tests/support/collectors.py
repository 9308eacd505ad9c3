"""Receivers of telemetry for tests: an OpenTelemetry Collector that writes files, and Jaeger with its query
API.

Both listen on free loopback ports, count as started when they answer, and stop with the test run.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from spiko_local.processes import die_with_parent
from tests.support.local_cluster import need_binaries

Object = dict[str, Any]
READY_S, STOP_S = 20.0, 10.0
LOOKBACK_MS = 3_600_000
SIGNALS = ("traces", "metrics", "logs")
COLLECTOR = """
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{http}"{tls}}}, grpc: {{endpoint:
    "127.0.0.1:{grpc}"}}}}}}}}
exporters:
  file/traces: {{path: "{folder}/traces.jsonl", flush_interval: 200ms}}
  file/metrics: {{path: "{folder}/metrics.jsonl", flush_interval: 200ms}}
  file/logs: {{path: "{folder}/logs.jsonl", flush_interval: 200ms}}
service:
  telemetry: {{metrics: {{level: none}}, logs: {{level: error}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [file/traces]}}
    metrics: {{receivers: [otlp], exporters: [file/metrics]}}
    logs: {{receivers: [otlp], exporters: [file/logs]}}
"""
JAEGER = """
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines: {{traces: {{receivers: [otlp], processors: [], exporters: [jaeger_storage_exporter]}}}}
  telemetry: {{metrics: {{level: none}}, logs: {{level: warn}}}}
extensions:
  jaeger_storage: {{backends: {{memory: {{memory: {{max_traces: 100000}}}}}}}}
  jaeger_query:
    storage: {{traces: memory}}
    http: {{endpoint: "127.0.0.1:{query}"}}
    grpc: {{endpoint: "127.0.0.1:{query_grpc}"}}
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{http}"}}, grpc: {{endpoint:
    "127.0.0.1:{grpc}"}}}}}}}}
exporters: {{jaeger_storage_exporter: {{trace_storage: memory}}}}
"""


class Collector:
    """A running OpenTelemetry Collector. `endpoint` is for OTLP/HTTP."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        self.endpoint, self._folder = endpoint, folder

    def spans(self) -> list[Object]:
        """Return every span so far, with its attributes as a dictionary and those of its resource under
        `resource`.
        """
        found = []
        for batch in self.batches("traces"):
            for resource in batch["resourceSpans"]:
                attributes = _attributes(resource["resource"])
                for scope in resource["scopeSpans"]:
                    found += [
                        span | {"resource": attributes, "attributes": _attributes(span)}
                        for span in scope["spans"]
                    ]
        return found

    def batches(self, kind: str) -> list[Object]:
        """Return the received OTLP messages as JSON, without the line that is being written; `kind` is
        traces, metrics or logs.
        """
        path = self._folder / f"{kind}.jsonl"
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        return [json.loads(line) for line in lines]


class Jaeger:
    """A running Jaeger. `endpoint` is for OTLP/HTTP, `query` is the URL of its API."""

    def __init__(self, port: int, query: int) -> None:
        self.endpoint, self.query = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{query}"

    def services(self) -> list[str]:
        """Return the names of all services."""
        return sorted(self._ask("/api/services") or ())

    def traces(self, service: str, limit: int = 100) -> list[Object]:
        """Return the newest traces of a service, in Jaeger's format."""
        found: list[Object] = self._ask(
            f"/api/traces?{urllib.parse.urlencode({'service': service, 'limit': limit})}"
        )
        return found

    def trace(self, trace_id: str) -> Object:
        """Return one trace; empty if it has not arrived."""
        try:
            found: list[Object] = self._ask(f"/api/traces/{trace_id}")
        except urllib.error.HTTPError as error:
            error.close()
            return {}
        return found[0]

    def dependencies(self) -> dict[tuple[str, str], int]:
        """Return the number of calls by caller and callee."""
        found = self._ask(f"/api/dependencies?endTs={time.time_ns() // 10**6}&lookback={LOOKBACK_MS}")
        edges = {(edge["parent"], edge["child"]): int(edge["callCount"]) for edge in found}
        # The store in memory also counts the spans of one service below each other.
        return {pair: count for pair, count in edges.items() if pair[0] != pair[1]}

    def _ask(self, path: str) -> Any:
        with urllib.request.urlopen(self.query + path, timeout=5) as reply:
            return json.load(reply)["data"]


@contextmanager
def collector(
    folder: Path, certificate: Path | None = None, token: str = "", forward: str = ""
) -> Iterator[Collector]:
    """Run a collector for the duration of the context.

    Args:
        folder: for its configuration, log and output.
        certificate: PEM file with key and certificate, for https at 127.0.0.1; http without one.
        token: the bearer token without which it answers 401; empty if it takes spans without one.
        forward: base URL of a receiver for OTLP/HTTP, which gets the spans as well; empty for none.
    """
    http, grpc = free_ports(2)
    config = folder / "collector.yaml"
    tls = f', tls: {{cert_file: "{certificate}", key_file: "{certificate}"}}' if certificate else ""
    document = yaml.safe_load(COLLECTOR.format(http=http, grpc=grpc, folder=folder, tls=tls))
    if token:
        document["extensions"] = {"bearertokenauth": {"token": token}}
        document["service"]["extensions"] = ["bearertokenauth"]
        document["receivers"]["otlp"]["protocols"]["http"]["auth"] = {"authenticator": "bearertokenauth"}
    if forward:
        document["exporters"]["otlp_http"] = {"endpoint": forward}
        document["service"]["pipelines"]["traces"]["exporters"].append("otlp_http")
    config.write_text(yaml.safe_dump(document))
    with _running("otelcol", config, folder / "collector.log", {}, lambda: _listens(http)):
        yield Collector(f"http{'s' if certificate else ''}://127.0.0.1:{http}", folder)


@contextmanager
def jaeger(folder: Path) -> Iterator[Jaeger]:
    """Run a Jaeger with a store in memory for the duration of the context.

    Args:
        folder: for its configuration and log.
    """
    http, grpc, query, query_grpc = free_ports(4)
    config = folder / "jaeger.yaml"
    config.write_text(JAEGER.format(http=http, grpc=grpc, query=query, query_grpc=query_grpc))
    environ = {"OTEL_TRACES_SAMPLER": "always_off"}  # otherwise Jaeger traces itself
    with _running(
        "jaeger", config, folder / "jaeger.log", environ, lambda: _listens(query) and _listens(http)
    ):
        yield Jaeger(http, query)


@contextmanager
def _running(
    binary: str, config: Path, log_file: Path, environ: Mapping[str, str], ready: Callable[[], bool]
) -> Iterator[None]:
    path = need_binaries() / binary
    assert path.exists(), f"{path} is missing: python tests/support/control_plane/build.py {binary}"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [path, "--config", config],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **environ},
            preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509  # a killed test run leaves nothing behind
        )
    try:
        end = time.monotonic() + READY_S
        while not ready():
            assert process.poll() is None, f"{binary} ended:\n{log_file.read_text()}"
            assert time.monotonic() < end, (
                f"{binary} does not listen after {READY_S:.0f} s:\n{log_file.read_text()}"
            )
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_ports(count: int) -> list[int]:
    """Return different loopback ports that are free now."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _attributes(body: Mapping[str, Any]) -> Object:
    return {a["key"]: next(iter(a["value"].values())) for a in body.get("attributes", ())}


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
