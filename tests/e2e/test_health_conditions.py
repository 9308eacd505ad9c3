"""The conditions Serving and Exporting follow what pods report."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.support.architectures import shop
from tests.support.collectors import free_ports
from tests.support.local_cluster import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.built_in]
BOTH = [{"version": "1.0.0"}, {"version": "1.1.0", "replicas": 3, "behavior": {"errorsPerMillion": 1000000}}]


class _Taker(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Stay silent."""


@contextmanager
def taking_spans() -> Iterator[str]:
    """Run a collector that takes every span; yields its base URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Taker) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_serving_follows_the_requests_of_the_sources(cluster: Cluster, namespace: str) -> None:
    """Given a Ready architecture, when all requests go to a version that fails, then Serving is False and
    names the edge, with every pod Ready; back on the other version it is True again.
    """

    def split(good: int, bad: int) -> None:
        weights: Any = [{"version": "1.0.0", "weight": good}, {"version": "1.1.0", "weight": bad}]
        cluster.apply(shop(web={"versions": BOTH, "routing": {"split": weights}}), namespace)
        cluster.until_settled("shop", namespace)

    def serving() -> dict[str, Any]:
        return cluster.condition("arch", "shop", "Serving", namespace)

    split(100, 0)
    cluster.until_true("shop", "Serving", namespace)
    split(0, 100)
    cluster.until("Serving=False", lambda: serving()["status"] == "False", 40)
    broken = serving()
    assert broken["reason"] == "RequestsFail"
    assert "lb 1.0.0 -> web 1.1.0 (injected)" in broken["message"]
    assert cluster.condition("arch", "shop", "Ready", namespace)["status"] == "True"
    split(100, 0)
    cluster.until("Serving=True", lambda: serving()["status"] == "True", 40)
    events = cluster.items("events", namespace)
    assert [e for e in events if e["reason"] == "RequestsFail" and e["type"] == "Warning"]


def test_exporting_follows_the_collector(cluster: Cluster, namespace: str) -> None:
    """Given a collector that is down, then Exporting is False and names endpoint, pods and error; with
    another one that takes spans it is True, and without an endpoint the condition is absent.
    """
    body = shop()
    dead = f"http://127.0.0.1:{free_ports(1)[0]}"
    body["spec"]["telemetry"] = {"otlpEndpoint": dead}
    cluster.apply(body, namespace)

    def exporting() -> dict[str, Any]:
        return cluster.condition("arch", "shop", "Exporting", namespace)

    cluster.until("Exporting=False", lambda: exporting().get("status") == "False", 60)
    failing = exporting()
    assert failing["reason"] == "ExportFails"
    assert failing["message"].startswith(f"{dead} does not take the spans of ")
    assert failing["message"].endswith(" pods: refused")

    with taking_spans() as alive:
        body["spec"]["telemetry"] = {"otlpEndpoint": alive}
        cluster.apply(body, namespace)
        cluster.until("Exporting=True", lambda: exporting().get("status") == "True", 60)
        assert alive in exporting()["message"]
        body["spec"].pop("telemetry")
        cluster.apply(body, namespace)
        cluster.until("no condition", lambda: not exporting())
