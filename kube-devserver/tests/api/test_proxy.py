"""Requests that the API server passes on to pods, directly or by a service."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from devserver_support.servers import Server

PODS, SERVICES = "/api/v1/namespaces/default/pods", "/api/v1/namespaces/default/services"
MERGE = "application/merge-patch+json"


class Echo(BaseHTTPRequestHandler):
    """Says what it was asked."""

    def do_GET(self) -> None:
        """Answer."""
        self._say(b"")

    def do_POST(self) -> None:
        """Answer with what was sent."""
        self._say(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def _say(self, sent: bytes) -> None:
        names = sorted(name.lower() for name in self.headers if name.lower() in ("authorization", "x-mine"))
        self.send_response(418 if self.path.endswith("teapot") else 200)
        self.send_header("X-Theirs", "yes")
        self.end_headers()
        self.wfile.write(f"{self.command} {self.path} {names} {sent.decode()}".encode())

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def pod(server: Server) -> Iterator[int]:
    """A pod that is ready, and a process that listens where it says; its port."""
    web = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    port = int(web.server_address[1])
    container = {"name": "c", "image": "x", "ports": [{"name": "http", "containerPort": port}]}
    spec = {"schedulerName": "nobody", "containers": [container]}
    server.ask("POST", PODS, {"metadata": {"name": "web", "labels": {"app": "web"}}, "spec": spec})
    status = {
        "podIP": "127.0.0.1",
        "podIPs": [{"ip": "127.0.0.1"}],
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    assert 200 == server.ask("PATCH", f"{PODS}/web/status", {"status": status}, MERGE).status
    service = {"selector": {"app": "web"}, "ports": [{"name": "main", "port": 80, "targetPort": "http"}]}
    server.ask("POST", SERVICES, {"metadata": {"name": "web"}, "spec": service})
    yield port
    web.shutdown()
    web.server_close()
    server.ask("DELETE", f"{PODS}/web?gracePeriodSeconds=0")
    server.ask("DELETE", f"{SERVICES}/web")


def test_a_pod_and_a_service_answer(server: Server, pod: int) -> None:
    """By name or number of a port, or without one; path, query and body arrive as they are, and who asked stays secret."""
    for name in ("web", f"web:{pod}", f"http:web:{pod}"):
        answer = server.ask("GET", f"{PODS}/{name}/proxy/a%20b/c?d=e%2Ff")
        assert (200, "GET /a%20b/c?d=e%2Ff [] ") == (answer.status, answer.body), name
        assert "yes" == answer.headers["X-Theirs"]
    for name in ("web", "web:80", "web:main"):
        assert "GET / [] " == server.ask("GET", f"{SERVICES}/{name}/proxy").body
    assert 'POST /x [] {"a": 1}' == server.ask("POST", f"{PODS}/web/proxy/x", {"a": 1}).body
    assert 418 == server.ask("GET", f"{PODS}/web/proxy/teapot").status


def test_nobody_answers(server: Server, pod: int) -> None:
    """A port that is closed, a name that means nothing, and an address that is no pod's of this machine."""
    closed = server.ask("GET", f"{PODS}/web:1/proxy/")
    assert (503, "error trying to reach service: dial tcp 127.0.0.1:1: connect: connection refused") == (
        closed.status,
        closed.body["message"],
    )
    assert 503 == server.ask("GET", f"{PODS}/web:none/proxy/").status
    assert 400 == server.ask("GET", f"{PODS}/a:b:c/proxy/").status
    server.ask(
        "PATCH",
        f"{PODS}/web/status",
        {"status": {"podIP": "169.254.169.254", "podIPs": [{"ip": "169.254.169.254"}]}},
        MERGE,
    )
    assert 400 == server.ask("GET", f"{PODS}/web/proxy/").status
