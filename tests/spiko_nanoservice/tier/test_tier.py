"""Tiers on loopback: requests, routes, deadlines, leaving."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from spiko_nanoservice.wire.connection_pool import Pool
from spiko_nanoservice.wire.request import Request
from tests.support.loopback_cluster import ask, configuration, loopback_cluster, tier, until

DELAYED_ERRORS = '{"errorsPerMillion": 1000000, "serviceTime": {"constant": {"microseconds": 1000000}}}'
CHAIN = configuration(tier("front", "monolith", "db"), tier("db", "store"))


async def test_a_get_is_forwarded_and_its_reply_returned() -> None:
    """Given a monolith above a store, then a GET returns the store's value, and an unknown key is a 404."""
    async with loopback_cluster() as t:
        await t.add_eureka("a", CHAIN)
        await t.add("db-0", "db", "store")
        front = await t.add("front-0", "front", "monolith")
        await until(lambda: front.tier.routes.has_route)

        known = await ask(front, "GET", "/k/why%3F")
        unknown = await ask(front, "GET", "/k/unknown")

    assert (known.status, known.body) == (200, b"because...")
    assert unknown.status == 404
    assert known.service_us is not None


async def test_a_put_can_be_read() -> None:
    """Given a PUT through a monolith, then the store keeps it and a GET returns it."""
    async with loopback_cluster() as t:
        await t.add_eureka("a", CHAIN)
        await t.add("db-0", "db", "store")
        front = await t.add("front-0", "front", "monolith")
        await until(lambda: front.tier.routes.has_route)

        put = await ask(front, "PUT", "/k/a%20b", b"me")
        got = await ask(front, "GET", "/k/a%20b")

    assert (put.status, got.status, got.body) == (200, 200, b"me")


async def test_writes_are_counted_apart_from_reads() -> None:
    """Given two PUTs, three hits and a miss, then the edge and both servers have 5 ok, of these 2 writes, and
    1 miss.
    """
    async with loopback_cluster() as t:
        eureka = await t.add_eureka("a", CHAIN)
        await t.add("db-0", "db", "store")
        front = await t.add("front-0", "front", "monolith")
        await until(lambda: front.tier.routes.has_route)
        for method, key in (("PUT", "a"), ("PUT", "b"), *[("GET", "a")] * 3, ("GET", "c")):
            await ask(front, method, f"/k/{key}", b"x" if method == "PUT" else b"")

        def entries() -> list[dict[str, Any]]:
            eureka.eureka.totals.second("e")
            totals = eureka.eureka.totals.totals()
            return [*totals["edges"], *totals["served"]]

        await until(lambda: len(entries()) == 3)
        found = [(entry["ok"], entry["writes"], entry["miss"]) for entry in entries()]

    assert [(5, 2, 1)] * 3 == found


async def test_without_an_instance_the_reply_is_no_route() -> None:
    """Given a router whose dependency has no instance, then the reply is 503 with reason no_route."""
    async with loopback_cluster() as t:
        await t.add_eureka("a", CHAIN)
        front = await t.add("front-0", "front", "monolith")
        await until(lambda: front.tier.ready)

        reply = await ask(front, "GET", "/k/x")

    assert (reply.status, reply.reason) == (503, "no_route")


async def test_a_passed_deadline_is_a_504_and_causes_no_call() -> None:
    """Given a request without time left, then the hop replies 504 and does not call its dependency."""
    async with loopback_cluster() as t:
        await t.add_eureka("a", CHAIN)
        store = await t.add("db-0", "db", "store")
        front = await t.add(
            "front-0",
            "front",
            "monolith",
            SPIKO_BEHAVIOR='{"serviceTime": {"constant": {"microseconds": 50000}}}',
        )
        await until(lambda: front.tier.routes.has_route)

        reply = await ask(front, "GET", "/k/x", headers="spiko-deadline-ms: 20\r\n")
        served = store.tier.counters.take(0)

    assert (reply.status, reply.reason) == (504, "timeout")
    assert served is None


async def test_headers_that_are_too_long_are_not_passed_on() -> None:
    """Given baggage and trace state of more than 8,192 bytes, then they end at the first hop and the request
    does not.
    """
    received: list[tuple[bytes | None, bytes | None]] = []
    parent = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
    async with loopback_cluster() as t:
        await t.add_eureka("a", CHAIN)
        store = await t.add("db-0", "db", "store")
        front = await t.add("front-0", "front", "monolith")
        await until(lambda: front.tier.routes.has_route)
        handle = store.server.handler

        def record(request: Request) -> None:
            received.append((request.baggage, request.tracestate))
            handle(request)

        store.server.handler = record
        for size in (8_190, 8_191):
            value = "a=" + "x" * size
            await ask(
                front, "GET", "/k/why%3F", headers=f"{parent}baggage: {value}\r\ntracestate: {value}\r\n"
            )

    assert [8_192, 8_192, None, None] == [value and len(value) for pair in received for value in pair]


