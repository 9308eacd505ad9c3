"""The shell of one tier's pod: takes requests, asks the pure role and behavior what to do, does it, records it.

A request that needs no waiting is answered without a task. Every request is answered: with the reply of the tier below, with a miss, or with
503 or 504 and the reason in `spiko-reason`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any
from urllib.parse import unquote_to_bytes

from spiko_nanoservice.context import parse_deadline_us, parse_traceparent, parse_written_us, render_deadline
from spiko_nanoservice.contract import (
    DEADLINE_HEADER,
    REASON_HEADER,
    WRITTEN_HEADER,
    Instance,
    PodConfig,
    Reason,
    Revision,
)
from spiko_nanoservice.errors import CallError
from spiko_nanoservice.exchange import Exchange
from spiko_nanoservice.exposition import CONTENT_TYPE
from spiko_nanoservice.http_client import Pool, Reply
from spiko_nanoservice.http_server import REASONS, Request, render_heads
from spiko_nanoservice.rings import Space
from spiko_nanoservice.roles import KEY, MISS, REPLICATE, Answer, Role, Self, Step, ring
from spiko_nanoservice.routing import Routes
from spiko_nanoservice.settings import Settings
from spiko_nanoservice.steps import LATE, PAUSES_S, carry_out, make_all
from spiko_nanoservice.tally import Tally
from spiko_nanoservice.tracing import Tracer

HANDOVER = b"/handover"
_METRICS_HEADS = render_heads(CONTENT_TYPE.encode())


def _get(role: Role, key: bytes, exchange: Exchange) -> Step:
    return role.get(key)


def _put(role: Role, key: bytes, exchange: Exchange) -> Step:
    return role.put(key, exchange.body, exchange.written_us)


def _replicate(role: Role, key: bytes, exchange: Exchange) -> Step:
    return role.replicate(key, exchange.body, exchange.written_us)


Verb = Callable[[Any, bytes, Exchange], Step]
PLAIN: dict[tuple[bytes, bytes], Verb] = {
    (b"GET", KEY): _get,
    (b"PUT", KEY): _put,
    (b"POST", REPLICATE): _replicate,
}
RINGED: dict[tuple[bytes, bytes], Verb] = PLAIN | {
    (b"GET", ring.RING): lambda role, key, exchange: role.get_in_ring(key),
    (b"POST", ring.ENTER): lambda role, key, exchange: role.enter(key, exchange.body, exchange.written_us),
    (b"GET", ring.OWNED): lambda role, key, exchange: role.get_owned(key),
    (b"PUT", ring.OWNED): lambda role, key, exchange: role.put_owned(key, exchange.body, exchange.written_us, True),
    (b"POST", ring.OWNED): lambda role, key, exchange: role.put_owned(key, exchange.body, exchange.written_us, False),
    (b"GET", ring.HELD): lambda role, key, exchange: role.get_held(key),
}


class Tier:
    """One pod of one tier.

    Args:
        settings: who it is.
        role: what it does with requests.
        routes: whom it may call.
        tally: where outcomes are counted.
        tracer: where spans are made.
        random: the source of every draw.

    """

    def __init__(
        self, settings: Settings, role: Role, routes: Routes, tally: Tally, tracer: Tracer, random: Random
    ) -> None:
        self._behavior = settings.behavior
        self.ring = role if isinstance(role, ring.RingNode) else None
        self._verbs = PLAIN if self.ring is None else RINGED
        self._me = Self(settings.pod_uid, Space(settings.tier, settings.version, settings.region, settings.zone), "")
        self.take: Callable[[Request], None] | None = None  # what another node of the ring hands over
        self._role, self.routes, self.tally, self.tracer, self._random = role, routes, tally, tracer, random
        self.config = PodConfig(Revision(-1, 0))
        self._pools: dict[tuple[str, int], Pool] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.ready = False
        self.metrics: Callable[[], bytes] = bytes  # the pod's: it knows more than its tier

    def learn(self, name: str) -> None:
        """The table has changed, or our name: tell the role."""
        self._me = Self(self._me.id, self._me.space, name)
        self._role.learn(self.routes, self._me)

    def look_again(self, exchange: Exchange) -> Answer:
        """A search has found nothing."""
        return self.ring.look_again(_key(exchange.raw_key)) if self.ring is not None else MISS

    def absent(self, id: str) -> None:
        """A search got no answer from this pod."""
        if self.ring is not None:
            self.ring.absent(id)

    # ---------------------------------------------------------------- requests

    def handle(self, request: Request) -> None:
        """The server's handler."""
        path = request.path
        prefix = path[: path.find(b"/", 1) + 1]
        verb = self._verbs.get((request.method, prefix))
        if verb is None:
            if any(prefix == known for _, known in self._verbs):
                request.reply(405, b"GET or PUT /k/<key>, POST /replicate/<key>\n")
            else:
                self._admin(request)
            return
        left_us = parse_deadline_us(request.deadline, self.config.deadline_ms)
        parent = parse_traceparent(request.traceparent)
        exchange = Exchange(request.method, path, request.body, request.arrived_ns, left_us, parent, self.tracer)
        exchange.tracestate, exchange.baggage = request.tracestate if parent else None, request.baggage
        if self.ring is not None and request.method != b"GET":
            passed_on = parse_written_us(request.written) if prefix != KEY else 0
            exchange.written_us = passed_on or time.time_ns() // 1000
        if self._behavior.draw_error(self._random):
            self._answer(request, exchange, 503, b"injected\n", Reason.INJECTED)
        elif delay_us := self._behavior.draw_delay_us(self._random):
            self._spawn(self._serve_later(request, exchange, delay_us))
        else:
            step = self._decide(exchange)
            if type(step) is Answer:
                self._answer(request, exchange, step.status, step.body, step.reason)
                return
            self._spawn(self._serve(request, exchange, step))

    def _admin(self, request: Request) -> None:
        path = request.path.partition(b"?")[0]
        if path == b"/healthz":
            request.reply(200, b"ok\n")
        elif path == b"/readyz":
            request.reply(*((200, b"ready\n") if self.ready else (503, b"not registered yet\n")))
        elif path == HANDOVER and self.take is not None and request.method == b"POST":
            self.take(request)
        elif path == b"/metrics":
            request.reply(200, self.metrics(), heads=_METRICS_HEADS)
        else:
            request.reply(404, b"GET or PUT /k/<key>, POST /replicate/<key>, GET /healthz, GET /readyz, GET /metrics\n")

    def _decide(self, exchange: Exchange) -> Step:
        verb = self._verbs[exchange.method, exchange.prefix]
        return verb(self._role, _key(exchange.raw_key), exchange)

    async def _serve_later(self, request: Request, exchange: Exchange, delay_us: int) -> None:
        left_us = exchange.left_us()
        await asyncio.sleep(min(delay_us, max(0, left_us)) / 1e6)
        if exchange.left_us() <= 0:
            self._answer(request, exchange, 504, b"deadline passed\n", Reason.TIMEOUT)
        else:
            await self._serve(request, exchange, self._decide(exchange))

    async def _serve(self, request: Request, exchange: Exchange, step: Step) -> None:
        pauses_s = iter(PAUSES_S)
        while True:
            reply, then = await carry_out(self, exchange, step, self._random)
            if reply.reason != Reason.MOVING or type(step) is Answer:
                break
            pause_s = next(pauses_s, None)
            if pause_s is None or exchange.left_us() <= pause_s * 1e6:
                break
            await asyncio.sleep(pause_s)
            step = self._decide(exchange)
        self._answer(request, exchange, reply.status, reply.body, reply.reason)
        if then:
            await make_all(self, exchange, then, self._random)

    def _answer(self, request: Request, exchange: Exchange, status: int, body: bytes, reason: str) -> None:
        ended_ns = time.perf_counter_ns()
        took_us = (ended_ns - exchange.started_ns) // 1000
        extra = b"Server-Timing: app;dur=%d.%03d\r\n" % divmod(took_us, 1000)
        if reason:
            extra += b"%b: %b\r\n" % (REASON_HEADER, reason.encode("latin-1", "replace"))
        request.reply(status, body, extra)
        self.tally.served(status, reason, took_us)
        if exchange.sampled:
            self.tracer.served(exchange.trace_id, exchange.span_id, exchange.parent_id, exchange.method, exchange.path,
                               status, reason, exchange.started_ns, ended_ns)  # fmt: skip

    # ---------------------------------------------------------------- calls

    async def forward(self, exchange: Exchange, parent_id: bytes) -> Reply:
        """Send the exchange's request to one routed instance; a failure becomes a reply with its reason."""
        instance = self.routes.pick(self._random)
        if instance is None:
            return Reply(503, b"no route\n", None, Reason.NO_ROUTE)
        return await self.call(exchange, instance, exchange.method, exchange.path, parent_id)

    async def call(
        self,
        exchange: Exchange,
        to: Instance,
        method: bytes,
        path: bytes,
        parent_id: bytes,
        limit_us: int | None = None,
    ) -> Reply:
        """One call to one instance; a failure becomes a reply with its reason. Nothing is sent once the time is up."""
        left_us = exchange.left_us()
        if left_us <= 0:
            return LATE
        if limit_us is not None:
            left_us = min(left_us, limit_us)
        span_id = self.tracer.new_span_id()
        started_ns = time.perf_counter_ns()
        try:
            headers = self._headers(exchange, span_id)
            reply = await self._pool(to).call(method, path, headers, exchange.body, left_us / 1e6)
        except CallError as error:
            ended_ns = time.perf_counter_ns()
            self.tally.failed(to, error.reason, (ended_ns - started_ns) // 1000)
            status = 504 if error.reason == Reason.TIMEOUT else 503
            reply = Reply(status, error.reason.encode() + b"\n", None, error.reason)
            answered = 0
        else:
            ended_ns = time.perf_counter_ns()
            if reply.status not in REASONS:
                reply = Reply(503, reply.body, reply.service_us, Reason.PROTOCOL)
            self.tally.called(to, reply.status, reply.reason, (ended_ns - started_ns) // 1000, reply.service_us)
            answered = reply.status
        if exchange.sampled:
            self.tracer.called(
                exchange.trace_id, span_id, parent_id, to, method, path, answered, reply.reason, started_ns, ended_ns
            )
        return reply

    def _headers(self, exchange: Exchange, span_id: bytes) -> Callable[[], bytes]:
        def render() -> bytes:
            head = b"traceparent: 00-%b-%b-%b\r\n%b: %b\r\n" % (
                exchange.trace_id,
                span_id,
                b"01" if exchange.sampled else b"00",
                DEADLINE_HEADER,
                render_deadline(exchange.left_us()),
            )
            if exchange.written_us:
                head += b"%b: %d\r\n" % (WRITTEN_HEADER, exchange.written_us)
            if exchange.tracestate:
                head += b"tracestate: %b\r\n" % exchange.tracestate
            return head + b"baggage: %b\r\n" % exchange.baggage if exchange.baggage else head

        return render

    async def hand(self, to: Instance, body: bytes, timeout_s: float) -> bool:
        """Hand data over to another node of the ring; no request of anybody, so neither counted nor traced. Whether it took them."""
        try:
            reply = await self._pool(to).call(b"POST", HANDOVER, bytes, body, timeout_s)
        except CallError:
            return False
        return reply.status == 200

    def _pool(self, to: Instance) -> Pool:
        pool = self._pools.get((to.address, to.port))
        if pool is None:
            pool = self._pools[to.address, to.port] = Pool(to.address, to.port)
        return pool

    def tidy(self) -> None:
        """Once a second: end idle connections, forget pools of instances that have gone."""
        if self.ring is not None:
            self.ring.second()
        now = asyncio.get_running_loop().time()
        present = {(i.address, i.port) for i in self.routes.instances.values()}
        for address, pool in list(self._pools.items()):
            if address in present:
                pool.close_idle(now)
            else:
                pool.close()
                del self._pools[address]

    @property
    def busy(self) -> int:
        """Requests that are being worked on, replication included."""
        return len(self._tasks)

    async def finish(self, timeout_s: float) -> None:
        """Wait for what is being worked on, at most `timeout_s`: a copy is made after the answer, when no connection waits for it."""
        if self.busy:
            await asyncio.wait(self._tasks, timeout=max(0.0, timeout_s))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _key(raw: bytes) -> bytes:
    key = raw.partition(b"?")[0]
    return unquote_to_bytes(key) if b"%" in key else key
