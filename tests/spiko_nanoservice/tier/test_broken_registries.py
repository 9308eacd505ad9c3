"""Registries whose connections break at once: pods and eurekas back off before they try again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from spiko_nanoservice.contract import EUREKA_PORT
from spiko_nanoservice.contract.handshake import Purpose
from tests.support.keys import admit
from tests.support.loopback_cluster import LoopbackCluster, configuration, loopback_cluster, tier

Object = dict[str, Any]
CONFIG = {"revision": {"term": 0, "counter": 1}}
WELCOME = {"t": "welcome", "config": CONFIG, "slot": None, "grant": None}
TABLE = {"t": "table", "revision": 1, "partial": False, "dependencies": [], "instances": [], "rings": {}}
DELTA = {"t": "delta", "base": 7, "revision": 8, "add": [], "remove": []}


@asynccontextmanager
async def broken(t: LoopbackCluster, *words: Object) -> AsyncIterator[list[float]]:
    """Run a server in place of a eureka that sends these messages and closes; yield the times of the
    connections.
    """
    asked: list[float] = []

    async def answer(request: web.Request) -> web.WebSocketResponse:
        asked.append(asyncio.get_running_loop().time())
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        purpose = Purpose.PEER if request.path == "/peer" else Purpose.JOIN
        await admit(socket, purpose, address)
        for word in words:
            await socket.send_json(word)
        await asyncio.sleep(0.001)
        await socket.close()
        return socket

    address = t.settings("broken", "eureka", "eureka").address
    application = web.Application()
    application.router.add_get("/register", answer)
    application.router.add_get("/peer", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, address, EUREKA_PORT).start()
    t.names["arch-eureka.default"].append(address)
    try:
        yield asked
    finally:
        await runner.cleanup()


ROWS = [
    ("closed at once", ()),
    ("a table that cannot be read", (WELCOME, {"t": "table", "revision": 1})),
    ("a delta of another base", (WELCOME, TABLE, DELTA)),
]  # fmt: skip


@pytest.mark.parametrize("words", [row[1] for row in ROWS], ids=[row[0] for row in ROWS])
async def test_a_pod_backs_off_from_connections_that_break_at_once(words: tuple[Object, ...]) -> None:
    """Given a eureka whose connections break at once, then the pod's pauses grow."""
    async with loopback_cluster() as t, broken(t, *words) as asked:
        await t.add("db-0", "db", "store")
        await asyncio.sleep(2.0)

    assert 3 <= len(asked) <= 12
    assert asked[-1] - asked[-2] > asked[1] - asked[0]


async def test_a_eureka_pauses_between_connections_to_another() -> None:
    """Given a eureka whose connections break at once, then another one pauses before it connects again."""
    async with loopback_cluster() as t, broken(t) as asked:
        await t.add_eureka("a", configuration(tier("db", "store")))
        await asyncio.sleep(2.0)

    assert 2 <= len(asked) <= 11