async def test_an_error_share_of_all_requests_fails_every_request() -> None:
    """Given errorsPerMillion of a million, then every reply is 503, reason injected, without the service
    time.
    """
    async with loopback_cluster() as t:
        await t.add_eureka("a", CHAIN)
        store = await t.add("db-0", "db", "store", SPIKO_BEHAVIOR=DELAYED_ERRORS)
        await until(lambda: store.tier.ready)
        began = time.monotonic()
        reply = await ask(store, "GET", "/k/x")
        took_s = time.monotonic() - began

    assert (reply.status, reply.reason) == (503, "injected")
    assert took_s < 0.5


async def test_stores_that_depend_on_themselves_replicate() -> None:
    """Given three stores, then a PUT reaches every connected instance of the package, and is not copied
    again.
    """
    async with loopback_cluster() as t:
        await t.add_eureka("a", configuration(tier("db", "store", "db", count=3)))
        stores = [await t.add(f"db-{i}", "db", "store") for i in range(3)]
        await until(lambda: all(len(s.tier.routes.instances) == 2 for s in stores))

        await ask(stores[0], "PUT", "/k/x", b"1")
        values = []
        for store in stores[1:]:
            for _ in range(100):
                reply = await ask(store, "GET", "/k/x")
                if reply.status == 200:
                    break
                await asyncio.sleep(0.01)
            values.append(reply.body)

    assert values == [b"1", b"1"]


async def test_a_leaving_store_waits_for_the_copies_of_its_writes() -> None:
    """Given a write that is answered before it is copied, when the store leaves, then it exits after the copy
    is kept.
    """
    slow = '{"serviceTime": {"constant": {"microseconds": 600000}}}'
    async with loopback_cluster() as t:
        eureka = await t.add_eureka("a", configuration(tier("db", "store", "db", count=2)))
        first = await t.add("db-0", "db", "store")
        second = await t.add("db-1", "db", "store", SPIKO_BEHAVIOR=slow)
        await until(lambda: len(first.tier.routes.instances) == len(second.tier.routes.instances) == 1)

        await ask(first, "PUT", "/k/x", b"1")
        await t.stop("db-0")
        kept = second.tier.counters.take(0)
        await until(
            lambda: (
                eureka.eureka.totals.second("e") is not None or bool(eureka.eureka.totals.totals()["edges"])
            )
        )
        edges = eureka.eureka.totals.totals()["edges"]

    assert kept is not None
    assert kept["served"]["ok"] == 1
    assert [1] == [edge["ok"] for edge in edges]


async def test_leaving_in_order_fails_no_request() -> None:
    """Given requests through a monolith, when one of two stores leaves, then every request succeeds."""
    async with loopback_cluster() as t:
        await t.add_eureka("a", configuration(tier("front", "monolith", "db"), tier("db", "store", count=2)))
        for i in range(2):
            await t.add(f"db-{i}", "db", "store")
        front = await t.add("front-0", "front", "monolith")
        await until(lambda: len(front.tier.routes.instances) == 2)
        pool = Pool(front.settings.address, front.port)
        statuses = []

        async def load() -> None:
            for _ in range(400):
                statuses.append((await pool.call(b"GET", b"/k/why%3F", lambda: b"", b"", 2.0)).status)
                await asyncio.sleep(0.002)

        await asyncio.gather(load(), t.stop("db-0"))
        pool.close()

    assert {200} == set(statuses)


async def test_without_eurekas_a_pod_routes_by_its_last_table() -> None:
    """Given a pod whose eurekas are gone, then it routes by its last table, and registers again when one
    returns.
    """
    async with loopback_cluster() as t:
        await t.add_eureka("a", CHAIN)
        await t.add("db-0", "db", "store")
        front = await t.add("front-0", "front", "monolith")
        await until(lambda: front.tier.routes.has_route)

        await t.stop("eureka-a")
        t.names["arch-eureka.default"].clear()
        alone = await ask(front, "GET", "/k/why%3F")
        again = await t.add_eureka("a", configuration(*CHAIN.tiers, started=True))
        await until(lambda: len(again.eureka.registry.entries.known) == 2)
        back = await ask(front, "GET", "/k/why%3F")

    assert (alone.status, back.status) == (200, 200)


