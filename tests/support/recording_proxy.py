"""A plain HTTP proxy to the API server of a local cluster, which records the requests of one operator."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from aiohttp import ClientSession, ClientTimeout, web

from spiko_operator.cluster.connection import Access, Connection

HOP_BY_HOP = frozenset({"host", "connection", "content-length", "transfer-encoding", "authorization"})
READS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass
class Recorded:
    """A request; times are monotonic seconds. `status` is 0 until it was answered."""

    method: str
    path: str
    body: dict[str, Any]
    arrived_s: float
    status: int = 0
    answered_s: float = 0.0

    @property
    def is_write(self) -> bool:
        """Whether it writes anything but the Lease."""
        return self.method not in READS and "/leases" not in self.path


class RecordingProxy:
    """A running proxy; its `port` is on 127.0.0.1."""

    def __init__(self, kubeconfig: Path) -> None:
        self.requests: list[Recorded] = []
        self.port = 0
        self._kubeconfig = kubeconfig
        self._ready, self._end = threading.Event(), asyncio.Event()
        self._runner = asyncio.Runner()

    def write_kubeconfig(self, path: Path) -> None:
        """Write a kubeconfig with the address of the proxy."""
        document = {
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [{"name": "c", "user": {"token": "unused"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        }
        path.write_text(yaml.safe_dump(document))

    def run(self) -> None:
        """Serve until `stop`, in a thread of its own."""
        with self._runner:  # which also cancels watches at its end
            self._runner.run(self._serve())

    def wait(self) -> None:
        """Wait until the proxy listens."""
        assert self._ready.wait(10)

    def stop(self) -> None:
        """Stop to serve."""
        self._runner.get_loop().call_soon_threadsafe(self._end.set)

    async def _serve(self) -> None:
        connection = await Connection.connect(str(self._kubeconfig), None, 30.0)
        access = await connection.access()
        async with ClientSession(timeout=ClientTimeout(total=None), auto_decompress=False) as session:

            async def answer(request: web.BaseRequest) -> web.StreamResponse:
                return await self._forward(request, session, connection.server, access)

            runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.port = runner.addresses[0][1]
            self._ready.set()
            await self._end.wait()
            await runner.cleanup()
        await connection.close()

    async def _forward(
        self, request: web.BaseRequest, session: ClientSession, server: str, access: Access
    ) -> web.StreamResponse:
        arrived_s, text = time.monotonic(), await request.read()
        made = Recorded(request.method, request.path, json.loads(text) if text else {}, arrived_s)
        self.requests.append(made)
        headers = {key: value for key, value in request.headers.items() if key.lower() not in HOP_BY_HOP}
        async with session.request(
            request.method,
            server + request.path_qs,
            data=text or None,
            headers=headers | dict(access.headers),
            ssl=access.context,
        ) as answer:
            kept = {key: value for key, value in answer.headers.items() if key.lower() not in HOP_BY_HOP}
            response = web.StreamResponse(status=answer.status, headers=kept)
            try:
                with contextlib.suppress(ConnectionError):  # an operator that has ended reads no watch
                    await response.prepare(request)
                    async for chunk in answer.content.iter_any():
                        await response.write(chunk)
            finally:
                # A watch: closing it would wait for the end of TLS, and the loop ends before.
                if answer.connection is not None and answer.connection.transport is not None:
                    answer.connection.transport.abort()
        made.status, made.answered_s = answer.status, time.monotonic()
        return response


@contextmanager
def recording_proxy(kubeconfig: Path) -> Iterator[RecordingProxy]:
    """Run a proxy to the API server of a kubeconfig for the duration of the context."""
    made = RecordingProxy(kubeconfig)
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    made.wait()
    try:
        yield made
    finally:
        made.stop()
        thread.join(10)
