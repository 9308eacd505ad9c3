"""A request is answered whatever a callee sends, and whatever is raised on its way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import pytest

from spiko_nanoservice.contract import Instance, Package
from spiko_nanoservice.roles.registry import make_role
from spiko_nanoservice.routing.table import Routes
from spiko_nanoservice.settings import read_settings
from spiko_nanoservice.telemetry.export import Exporter
from spiko_nanoservice.telemetry.request_counters import RequestCounters
from spiko_nanoservice.telemetry.spans import Envelope
from spiko_nanoservice.telemetry.tracing import Tracer
from spiko_nanoservice.tier.tier import Tier
from spiko_nanoservice.wire.connection_pool import Pool
from spiko_nanoservice.wire.http_client import Reply
from spiko_nanoservice.wire.http_server import Server
from spiko_nanoservice.wire.internal_errors import internal_errors
from spiko_nanoservice.wire.request import Request


class FailingCounters(RequestCounters):
    """Counters with a defect."""

    def called(
        self, to: Instance, status: int, reason: str, response_us: int, service_us: int | None
    ) -> None:
        """Fail."""
        raise OverflowError("defect")


@asynccontextmanager
async def forwarder(counters: RequestCounters, callee: Callable[[Request], None]) -> AsyncIterator[Pool]:
    """Run an elb above one instance that `callee` serves; yield a pool of connections to the elb."""
    server = Server(callee)
    address, port = await server.listen("127.0.0.1", 0)
    names = ("ARCHITECTURE", "TIER", "REGION", "ZONE", "EUREKA", "POD_NAME")
    settings = read_settings({f"SPIKO_{name}": "x" for name in names} | {"SPIKO_PACKAGE": "elb"})
    routes = Routes("x")
    tracer = Tracer(Exporter(Envelope({}, "s", "1")), Random(1), address, port)
    tier = Tier(settings, make_role(Package.ELB), routes, counters, tracer, Random(1))
    routes.on_change = lambda: tier.update_routes("x")
    instance = {"id": "db-0", "tier": "db", "package": "store", "version": "1.0.0"}
    place = {"region": "x", "zone": "x", "address": address, "port": port}
    dependency = {"tier": "db", "weight": 1, "versions": [["1.0.0", 100]]}
    routes.replace("x", {"revision": 1, "dependencies": [dependency], "instances": [instance | place]})
    front = Server(tier.handle)
    pool = Pool(*await front.listen("127.0.0.1", 0))
    yield pool
    pool.close()
    tier.caller.close_unused([])
    await front.drain(1.0)
    await server.drain(1.0)
    assert (0, 0) == (front.busy, tier.busy)


async def get(pool: Pool) -> Reply:
    """Send a request to the elb."""
    return await pool.call(b"GET", b"/k/a", bytes, b"", 5.0)


async def test_a_defect_in_a_task_or_a_callback_is_a_500() -> None:
    """Given counters that raise, when calls go over a new and over a kept-alive connection, then each request
    gets a 500 and is counted.
    """
    before = internal_errors.total
    async with forwarder(FailingCounters(), lambda request: request.reply(200, b"x")) as pool:
        replies = [await get(pool) for _ in range(3)]

    assert [500] * 3 == [reply.status for reply in replies]
    assert 3 == internal_errors.total - before


async def test_a_defect_after_a_lost_connection_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    """Given a kept-alive connection that the callee closes instead of replying, then the call is repeated in
    a task, and a defect in that task is a 500.
    """
    served = 0

    def callee(request: Request) -> None:
        nonlocal served
        served += 1
        if served == 2:
            request.connection.abort()
        else:
            request.reply(200, b"x")

    async with forwarder(FailingCounters(), callee) as pool:
        replies = [await get(pool) for _ in range(2)]

    assert [500, 500] == [reply.status for reply in replies]
    assert 3 == served


@pytest.mark.parametrize("duration", [b"99999999999999999999", b"9" * 400, b"1e999", b"-1", b"3600001"])
async def test_an_impossible_service_time_does_not_cost_the_reply(duration: bytes) -> None:
    """Given a callee whose Server-Timing is impossible, then its replies are passed on and counted."""
    counters = RequestCounters()

    def callee(request: Request) -> None:
        asyncio.get_running_loop().call_soon(
            request.reply, 200, b"x", b"Server-Timing: app;dur=%b\r\n" % duration
        )

    async with forwarder(counters, callee) as pool:
        replies = [await get(pool) for _ in range(3)]

    assert [(200, b"x")] * 3 == [(reply.status, reply.body) for reply in replies]
    report = counters.take(0)
    assert report is not None
    assert [3] == [edge["ok"] for edge in report["edges"]]
    assert all("service" not in edge for edge in report["edges"])
