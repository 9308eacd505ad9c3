"""A kubelet's surroundings without processes: a fake API server and a fake runtime."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from spiko_local.kubelet.pod_records import PodRecords, Record
from spiko_local.nodes import parse_nodes
from spiko_local.objects import Object

NO_PID = 2**22 + 1  # larger than any pid of Linux: signals to it reach no process
(NODE,) = parse_nodes("kind: Cluster\nnodes: [{role: worker}]", "test")


def pod(name: str, uid: str = "", image: str = "spiko/nanoservice:1", **metadata: Any) -> Object:
    """A pod with one container on the node."""
    spec: Object = {"nodeName": NODE.name, "containers": [{"name": "c", "image": image}]}
    return {"metadata": {"name": name, "namespace": "default", "uid": uid or name, **metadata}, "spec": spec}


def secret(data: dict[str, bytes], version: int = 1) -> Object:
    """The Secret `keys`."""
    metadata = {"name": "keys", "namespace": "default", "resourceVersion": str(version)}
    return {"metadata": metadata, "data": {key: b64encode(value).decode() for key, value in data.items()}}


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition; at most 10 s."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


class FakeApi:
    """Has no pods and no Services, at most one Secret; records statuses, deletions, events and watches."""

    def __init__(self) -> None:
        self.statuses: list[Object] = []
        self.deleted: list[str] = []
        self.events: list[Object] = []
        self.secret: Object | None = None
        self.watching: list[str] = []
        self._queues: list[asyncio.Queue[Object]] = []

    async def call(self, method: str, path: str, body: Any = None, content: str = "") -> Object:
        """Answer one request."""
        if method == "PATCH" and "/pods/" in path:
            self.statuses.append(body["status"])
            return {"status": body["status"]}
        if method == "DELETE":
            self.deleted.append(path)
        if method == "POST" and path.endswith("/events"):
            self.events.append(body)
        if method == "GET" and "/secrets?" in path:
            items = [] if self.secret is None else [self.secret]
            return {"items": items, "metadata": {"resourceVersion": "1"}}
        return (
            {"items": [], "metadata": {"resourceVersion": "1"}, "gitVersion": "v1"} if method == "GET" else {}
        )

    async def watch(self, path: str, version: str) -> AsyncIterator[Object]:
        """Report the changes that `put` makes, until cancelled."""
        queue: asyncio.Queue[Object] = asyncio.Queue()
        self.watching.append(path)
        self._queues.append(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self.watching.remove(path)
            self._queues.remove(queue)

    def put(self, secret: Object | None) -> None:
        """Create, change or delete the Secret, and tell the watches."""
        kind = "ADDED" if self.secret is None else "DELETED" if secret is None else "MODIFIED"
        event = {"type": kind, "object": secret or self.secret}
        self.secret = secret
        for queue in self._queues:
            queue.put_nowait(event)


class FakeRuntime:
    """Starts no process; a container ends when a test calls `end`.

    Args:
        folder: for records and logs.
    """

    def __init__(self, folder: Path) -> None:
        self.logs = folder
        self.records = PodRecords(folder / "pods")
        self.commands: list[list[str]] = []
        self.environs: list[dict[str, str]] = []
        self._pids: dict[str, int] = {}
        self._codes: dict[int, asyncio.Future[int]] = {}

    async def start(self, record: Record, command: list[str], environ: dict[str, str]) -> Record:
        """Record the command."""
        self.commands.append(command)
        self.environs.append(environ)
        number = record.container + 1
        pid = NO_PID + len(self.commands)
        self._pids[record.uid] = pid
        self._codes[pid] = asyncio.get_running_loop().create_future()
        return replace(record, pid=pid, container=number, restarts=record.restarts + (number > 1))

    def adopt(self, uid: str, pid: int) -> None:
        """Take over a process that the test has started."""
        self._pids[uid] = pid
        self._codes[pid] = asyncio.get_running_loop().create_future()

    def end(self, uid: str, code: int = -9) -> None:
        """End a pod's container, if it has one that runs."""
        future = self._codes.get(self._pids.get(uid, 0))
        if future is not None and not future.done():
            future.set_result(code)

    async def ended(self, pid: int) -> int:
        """Wait for `end`."""
        return await asyncio.shield(self._codes[pid])

    def environment(self, uid: str, address: str) -> dict[str, str]:
        """Return the address and the folder of volumes."""
        return {"ADDRESS": address, "VOLUMES": str(self.volumes(uid))}

    def volumes(self, uid: str) -> Path:
        """Return a folder."""
        return self.logs / "volumes" / uid

    def log_file(self, uid: str, number: int) -> Path:
        """Return a path."""
        return self.logs / f"{uid}.{number}.log"

    def forget(self, record: Record) -> None:
        """Remove the record."""
        self.records.remove(record.uid)
