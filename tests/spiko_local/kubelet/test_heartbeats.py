"""Heartbeats: what a kubelet writes about its nodes."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from spiko_local.errors import ApiError
from spiko_local.kubelet.heartbeats import keep_node
from spiko_local.nodes import parse_nodes

(NODE,) = parse_nodes("kind: Cluster\nnodes: [{role: worker, labels: {zone: a}}]", "test")


class Server:
    """An API server with one node and one lease; records writes."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.writes: list[str] = []

    async def call(self, method: str, path: str, body: Any = None, content: str = "") -> dict[str, Any]:
        """Answer one request."""
        if path == "/version":
            return {"gitVersion": "v1"}
        kind = "lease" if "leases" in path else "status" if path.endswith("/status") else "node"
        if method != "GET":
            self.writes.append(f"{method} {kind}")
        if method == "POST":
            self.objects[kind] = body
        elif kind == "status":
            self.objects["node"] |= body
        elif kind != "status" and kind not in self.objects:
            raise ApiError("not found", 404)
        return self.objects.get(kind, {})


async def first_writes(server: Server) -> list[str]:
    """Return what a new kubelet writes at its start."""
    server.writes = []
    task = asyncio.create_task(keep_node(server, NODE))  # type: ignore[arg-type]
    await asyncio.sleep(0.05)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return server.writes


async def test_a_node_is_written_only_if_it_lacks_something() -> None:
    """Given no node, a complete node and one without a label, then it is created, left alone and labeled."""
    server = Server()

    assert await first_writes(server) == ["POST node", "PATCH status", "PATCH lease", "POST lease"]
    assert await first_writes(server) == ["PATCH status", "PATCH lease"]
    del server.objects["node"]["metadata"]["labels"]["zone"]
    assert await first_writes(server) == ["PATCH node", "PATCH status", "PATCH lease"]


async def test_a_node_marked_not_ready_is_written_at_the_next_lease() -> None:
    """Given a Ready node, when Ready becomes Unknown, then the status is written at the next lease."""
    server = Server()
    task = asyncio.create_task(keep_node(server, NODE, 0.02))  # type: ignore[arg-type]
    await asyncio.sleep(0.05)
    server.writes = []
    await asyncio.sleep(0.05)
    assert "PATCH status" not in server.writes
    server.objects["node"]["status"]["conditions"][0]["status"] = "Unknown"
    await asyncio.sleep(0.1)
    task.cancel()

    assert server.writes.count("PATCH status") == 1
    assert server.objects["node"]["status"]["conditions"][0]["status"] == "True"
