"""The shell of one tier's pod: takes requests, asks the pure role and behavior what to do, does it, records it.

A request that needs no waiting is answered without a task. Every request is answered: with the reply of the tier below, with a miss, or with
503 or 504 and the reason in `spiko-reason`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import lru_cache
from random import Random
from typing import Any
from urllib.parse import unquote_to_bytes

from spiko_nanoservice.behavior import Behavior
from spiko_nanoservice.contract import REASON_HEADER, PodConfig, Reason, Revision
from spiko_nanoservice.roles import KEY, MISS, REPLICATE, Answer, Attempt, Forward, Role, Self, Step, ring
from spiko_nanoservice.routing.hash_ring import Space
from spiko_nanoservice.routing.table import Routes
from spiko_nanoservice.settings import Settings
from spiko_nanoservice.telemetry.prometheus import CONTENT_TYPE
from spiko_nanoservice.telemetry.request_counters import Tally
from spiko_nanoservice.telemetry.trace_context import parse_deadline_us, parse_traceparent, parse_written_us
from spiko_nanoservice.telemetry.tracing import Tracer
from spiko_nanoservice.tier.caller import HANDOVER, Caller
from spiko_nanoservice.tier.request_context import Call, RequestContext
from spiko_nanoservice.tier.step_executor import PAUSES_S, execute, make_all
from spiko_nanoservice.wire.http_client import Reply
from spiko_nanoservice.wire.http_server import Request, render_heads

KNOWN_KEYS, LONGEST_KNOWN_KEY = 1_024, 256  # decoded keys that are remembered, and their length in bytes
_METRICS_HEADS = render_heads(CONTENT_TYPE.encode())


def _get(role: Role, key: bytes, context: RequestContext) -> Step:
    return role.get(key)


def _put(role: Role, key: bytes, context: RequestContext) -> Step:
    return role.put(key, context.body, context.written_us)


def _replicate(role: Role, key: bytes, context: RequestContext) -> Step:
    return role.replicate(key, context.body, context.written_us)


Verb = Callable[[Any, bytes, RequestContext], Step]
PLAIN: dict[tuple[bytes, bytes], Verb] = {
    (b"GET", KEY): _get,
    (b"PUT", KEY): _put,
    (b"POST", REPLICATE): _replicate,
}
RINGED: dict[tuple[bytes, bytes], Verb] = PLAIN | {
    (b"GET", ring.RING): lambda role, key, context: role.get_in_ring(key),
    (b"POST", ring.ENTER): lambda role, key, context: role.enter(key, context.body, context.written_us),
    (b"GET", ring.OWNED): lambda role, key, context: role.get_owned(key),
    (b"PUT", ring.OWNED): lambda role, key, context: role.put_owned(key, context.body, context.written_us, True),
    (b"POST", ring.OWNED): lambda role, key, context: role.put_owned(key, context.body, context.written_us, False),
    (b"GET", ring.HELD): lambda role, key, context: role.get_held(key),
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
        self._behavior = settings.behavior if settings.behavior != Behavior() else None
        self.ring = role if isinstance(role, ring.RingNode) else None
        self._verbs = PLAIN if self.ring is None else RINGED
        self._me = Self(settings.pod_uid, Space(settings.tier, settings.version, settings.region, settings.zone), "")
        self.take: Callable[[Request], None] | None = None  # what another node of the ring hands over
        self._role, self.routes, self.tally, self.tracer, self._random = role, routes, tally, tracer, random
        self.config = PodConfig(Revision(-1, 0))
        self.caller = Caller(tally, tracer)
        self._tasks: set[asyncio.Task[None]] = set()
        self.ready = False
        self.metrics: Callable[[], bytes] = bytes  # the pod's: it knows more than its tier

    def learn(self, name: str) -> None:
        """The table has changed, or our name: tell the role."""
        self._me = Self(self._me.id, self._me.space, name)
        self._role.learn(self.routes, self._me)

    def look_again(self, context: RequestContext) -> Answer:
        """A search has found nothing."""
        return self.ring.look_again(_key(context.raw_key)) if self.ring is not None else MISS

    def absent(self, id: str) -> None:
        """A search got no answer from this pod."""
        if self.ring is not None:
            self.ring.absent(id)

    # ---------------------------------------------------------------- requests

    def handle(self, request: Request) -> None:
        """The server's handler."""
        path = request.path
        start = path.find(b"/", 1) + 1
        verb = self._verbs.get((request.method, path[:start]))
        if verb is None:
            self._handle_other(request)
            return
        left_us = parse_deadline_us(request.deadline, self.config.deadline_ms)
        span = self.tracer.accept(parse_traceparent(request.traceparent), request.tracestate, request.baggage)
        context = RequestContext(request.method, path, request.body, request.arrived_ns, left_us, span)
        context.raw_key, context.verb = path[start:], verb
        if self.ring is not None and request.method != b"GET":
            passed_on = parse_written_us(request.written) if path[:start] != KEY else 0
            context.written_us = passed_on or time.time_ns() // 1000
        if self._behavior is None or not self._behave(self._behavior, request, context):
            self._take(request, context)

    def _behave(self, behavior: Behavior, request: Request, context: RequestContext) -> bool:
        """Inject an error, or work on the request for its service time; False if neither was drawn."""
        if behavior.draw_error(self._random):
            self._answer(request, context, 503, b"injected\n", Reason.INJECTED)
        elif service_us := behavior.draw_service_time_us(self._random):
            self._spawn(self._take_later(request, context, service_us))
        else:
            return False
        return True

    def _take(self, request: Request, context: RequestContext) -> None:
        """Do what the role decides: without a task where nothing has to be awaited."""
        step = self._decide(context)
        if type(step) is Answer:
            self._answer(request, context, step.status, step.body, step.reason)
        elif type(step) is Forward:
            self._forward(request, context)
        else:
            self._spawn(self._serve(request, context, step))

    async def _take_later(self, request: Request, context: RequestContext, service_us: int) -> None:
        left_us = context.left_us()
        await asyncio.sleep(min(service_us, max(0, left_us)) / 1e6)
        if context.left_us() <= 0:
            self._answer(request, context, 504, b"deadline passed\n", Reason.TIMEOUT)
        else:
            self._take(request, context)

    def _handle_other(self, request: Request) -> None:
        path, _, _ = request.path.partition(b"?")
        prefix = path[: path.find(b"/", 1) + 1]
        if any(prefix == known for _, known in self._verbs):
            request.reply(405, b"GET or PUT /k/<key>, POST /replicate/<key>\n")
        elif path == b"/healthz":
            request.reply(200, b"ok\n")
        elif path == b"/readyz":
            request.reply(*((200, b"ready\n") if self.ready else (503, b"not registered yet\n")))
        elif path == HANDOVER and self.take is not None and request.method == b"POST":
            self.take(request)
        elif path == b"/metrics":
            request.reply(200, self.metrics(), heads=_METRICS_HEADS)
        else:
            request.reply(404, b"GET or PUT /k/<key>, POST /replicate/<key>, GET /healthz, GET /readyz, GET /metrics\n")

    def _decide(self, context: RequestContext) -> Step:
        assert context.verb is not None
        step: Step = context.verb(self._role, _key(context.raw_key), context)
        return step

    async def _serve(self, request: Request, context: RequestContext, step: Step) -> None:
        reply, then = await execute(self, context, step, self._random)
        if reply.reason == Reason.MOVING:
            reply, then = await self._decide_again(context, reply)
        self._answer(request, context, reply.status, reply.body, reply.reason)
        if then:
            await make_all(self, context, then, self._random)

    async def _decide_again(self, context: RequestContext, reply: Reply) -> tuple[Reply, tuple[Attempt, ...]]:
        """Repeat the decision while the key's slot moves from node to node: routing tables differ for milliseconds."""
        then: tuple[Attempt, ...] = ()
        for pause_s in PAUSES_S:
            if context.left_us() <= pause_s * 1e6:
                break
            await asyncio.sleep(pause_s)
            step = self._decide(context)
            reply, then = await execute(self, context, step, self._random)
            if reply.reason != Reason.MOVING or type(step) is Answer:
                break
        return reply, then

    def _answer(self, request: Request, context: RequestContext, status: int, body: bytes, reason: str) -> None:
        ended_ns = time.perf_counter_ns()
        took_us = (ended_ns - context.started_ns) // 1000
        extra = b"Server-Timing: app;dur=%d.%03d\r\n" % divmod(took_us, 1000)
        if reason:
            extra += b"%b: %b\r\n" % (REASON_HEADER, reason.encode("latin-1", "replace"))
        request.reply(status, body, extra)
        self.tally.served(status, reason, took_us)
        if context.span.sampled:
            self.tracer.served(context, status, reason, ended_ns)

    # ---------------------------------------------------------------- calls

    def _forward(self, request: Request, context: RequestContext) -> None:
        """Send the request on to one routed instance and its reply back: by callback if a connection is free, else by a task."""
        to = self.routes.pick(self._random)
        if to is None:
            self._answer(request, context, 503, b"no route\n", Reason.NO_ROUTE)
            return
        call = Call(context, to, context.method, context.path)
        if not self.caller.call_over_idle(call, lambda reply: self._take_reply(request, context, reply)):
            self._spawn(self._forward_later(request, context, call))

    async def _forward_later(self, request: Request, context: RequestContext, call: Call) -> None:
        self._take_reply(request, context, await self.caller.call(call))

    def _take_reply(self, request: Request, context: RequestContext, reply: Reply) -> None:
        if reply.reason == Reason.MOVING:
            self._spawn(self._forward_again(request, context, reply))
        else:
            self._answer(request, context, reply.status, reply.body, reply.reason)

    async def _forward_again(self, request: Request, context: RequestContext, reply: Reply) -> None:
        reply, _ = await self._decide_again(context, reply)
        self._answer(request, context, reply.status, reply.body, reply.reason)

    async def forward(self, context: RequestContext) -> Reply:
        """Send the request to one routed instance; a failure becomes a reply with its reason."""
        to = self.routes.pick(self._random)
        if to is None:
            return Reply(503, b"no route\n", None, Reason.NO_ROUTE)
        return await self.caller.call(Call(context, to, context.method, context.path))

    async def call(self, call: Call) -> Reply:
        """Make one call; a failure becomes a reply with its reason."""
        return await self.caller.call(call)

    def tidy(self) -> None:
        """Once a second: end idle connections, forget pools of instances that have gone."""
        if self.ring is not None:
            self.ring.second()
        self.caller.close_unused(self.routes.instances.values())

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
    """Return the key that a path names: without query, percent-decoded."""
    if b"%" not in raw and b"?" not in raw:
        return raw
    return _decode_known_key(raw) if len(raw) <= LONGEST_KNOWN_KEY else _decode_key(raw)


def _decode_key(raw: bytes) -> bytes:
    key, _, _ = raw.partition(b"?")
    return unquote_to_bytes(key)


_decode_known_key = lru_cache(maxsize=KNOWN_KEYS)(_decode_key)
