"""Writes of an operator that does not lead, against an HTTP server on loopback: none reaches it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from spiko_operator.cluster.client import Client
from spiko_operator.cluster.events import Recorder
from spiko_operator.cluster.write_guard import WriteGuard
from spiko_operator.errors import NotLeader
from spiko_operator.plan.actions import Emit
from tests.spiko_operator.cluster.test_client import NOTHING, api_server, write_kubeconfig

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a", "namespace": "default", "uid": "u"},
}


class Clock:
    """A clock that the test sets; with `left`, it jumps after so many looks at it."""

    def __init__(self) -> None:
        self.now_s, self.left = 100.0, -1

    def __call__(self) -> float:
        """Return the time."""
        self.left -= 1
        return self.now_s if self.left != -1 else 999.0


class Server:
    """Counts writes; a read waits while `busy` is set."""

    def __init__(self) -> None:
        self.writes: list[str] = []
        self.reads = 0
        self.busy = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer any request."""
        if request.method == "GET":
            self.reads += 1
            await self.busy.wait()
        else:
            self.writes.append(f"{request.method} {request.path.rpartition('/')[2]}")
        return web.json_response(NOTHING | POD)


@asynccontextmanager
async def guarded(folder: Path, clock: Clock) -> AsyncIterator[tuple[Server, WriteGuard, Client]]:
    """Run a server and a client of it with a guard; reads are answered at once."""
    made, guard = Server(), WriteGuard(clock)
    made.busy.set()
    async with api_server(made.answer) as server:
        write_kubeconfig(folder / "config", server, "t")
        client = await Client.connect(str(folder / "config"), guard=guard)
        try:
            yield made, guard, client
        finally:
            await client.close()


async def write_all(client: Client) -> list[BaseException | None]:
    """Send a write of every verb; return what each raised."""
    meta = ("Pod", "default", "a", "u")
    writes = (
        client.create("Pod", POD, "m"),
        client.apply(POD, "m"),
        client.patch(POD, {"spec": {}}, "u", "m"),
        client.replace("Pod", POD, "m"),
        client.patch_status(*meta, {"phase": "x"}, "m"),
        client.delete(*meta),
        client.evict("default", "a", "u", "7"),
    )
    return [
        answer if isinstance(answer, BaseException) else None
        for answer in await asyncio.gather(*writes, return_exceptions=True)
    ]


async def test_every_verb_that_writes_is_guarded(tmp_path: Path) -> None:
    """Given a guard, then writes are sent only between an extension and its end, and reads always."""
    clock = Clock()
    async with guarded(tmp_path, clock) as (server, guard, client):
        before = await write_all(client)
        assert (len(before), {type(error) for error in before}) == (7, {NotLeader})
        assert server.writes == []
        await client.list("Pod")
        guard.extend(110.0)
        assert await write_all(client) == [None] * 7
        assert len(server.writes) == 7
        clock.now_s = 110.0
        assert {type(error) for error in await write_all(client)} == {NotLeader}
        guard.extend(120.0)
        guard.revoke()
        assert {type(error) for error in await write_all(client)} == {NotLeader}
        assert len(server.writes) == 7
        await client.list("Pod")


async def test_write_that_waited_for_a_connection_is_checked_when_it_is_sent(tmp_path: Path) -> None:
    """Given a busy pool of connections, when leadership ends while a write waits, then it is not sent."""
    clock = Clock()
    async with guarded(tmp_path, clock) as (server, guard, client):
        guard.extend(110.0)
        server.busy.clear()
        reads = [asyncio.create_task(client.list("Pod")) for _ in range(120)]  # more than the pool has
        while server.reads < 100:
            await asyncio.sleep(0.01)
        writing = asyncio.create_task(client.delete("Pod", "default", "a", "u"))
        await asyncio.sleep(0.05)
        clock.now_s = 110.0
        server.busy.set()
        await asyncio.gather(*reads)

        with pytest.raises(NotLeader):
            await asyncio.wait_for(writing, 5)
        assert server.writes == []


@pytest.mark.parametrize("looks", [0, 1])
async def test_write_is_checked_again_right_before_its_bytes(looks: int, tmp_path: Path) -> None:
    """Given a process that is paused before or after the first check, then no byte of the write is sent, and
    the connection pool stays usable.
    """
    clock = Clock()
    async with guarded(tmp_path, clock) as (server, guard, client):
        guard.extend(110.0)
        clock.left = looks
        with pytest.raises(NotLeader):
            await asyncio.wait_for(client.create("Pod", POD, "m"), 5)
        assert server.writes == []
        guard.extend(110.0)
        await client.create("Pod", POD, "m")
        assert server.writes == ["POST pods"]


async def test_event_is_guarded_and_no_line_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Given an operator that does not lead, when it emits an event, then its pass ends, and none is sent."""
    async with guarded(tmp_path, Clock()) as (server, _, client):
        with caplog.at_level(logging.INFO), pytest.raises(NotLeader):
            await Recorder(client).emit(Emit("Normal", "Applied", "text"), POD)
        assert server.writes == []
    assert not [record for record in caplog.records if record.name == "spiko.operator"]
