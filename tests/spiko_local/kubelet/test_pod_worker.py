"""A pod's worker and the kubelet around it, when something happens that nobody foresaw."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from spiko_local.kubelet.containers import signal_session
from spiko_local.kubelet.kubelet import Kubelet
from spiko_local.kubelet.pod_records import Record
from spiko_local.kubelet.pod_worker import PodWorker
from spiko_local.nodes import parse_nodes

Object = dict[str, Any]
(NODE,) = parse_nodes("kind: Cluster\nnodes: [{role: worker}]", "test")


class Server:
    """Has no pods and no Services, and notes what it is told."""

    def __init__(self) -> None:
        self.statuses: list[Object] = []
        self.deleted: list[str] = []

    async def call(self, method: str, path: str, body: Any = None, content: str = "") -> Object:
        """One request."""
        if method == "PATCH" and "/pods/" in path:
            self.statuses.append(body["status"])
            return {"status": body["status"]}
        if method == "DELETE":
            self.deleted.append(path)
        return {"items": [], "metadata": {"resourceVersion": "1"}, "gitVersion": "v1"} if method == "GET" else {}

    async def watch(self, path: str, version: str) -> AsyncIterator[Object]:
        """Nothing happens."""
        await asyncio.Event().wait()
        yield {}


def kubelet(state: Path, server: Server) -> Kubelet:
    """One that plays one node."""
    return Kubelet(server, (NODE,), state, "spiko_nanoservice.process", None)  # type: ignore[arg-type]


async def until(asked: Callable[[], bool]) -> None:
    """Ask for ten seconds."""
    async with asyncio.timeout(10):
        while not asked():  # a process's end is told to nobody but its parent
            await asyncio.sleep(0.01)


def waiting(status: Object) -> Object:
    """What a container waits for."""
    found: Object = status["containerStatuses"][0]["state"].get("waiting") or {}
    return found


async def test_a_worker_that_fails_says_so_and_waits_to_be_deleted(tmp_path: Path) -> None:
    """An entry without a name in the environment: the pod does not go on saying that it runs, and can be deleted."""
    server = Server()
    made = kubelet(tmp_path, server)
    spec = {
        "nodeName": NODE.name,
        "containers": [{"name": "c", "image": "spiko/nanoservice:1", "env": [{"value": "x"}]}],
    }
    metadata: Object = {"name": "p", "namespace": "default", "uid": "u"}
    pod: Object = {"metadata": metadata, "spec": spec}
    worker = made.workers["u"] = PodWorker(made, pod, Record("u", "default", "p", NODE.name, 1))
    running = asyncio.create_task(worker.run())
    await until(lambda: bool(server.statuses) and "reason" in waiting(server.statuses[-1]))

    assert waiting(server.statuses[-1]) == {"reason": "CreateContainerError", "message": "KeyError: 'name'"}
    assert not running.done()
    worker.update(pod | {"metadata": metadata | {"deletionTimestamp": "2026-01-01T00:00:00Z"}})
    async with asyncio.timeout(10):
        await running
    assert server.deleted == ["/api/v1/namespaces/default/pods/p"]
    assert made.workers == {}


def test_a_session_is_signalled_whatever_is_left_of_it() -> None:
    """A process that leads no group of its own is killed; of one that has gone between two looks nothing is said."""
    with subprocess.Popen(["sleep", "60"]) as process:
        signal_session(process.pid, signal.SIGKILL)

        assert process.wait(10) == -signal.SIGKILL
        signal_session(process.pid, signal.SIGKILL)
