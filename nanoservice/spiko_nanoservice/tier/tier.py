"""Handles the requests of one tier's pod.

It asks the pure role and behavior for a decision, executes it, and records the outcome.

A request that needs no waiting is answered without a task. Every request gets a reply: that of the tier
below, a miss, or 503 or 504 with the reason in `spiko-reason`. docs/performance.md follows one request
through the functions of this module.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import partial
from random import Random
from typing import Any

from spiko_nanoservice.behavior import Behavior
from spiko_nanoservice.contract import REASON_HEADER, PodConfig, Reason, Revision
from spiko_nanoservice.roles import KEY, MISS, Answer, Attempt, Forward, Identity, Role, Step
from spiko_nanoservice.roles.ring import RingNode
from spiko_nanoservice.routing.hash_ring import Space
from spiko_nanoservice.routing.table import Routes
from spiko_nanoservice.settings import Settings
from spiko_nanoservice.telemetry.prometheus import CONTENT_TYPE
from spiko_nanoservice.telemetry.request_counters import RequestCounters
from spiko_nanoservice.telemetry.trace_context import parse_deadline_us, parse_traceparent, parse_written_us
from spiko_nanoservice.telemetry.tracing import Tracer
from spiko_nanoservice.tier.caller import HANDOVER, Caller
from spiko_nanoservice.tier.request_context import READS, Call, RequestContext
from spiko_nanoservice.tier.step_executor import PAUSES_S, execute, make_all
from spiko_nanoservice.tier.verbs import PLAIN, RING, decode_key
from spiko_nanoservice.wire.http_client import Reply
from spiko_nanoservice.wire.request import Request, render_heads

_METRICS_HEADS = render_heads(CONTENT_TYPE.encode())


class Tier:
    """One pod of one tier.

    Args:
        settings: identity of the pod.
        role: decides requests.
        routes: the instances that it may call.
        counters: count the outcomes.
        tracer: makes spans.
        random: the source of every draw.

    Attributes:
        config: the configuration that the pod acts on.
        ready: whether the pod has registered.
        ring: the role, if it is a node of a ring, else None.
        caller: sends calls to other pods.
        handover: takes the keys that another node of the ring hands over; set by the pod.
        metrics: renders the metrics page; set by the pod.
    """

    def __init__(
        self,
        settings: Settings,
        role: Role,
        routes: Routes,
        counters: RequestCounters,
        tracer: Tracer,
        random: Random,
    ) -> None:
        self._behavior = settings.behavior if settings.behavior != Behavior() else None
        self.ring = role if isinstance(role, RingNode) else None
        self._verbs = PLAIN if self.ring is None else RING
        space = Space(settings.tier, settings.version, settings.region, settings.zone)
        self._identity = Identity(settings.pod_uid, space, "")
        self._role, self.routes, self.counters, self.tracer, self._random = (
            role,
            routes,
            counters,
            tracer,
            random,
        )
        self.config = PodConfig(Revision(-1, 0))
        self.caller = Caller(counters, tracer, routes)
        self._tasks: set[asyncio.Task[None]] = set()
        self.ready = False
        self.handover: Callable[[Request], None] | None = None
        self.metrics: Callable[[], bytes] = bytes

    def update_routes(self, name: str) -> None:
        """Pass a change of the routing table, or of the pod's name, to the role."""
        self._identity = Identity(self._identity.id, self._identity.space, name)
        self._role.update_routes(self.routes, self._identity)

    # ---------------------------------------------------------------- requests

    def handle(self, request: Request) -> None:
        """Answer a request, at once or later; the handler of the server."""
        path = request.path
        start = path.find(b"/", 1) + 1
        methods = self._verbs.get(path[:start])
        verb = methods.get(request.method) if methods is not None else None
        if verb is None:
            self._handle_page(request, has_key=methods is not None)
            return
        left_us = parse_deadline_us(request.deadline, self.config.deadline_ms)
        span = self.tracer.accept(parse_traceparent(request.traceparent), request.tracestate, request.baggage)
        context = RequestContext(request.method, path, request.body, request.arrived_ns, left_us, span)
        context.verb, context.raw_key = verb, path[start:]
        context.key = decode_key(context.raw_key)
        if self.ring is not None and request.method != b"GET":
            passed_on = parse_written_us(request.written) if path[:start] != KEY else 0
            context.written_us = passed_on or time.time_ns() // 1000
        if self._behavior is None or not self._behave(self._behavior, request, context):
            self._take(request, context)

    def _behave(self, behavior: Behavior, request: Request, context: RequestContext) -> bool:
        """Inject an error or delay the request by its service time; return False if neither was drawn."""
        if behavior.draw_error(self._random):
            self._answer(request, context, 503, b"injected\n", Reason.INJECTED)
        elif service_us := behavior.draw_service_time_us(self._random):
            self._spawn(request, self._take_later(request, context, service_us))
        else:
            return False
        return True

    def _take(self, request: Request, context: RequestContext) -> None:
        """Execute the role's decision, without a task if nothing has to be awaited."""
        step = self._decide(context)
        if type(step) is Answer:
            self._answer(request, context, step.status, step.body, step.reason)
        elif type(step) is Forward:
            self._forward(request, context)
        else:
            self._spawn(request, self._serve(request, context, step))

    async def _take_later(self, request: Request, context: RequestContext, service_us: int) -> None:
        await asyncio.sleep(min(service_us, max(0, context.left_us())) / 1e6)
        if context.left_us() <= 0:
            self._answer(request, context, 504, b"deadline passed\n", Reason.TIMEOUT)
        else:
            self._take(request, context)

    def _handle_page(self, request: Request, has_key: bool) -> None:
        path, _, _ = request.path.partition(b"?")
        if has_key:
            request.reply(405, b"method not allowed: use GET or PUT /k/<key>, POST /replicate/<key>\n")
        elif path == b"/healthz":
            request.reply(200, b"ok\n")
        elif path == b"/readyz":
            request.reply(*((200, b"ready\n") if self.ready else (503, b"not registered yet\n")))
        elif path == HANDOVER and self.handover is not None and request.method == b"POST":
            self.handover(request)
        elif path == b"/metrics":
            request.reply(200, self.metrics(), heads=_METRICS_HEADS)
        else:
            known = b"GET or PUT /k/<key>, POST /replicate/<key>, GET /healthz, GET /readyz, GET /metrics"
            request.reply(404, b"not found: use %b\n" % known)

    def _decide(self, context: RequestContext) -> Step:
        assert context.verb is not None
        step: Step = context.verb(self._role, context.key, context)
        return step

    async def _serve(self, request: Request, context: RequestContext, step: Step) -> None:
        reply, then = await execute(self, context, step, self._random)
        if reply.reason == Reason.MOVING:
            reply, then = await self._decide_again(context, reply)
        self._answer(request, context, reply.status, reply.body, reply.reason)
        if then:
            await make_all(self, context, then, self._random)

    async def _decide_again(self, context: RequestContext, reply: Reply) -> tuple[Reply, tuple[Attempt, ...]]:
        """Repeat the decision while the key moves between nodes: routing tables differ for milliseconds."""
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

    def _answer(
        self, request: Request, context: RequestContext, status: int, body: bytes, reason: str
    ) -> None:
        ended_ns = time.perf_counter_ns()
        took_us = (ended_ns - context.started_ns) // 1000
        extra = b"Server-Timing: app;dur=%d.%03d\r\n" % divmod(took_us, 1000)
        if reason:
            extra += b"%b: %b\r\n" % (REASON_HEADER, reason.encode("latin-1", "replace"))
        request.reply(status, body, extra)
        self.counters.served(status, reason, took_us)
        if status == 200 and context.method not in READS:
            self.counters.wrote(None)
        if context.span.sampled:
            self.tracer.served(context, status, reason, ended_ns)

    # ---------------------------------------------------------------- calls

    def _forward(self, request: Request, context: RequestContext) -> None:
        """Forward the request to one routed instance.

        A callback takes the reply if a connection is free, else a task does.
        """
        to = self.routes.pick(self._random)
        if to is None:
            self._answer(request, context, 503, b"no route\n", Reason.NO_ROUTE)
            return
        call = Call(context, to, context.method, context.path)
        if not self.caller.call_over_idle(
            call, lambda reply: self._take_reply(request, context, reply), request.fail
        ):
            self._spawn(request, self._forward_later(request, context, call))

    async def _forward_later(self, request: Request, context: RequestContext, call: Call) -> None:
        self._take_reply(request, context, await self.caller.call(call))

    def _take_reply(self, request: Request, context: RequestContext, reply: Reply) -> None:
        if reply.reason == Reason.MOVING:
            self._spawn(request, self._forward_again(request, context, reply))
        else:
            self._answer(request, context, reply.status, reply.body, reply.reason)

    async def _forward_again(self, request: Request, context: RequestContext, reply: Reply) -> None:
        reply, _ = await self._decide_again(context, reply)
        self._answer(request, context, reply.status, reply.body, reply.reason)

    async def forward(self, context: RequestContext) -> Reply:
        """Forward the request to one routed instance; return a failure as a reply with its reason."""
        to = self.routes.pick(self._random)
        if to is None:
            return Reply(503, b"no route\n", None, Reason.NO_ROUTE)
        return await self.caller.call(Call(context, to, context.method, context.path))

    async def call(self, call: Call) -> Reply:
        """Make one call; return a failure as a reply with its reason."""
        return await self.caller.call(call)

    def look_again(self, context: RequestContext) -> Answer:
        """Answer after a search that found nothing."""
        return self.ring.look_again(context.key) if self.ring is not None else MISS

    def report_unreachable(self, id: str) -> None:
        """Note that a pod did not answer a search."""
        if self.ring is not None:
            self.ring.peers.remove_departed(id)

    # ---------------------------------------------------------------- housekeeping

    def tick(self) -> None:
        """Close idle connections and forget instances that are gone; call it once a second."""
        if self.ring is not None:
            self.ring.peers.tick()
        self.caller.close_unused(self.routes.instances.values())

    @property
    def busy(self) -> int:
        """The number of requests in progress that have a task, copies of writes included."""
        return len(self._tasks)

    async def finish(self, timeout_s: float) -> None:
        """Wait for the requests in progress, at most `timeout_s`.

        A write is copied after its reply, so the server's connections do not tell when the copies are made.
        """
        if self.busy:
            await asyncio.wait(self._tasks, timeout=max(0.0, timeout_s))

    def _spawn(self, request: Request, work: Coroutine[Any, Any, None]) -> None:
        """Continue a request in a task; an unexpected error in it is logged, and the request answered."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(partial(self._end_task, request))

    def _end_task(self, request: Request, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            request.fail(error)
