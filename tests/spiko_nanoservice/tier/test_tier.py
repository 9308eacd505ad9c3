"""Tiers on loopback: requests, routes, deadlines, leaving."""

from __future__ import annotations

import asyncio
import time

from spiko_nanoservice.wire.connection_pool import Pool
from spiko_nanoservice.wire.request import Request
from tests.support.loopback_cluster import ask, configuration, tier, town, until

DELAYED_ERRORS = '{"errorsPerMillion": 1000000, "serviceTime": {"constant": {"microseconds": 1000000}}}'
CHAIN = configuration(tier("front", "monolith", "db"), tier("db", "store"))


async def test_a_get_travels_down_and_its_answer_up() -> None:
    """A monolith passes a GET to its store and the value back; an unknown key is a 404."""
    async with town() as t:
        await t.add_eureka("a", CHAIN)
        await t.add("db-0", "db", "store")
        front = await t.add("front-0", "front", "monolith")
        await until(lambda: front.tier.routes.has_route)

        known = await ask(front, "GET", "/k/why%3F")
        unknown = await ask(front, "GET", "/k/nobody")

    assert (known.status, known.body) == (200, b"because...")
    assert unknown.status == 404
    assert known.service_us is not None


async def test_what_was_put_can_be_got() -> None:
    """A PUT is answered, and kept by the store below."""
    async with town() as t:
        await t.add_eureka("a", CHAIN)
        await t.add("db-0", "db", "store")
        front = await t.add("front-0", "front", "monolith")
        await until(lambda: front.tier.routes.has_route)

        put = await ask(front, "PUT", "/k/a%20b", b"me")
        got = await ask(front, "GET", "/k/a%20b")

    assert (put.status, got.status, got.body) == (200, 200, b"me")


async def test_without_a_route_the_answer_says_so() -> None:
    """A router whose dependency has no instance answers 503, reason no_route."""
    async with town() as t:
        await t.add_eureka("a", CHAIN)
        front = await t.add("front-0", "front", "monolith")
        await until(lambda: front.tier.ready)

        reply = await ask(front, "GET", "/k/x")

    assert (reply.status, reply.reason) == (503, "no_route")


async def test_a_passed_deadline_is_a_504_and_reaches_nobody() -> None:
    """Time left travels; a hop without any answers 504 and does not call."""
    async with town() as t:
        await t.add_eureka("a", CHAIN)
        store = await t.add("db-0", "db", "store")
        front = await t.add(
            "front-0", "front", "monolith", SPIKO_BEHAVIOR='{"serviceTime": {"constant": {"microseconds": 50000}}}'
        )
        await until(lambda: front.tier.routes.has_route)

        reply = await ask(front, "GET", "/k/x", headers="spiko-deadline-ms: 20\r\n")
        served = store.tier.counters.take(0)

    assert (reply.status, reply.reason) == (504, "timeout")
    assert served is None


async def test_what_is_too_long_is_not_passed_on() -> None:
    """Baggage and trace state of more than 8,192 bytes end at the first hop; the request does not."""
    heard: list[tuple[bytes | None, bytes | None]] = []
    parent = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
    async with town() as t:
        await t.add_eureka("a", CHAIN)
        store = await t.add("db-0", "db", "store")
        front = await t.add("front-0", "front", "monolith")
        await until(lambda: front.tier.routes.has_route)
        handle = store.server.handler

        def record(request: Request) -> None:
            heard.append((request.baggage, request.tracestate))
            handle(request)

        store.server.handler = record
        for size in (8_190, 8_191):
            value = "a=" + "x" * size
            await ask(front, "GET", "/k/why%3F", headers=f"{parent}baggage: {value}\r\ntracestate: {value}\r\n")

    assert [8_192, 8_192, None, None] == [value and len(value) for pair in heard for value in pair]