async def test_a_source_keeps_its_rate_and_every_request_is_answered() -> None:
    """Given a denominator, then it sends at its rate, misses are not errors, and the totals of its eureka
    have every call.
    """
    tiers = (tier("www", "denominator", "front", rate=200), *CHAIN.tiers)
    async with loopback_cluster() as t:
        eureka = await t.add_eureka("a", configuration(*tiers))
        await t.add("db-0", "db", "store")
        front = await t.add("front-0", "front", "monolith")
        await until(lambda: front.tier.routes.has_route)
        await t.add("www-0", "www", "denominator")
        await asyncio.sleep(0.3)
        assert not front.tier.counters.take(0), "a source holds back until the architecture was ready once"
        ready = configuration(*tiers, counter=2, started=True)
        eureka.eureka.perform(eureka.eureka.registry.configure(ready, time.monotonic()))
        await asyncio.sleep(2.2)
        for name in ("www-0", "front-0", "db-0"):
            await t.stop(name)
        eureka.eureka.totals.second("e")
        totals = eureka.eureka.totals.totals()

    edges = {(e["from"][0], e["to"][0]): e for e in totals["edges"]}
    counts = {pair: e["ok"] + e["miss"] + sum(e["errors"].values()) for pair, e in edges.items()}
    assert counts["www", "front"] == counts["front", "db"]
    assert 350 <= counts["www", "front"] <= 500
    assert all(not e["errors"] for e in edges.values())


async def test_a_source_counts_an_outage_of_the_first_tier() -> None:
    """Given a source that has begun, when no instance is left, then the requests that are due count as
    no_route errors of the edge.
    """
    tiers = (tier("www", "denominator", "front", rate=200), *CHAIN.tiers)
    async with loopback_cluster() as t:
        await t.add_eureka("a", configuration(*tiers, started=True))
        front = await t.add("front-0", "front", "monolith")
        www = await t.add("www-0", "www", "denominator")
        await until(lambda: front.tier.counters.take(0) is not None)
        await t.stop("front-0")
        await until(lambda: not www.tier.routes.has_route)
        www.tier.counters.take(0)
        await asyncio.sleep(0.5)
        report = www.tier.counters.take(0)

    assert report is not None
    (edge,) = report["edges"]
    assert edge["to"] == ["front", "1.0.0", "*", "*"]
    assert edge["errors"].keys() == {"no_route"}
    assert 80 <= edge["errors"]["no_route"] <= 120
    assert (0, 0, None, {}) == (edge["ok"], edge["miss"], edge.get("response"), report["hurt"])


async def test_a_source_that_begins_in_an_outage_counts_it() -> None:
    """Given an architecture that was ready before, when a source finds no route, then after a while it counts
    errors.
    """
    tiers = (tier("www", "denominator", "front", rate=200), *CHAIN.tiers)
    async with loopback_cluster() as t:
        await t.add_eureka("a", configuration(*tiers, started=True))
        www = await t.add("www-0", "www", "denominator")
        assert www.source is not None
        www.source.hold_back_s = 0.3
        await until(lambda: www.tier.ready)
        assert www.tier.counters.take(0) is None
        await until(lambda: www.tier.counters.take(0) is not None)


@pytest.mark.long
async def test_a_quiet_eureka_is_pinged_and_kept() -> None:
    """Given a eureka that sends nothing, then the pod pings it and stays registered there."""
    async with loopback_cluster() as t:
        eureka = await t.add_eureka("a", CHAIN)
        store = await t.add("db-0", "db", "store")
        await until(lambda: store.tier.ready)
        sessions = set(eureka.eureka.registry.sessions)
        await asyncio.sleep(5.5)

        assert sessions == set(eureka.eureka.registry.sessions)


async def test_a_callee_that_answers_moving_is_asked_again() -> None:
    """Given a store that answers moving twice over a kept-alive connection, then the router repeats the call
    and the client gets the value.
    """
    answers = iter([(200, b"")] + [(503, b"spiko-reason: moving\r\n")] * 2 + [(200, b"")])
    async with loopback_cluster() as t:
        await t.add_eureka("a", CHAIN)
        store = await t.add("db-0", "db", "store")
        front = await t.add("front-0", "front", "monolith")
        await until(lambda: front.tier.routes.has_route)
        handle = store.server.handler

        def answer(request: Request) -> None:
            if request.path.startswith(b"/k/"):
                status, extra = next(answers)
                request.reply(status, b"", extra)
            else:
                handle(request)

        store.server.handler = answer
        first = await ask(front, "GET", "/k/a")
        second = await ask(front, "GET", "/k/a")

    assert (first.status, second.status) == (200, 200)
    assert next(answers, None) is None


async def test_a_kept_alive_connection_that_the_callee_closed_fails_no_request() -> None:
    """Given a callee that closes an idle connection while a call is on its way, then the call is repeated
    once over another one.
    """
    async with loopback_cluster() as t:
        await t.add_eureka("a", CHAIN)
        store = await t.add("db-0", "db", "store")
        front = await t.add("front-0", "front", "monolith")
        await until(lambda: front.tier.routes.has_route)
        await ask(front, "GET", "/k/why%3F")
        closed: list[bytes] = []
        handle = store.server.handler

        def close_once(request: Request) -> None:
            if request.path.startswith(b"/k/") and not closed:
                closed.append(request.path)
                request.connection.abort()
            else:
                handle(request)

        store.server.handler = close_once
        reply = await ask(front, "GET", "/k/why%3F")

    assert (closed, reply.status, reply.body) == ([b"/k/why%3F"], 200, b"because...")
