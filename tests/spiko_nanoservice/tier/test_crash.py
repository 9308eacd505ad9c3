"""A crash that a eureka delivers ends the process of one pod as kill -9 does, and no other process."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from typing import Any

from aiohttp import ClientSession

from spiko_nanoservice.settings import Settings
from tests.support.keys import open_session, volumes_root
from tests.support.loopback_cluster import configuration, loopback_cluster, tier, until
from tests.support.name_service import name_service

CONFIGURATION = configuration(tier("front", "monolith", "db"), tier("db", "store"))


async def answer(socket: Any, kind: str) -> dict[str, Any]:
    """Return the next message of a kind."""
    async with asyncio.timeout(5):
        while True:
            message: dict[str, Any] = await socket.receive_json()
            if message["t"] == kind:
                return message


async def start(settings: Settings, resolver: str) -> asyncio.subprocess.Process:
    """Start a pod in a process of its own."""
    environ = os.environ | {
        "SPIKO_ARCHITECTURE": settings.architecture,
        "SPIKO_TIER": settings.tier,
        "SPIKO_PACKAGE": settings.package,
        "SPIKO_REGION": settings.region,
        "SPIKO_ZONE": settings.zone,
        "SPIKO_POD_NAME": settings.pod_name,
        "SPIKO_POD_UID": settings.pod_uid,
        "SPIKO_POD_IP": settings.address,
        "SPIKO_BIND_ADDRESS": settings.address,
        "SPIKO_EUREKA": "arch-eureka-a",
        "SPIKO_RESOLVER": resolver,
        "SPIKO_VOLUMES_ROOT": volumes_root(),
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "spiko_nanoservice", env=environ, stdout=asyncio.subprocess.PIPE
    )


async def test_a_crash_ends_only_the_process_it_names() -> None:
    """Given a pod in a process of its own, when a crash names an earlier start, then the pod keeps running;
    when it names its own, then it exits with 137.
    """
    async with AsyncExitStack() as stack:
        t, session = (
            await stack.enter_async_context(loopback_cluster()),
            await stack.enter_async_context(ClientSession()),
        )
        eureka = await t.add_eureka("a", CONFIGURATION)
        address = t.names["arch-eureka-a.default"][0]
        resolver = await stack.enter_async_context(name_service(address))
        front = await t.add("front-0", "front", "monolith")
        settings = t.settings("db-0", "db", "store")
        process = await start(settings, resolver)
        await until(lambda: len(front.tier.routes.instances) == 1, 20.0)
        async with await open_session(session, address, "/control") as socket:
            await socket.send_json({"t": "follow", "id": "db-0"})
            followed = await answer(socket, "holders")
            await socket.send_json({"t": "crash", "id": "db-0", "process": followed["process"] - 1})
            wrong = await answer(socket, "crashed")
            await socket.send_json({"t": "crash", "id": "unknown", "process": 1})
            unknown = await answer(socket, "crashed")
            assert "db-0" in {hello.id for hello in eureka.eureka.registry.entries.own_hellos()}
            await socket.send_json({"t": "crash", "id": "db-0", "process": followed["process"]})
            right = await answer(socket, "crashed")
            output, _ = await asyncio.wait_for(process.communicate(), 10)
            left = await answer(socket, "holders")

    assert [False, False, True] == [message["sent"] for message in (wrong, unknown, right)]
    assert (1, 0) == (followed["holders"], left["holders"])
    assert process.returncode == 137
    assert b"a Fault crashes this pod" in output