async def test_an_error_share_of_all_fails_every_request() -> None:
    """ErrorsPerMillion of a million answers 503, reason injected, at once: the version's delay is that of its work."""
    async with town() as t:
        await t.add_eureka("a", CHAIN)
        store = await t.add("db-0", "db", "store", SPIKO_BEHAVIOR=DELAYED_ERRORS)
        await until(lambda: store.tier.ready)
        began = time.monotonic()
        reply = await ask(store, "GET", "/k/x")
        took_s = time.monotonic() - began

    assert (reply.status, reply.reason) == (503, "injected")
    assert took_s < 0.5


async def test_stores_that_depend_on_themselves_replicate() -> None:
    """A PUT reaches every connected instance of the same package, and no further."""
    async with town() as t:
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


async def test_a_copy_that_is_on_its_way_is_waited_for_by_who_leaves() -> None:
    """A write is answered before it is copied: a store that leaves meanwhile ends when the copy is kept, and has reported it."""
    slow = '{"serviceTime": {"constant": {"microseconds": 600000}}}'
    async with town() as t:
        eureka = await t.add_eureka("a", configuration(tier("db", "store", "db", count=2)))
        first = await t.add("db-0", "db", "store")
        second = await t.add("db-1", "db", "store", SPIKO_BEHAVIOR=slow)
        await until(lambda: len(first.tier.routes.instances) == len(second.tier.routes.instances) == 1)

        await ask(first, "PUT", "/k/x", b"1")
        await t.stop("db-0")
        kept = second.tier.counters.take(0)
        await until(
            lambda: eureka.eureka.totals.second("e") is not None or bool(eureka.eureka.totals.totals()["edges"])
        )
        edges = eureka.eureka.totals.totals()["edges"]

    assert kept is not None
    assert kept["served"]["ok"] == 1
    assert [1] == [edge["ok"] for edge in edges]


async def test_leaving_hurts_nobody() -> None:
    """While requests run, one of two stores leaves in order: no request fails."""
    async with town() as t:
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


async def test_when_all_eurekas_are_gone_the_last_table_holds() -> None:
    """A pod without a registry goes on with what it knew, and registers again when one returns."""
    async with town() as t:
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


async def test_the_source_keeps_its_rate_and_everything_is_answered() -> None:
    """A denominator sends its rate; misses are no errors; eureka's totals have every call."""
    tiers = (tier("www", "denominator", "front", rate=200), *CHAIN.tiers)
    async with town() as t:
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


async def test_an_outage_before_the_first_tier_is_seen() -> None:
    """A source that has begun does not stop because nobody is there: what it would have sent are errors of the edge, at its rate."""
    tiers = (tier("www", "denominator", "front", rate=200), *CHAIN.tiers)
    async with town() as t:
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


async def test_a_source_that_begins_in_an_outage_shows_it() -> None:
    """Of an architecture that was ready before: after a while without a route it counts what it would send."""
    tiers = (tier("www", "denominator", "front", rate=200), *CHAIN.tiers)
    async with town() as t:
        await t.add_eureka("a", configuration(*tiers, started=True))
        www = await t.add("www-0", "www", "denominator")
        assert www.source is not None
        www.source.hold_back_s = 0.3
        await until(lambda: www.tier.ready)
        assert www.tier.counters.take(0) is None
        await until(lambda: www.tier.counters.take(0) is not None)


async def test_a_quiet_eureka_is_asked_and_not_left() -> None:
    """Silence is no death: a pod that hears nothing pings, and stays with the eureka that answers."""
    async with town() as t:
        eureka = await t.add_eureka("a", CHAIN)
        store = await t.add("db-0", "db", "store")
        await until(lambda: store.tier.ready)
        sessions = set(eureka.eureka.registry.sessions)
        await asyncio.sleep(5.5)

        assert sessions == set(eureka.eureka.registry.sessions)


async def test_a_callee_that_is_moving_is_asked_again() -> None:
    """A store that answers `moving` twice, over a kept-alive connection: the router repeats the call and the client sees 200."""
    answers = iter([(200, b"")] + [(503, b"spiko-reason: moving\r\n")] * 2 + [(200, b"")])
    async with town() as t:
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


async def test_a_kept_connection_that_the_callee_closed_costs_no_request() -> None:
    """The callee ends idle connections while a call is on its way: the call is repeated once, over a fresh connection."""
    async with town() as t:
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
