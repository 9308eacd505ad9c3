"""An API of external metrics, as adapters serve it to autoscalers, with one metric."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.certificates import make_authority, make_certificate
from tests.support.local_cluster import Cluster

GROUP, VERSION = "external.metrics.k8s.io", "v1beta1"
METRIC = "requests-per-second"
SERVICE = "metrics"


class Metric:
    """The value of the metric in every namespace."""

    def __init__(self) -> None:
        self.value = 0

    def answer(self, path: str) -> dict[str, Any] | None:
        """Return the body of an answer; None for a path that does not exist."""
        root = f"/apis/{GROUP}/{VERSION}"
        if path == root:
            return {
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": f"{GROUP}/{VERSION}",
                "resources": [],
            }
        if not (path.startswith(f"{root}/namespaces/") and path.endswith(f"/{METRIC}")):
            return None
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        item = {"metricName": METRIC, "metricLabels": {}, "timestamp": now, "value": str(self.value)}
        return {
            "kind": "ExternalMetricValueList",
            "apiVersion": f"{GROUP}/{VERSION}",
            "metadata": {},
            "items": [item],
        }


@contextmanager
def external_metric(cluster: Cluster, namespace: str, folder: Path) -> Iterator[Metric]:
    """Register an API of external metrics at the API server for the duration of the context."""
    metric = Metric()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = metric.answer(self.path.partition("?")[0])
            text = json.dumps(body or {}).encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *args: Any) -> None:
            """Stay silent."""

    authority = make_authority()
    context = make_certificate(authority, f"{SERVICE}.{namespace}.svc").server_context(folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        service, registration = _registration(namespace, server.server_address[1], authority.pem)
        cluster.apply(service, namespace)
        cluster.apply(registration)
        try:
            yield metric
        finally:
            # Without its server a registered API keeps namespaces from being deleted.
            cluster.kubectl("delete", "apiservice", f"{VERSION}.{GROUP}")
            server.shutdown()


def _registration(namespace: str, port: int, authority: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a Service that the API server reaches without a proxy of Services, and the APIService."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": SERVICE},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    }
    registration = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"{VERSION}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "version": VERSION,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "caBundle": base64.b64encode(authority).decode(),
            "service": {"namespace": namespace, "name": SERVICE, "port": port},
        },
    }
    return service, registration
