"""Sends the calls of a tier: keeps connections by instance, counts outcomes, and makes CLIENT spans.

A call over a free kept-alive connection needs no task: a callback takes the reply when its last byte arrives.

An instance that no registry confirms is ejected from the routes if its connection is refused or reset, or if
it does not answer a probe after a call that timed out: a call may be slow, and the kernel accepts connections
for a stopped process too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from spiko_nanoservice.contract import Instance, Reason
from spiko_nanoservice.errors import CallError
from spiko_nanoservice.routing.table import Routes
from spiko_nanoservice.telemetry.request_counters import RequestCounters
from spiko_nanoservice.telemetry.tracing import Tracer
from spiko_nanoservice.tier.request_context import READS, Call
from spiko_nanoservice.wire.connection_pool import Pool
from spiko_nanoservice.wire.http_client import ClientConnection, Reply, render_request
from spiko_nanoservice.wire.request import REASONS

HANDOVER = b"/handover"
# Time for the answer of an instance that is probed.
PROBE_S = 0.25
LATE = Reply(504, b"deadline passed\n", None, Reason.TIMEOUT)


class Caller:
    """The outgoing side of a tier.

    Args:
        counters: count the outcomes.
        tracer: makes the spans.
        routes: of the tier; instances that are unreachable are ejected from them.
    """

    def __init__(self, counters: RequestCounters, tracer: Tracer, routes: Routes) -> None:
        self._counters, self._tracer, self._routes = counters, tracer, routes
        self._pools: dict[tuple[str, int], Pool] = {}
        self._probed: set[str] = set()  # ids of instances
        self._tasks: set[asyncio.Task[None]] = set()

    async def call(self, call: Call, due_ns: int = 0) -> Reply:
        """Make a call and return its reply; a failure becomes a reply with its reason.

        No call is sent after the deadline: the reply is then `LATE`, and nothing is counted.

        Args:
            call: to make.
            due_ns: when its time begins, on the `perf_counter` clock; now if 0.
        """
        left_us = call.left_us()
        if left_us <= 0:
            return LATE
        self._begin(call, due_ns)
        try:
            reply = await self._pool(call.to).call(
                call.method, call.path, call.headers, call.context.body, left_us / 1e6
            )
        except CallError as error:
            return self.count_failure(call, error.reason)
        return self.count_reply(call, reply)

    def call_over_idle(
        self, call: Call, then: Callable[[Reply], None], fail: Callable[[BaseException], None]
    ) -> bool:
        """Make a call over a free connection and give its reply to `then`.

        Args:
            call: to make.
            then: gets the reply.
            fail: gets an unexpected error, of `then` as well.

        Returns:
            False if no connection is free or the deadline has passed; then no call was sent.
        """
        left_us = call.left_us()
        pool = self._pool(call.to)
        if left_us <= 0 or (connection := pool.take_idle()) is None:
            return False
        self._begin(call)
        head = render_request(call.method, call.path, pool.host, call.headers(), call.context.body)
        connection.send(head, left_us / 1e6, _ReplyCallback(self, call, connection, then, fail))
        return True

    async def hand_over(self, to: Instance, body: bytes, timeout_s: float) -> bool:
        """Send a handover to another node of the ring; return whether the node took it.

        No request causes a handover, so it is neither counted nor traced.
        """
        try:
            reply = await self._pool(to).call(b"POST", HANDOVER, bytes, body, timeout_s)
        except CallError:
            return False
        return reply.status == 200

    def close_unused(self, present: Iterable[Instance]) -> None:
        """Close idle connections, and all connections to instances that are gone; call it once a second."""
        now = asyncio.get_running_loop().time()
        addresses = {(instance.address, instance.port) for instance in present}
        for address, pool in list(self._pools.items()):
            if address in addresses:
                pool.close_idle(now)
            else:
                pool.close()
                del self._pools[address]

    def count_reply(self, call: Call, reply: Reply) -> Reply:
        """Record a call that was answered and return the reply to use."""
        ended_ns = time.perf_counter_ns()
        if reply.status not in REASONS:
            reply = Reply(503, reply.body, reply.service_us, Reason.PROTOCOL)
        took_us = (ended_ns - call.started_ns) // 1000
        self._counters.called(call.to, reply.status, reply.reason, took_us, reply.service_us)
        if reply.status == 200 and call.method not in READS:
            self._counters.wrote(call.to)
        if call.span.sampled:
            self._tracer.called(call, reply.status, reply.reason, ended_ns)
        return reply

    def count_failure(self, call: Call, reason: str) -> Reply:
        """Record a call that got no reply and return the reply to use."""
        ended_ns = time.perf_counter_ns()
        self._check_reachable(call.to, reason)
        self._counters.failed(call.to, reason, (ended_ns - call.started_ns) // 1000)
        if call.span.sampled:
            self._tracer.called(call, 0, reason, ended_ns)
        return Reply(504 if reason == Reason.TIMEOUT else 503, reason.encode() + b"\n", None, reason)

    def _check_reachable(self, to: Instance, reason: str) -> None:
        """Eject an instance whose connection failed, or probe it, if no registry confirms it."""
        if not self._routes.is_stale(to.id):
            return
        if reason in (Reason.REFUSED, Reason.RESET):
            self._routes.eject(to.id)
        elif reason == Reason.TIMEOUT and to.id not in self._probed:
            self._probed.add(to.id)
            self._spawn(self._probe(to))

    async def _probe(self, to: Instance) -> None:
        try:
            await self._pool(to).call(b"GET", b"/healthz", bytes, b"", PROBE_S)
        except CallError:
            self._routes.eject(to.id)
        finally:
            self._probed.discard(to.id)

    def repeat(
        self, call: Call, then: Callable[[Reply], None], fail: Callable[[BaseException], None]
    ) -> None:
        """Make a call once more and give its reply to `then`, or an unexpected error to `fail`."""

        async def work() -> None:
            try:
                then(await self.call(call))
            except Exception as error:  # noqa: BLE001  # the request is answered in any case
                fail(error)

        self._spawn(work())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _begin(self, call: Call, due_ns: int = 0) -> None:
        call.span = call.context.span.child(self._tracer.new_span_id())
        call.started_ns = due_ns or time.perf_counter_ns()

    def _pool(self, to: Instance) -> Pool:
        pool = self._pools.get((to.address, to.port))
        if pool is None:
            pool = self._pools[to.address, to.port] = Pool(to.address, to.port)
        return pool


class _ReplyCallback:
    """Takes the outcome of a call in place of an `asyncio.Future`. Its methods do not raise."""

    __slots__ = ("_call", "_caller", "_connection", "_fail", "_then")

    def __init__(
        self,
        caller: Caller,
        call: Call,
        connection: ClientConnection,
        then: Callable[[Reply], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._caller, self._call, self._connection = caller, call, connection
        self._then, self._fail = then, fail

    def done(self) -> bool:
        return False

    def set_result(self, reply: Reply, /) -> None:
        try:
            self._then(self._caller.count_reply(self._call, reply))
        except Exception as error:  # noqa: BLE001  # the request is answered in any case
            self._fail(error)

    def set_exception(self, error: CallError, /) -> None:
        if error.reason == Reason.RESET and not self._connection.replied:
            # The callee closed the kept-alive connection before the call reached it.
            self._caller.repeat(self._call, self._then, self._fail)
            return
        try:
            self._then(self._caller.count_failure(self._call, error.reason))
        except Exception as unexpected:  # noqa: BLE001  # as above
            self._fail(unexpected)
