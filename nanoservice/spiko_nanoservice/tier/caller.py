"""Sends the calls of a tier: connections by instance, outcomes counted, CLIENT spans made.

A call over a kept-alive connection that is free needs no task: the reply is taken by a callback when its last byte arrives.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from spiko_nanoservice.contract import Instance, Reason
from spiko_nanoservice.errors import CallError
from spiko_nanoservice.telemetry.request_counters import Tally
from spiko_nanoservice.telemetry.tracing import Tracer
from spiko_nanoservice.tier.request_context import Call
from spiko_nanoservice.wire.http_client import ClientConnection, Pool, Reply, render_request
from spiko_nanoservice.wire.http_server import REASONS

HANDOVER = b"/handover"
LATE = Reply(504, b"deadline passed\n", None, Reason.TIMEOUT)


class Caller:
    """The outgoing side of a tier.

    Args:
        tally: where outcomes are counted.
        tracer: where spans are made.
    """

    def __init__(self, tally: Tally, tracer: Tracer) -> None:
        self._tally, self._tracer = tally, tracer
        self._pools: dict[tuple[str, int], Pool] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def call(self, call: Call) -> Reply:
        """Make a call and return its reply; a failure becomes a reply with its reason. Nothing is sent after the deadline."""
        left_us = call.left_us()
        if left_us <= 0:
            return LATE
        self._begin(call)
        try:
            reply = await self._pool(call.to).call(
                call.method, call.path, call.headers, call.context.body, left_us / 1e6
            )
        except CallError as error:
            return self._failed(call, error.reason)
        return self._answered(call, reply)

    def call_over_idle(self, call: Call, then: Callable[[Reply], None]) -> bool:
        """Make a call over a connection that is free, and give its reply to `then`.

        Returns:
            False if no connection is free or the deadline has passed; then nothing was sent.
        """
        left_us = call.left_us()
        pool = self._pool(call.to)
        if left_us <= 0 or (connection := pool.take_idle()) is None:
            return False
        self._begin(call)
        head = render_request(call.method, call.path, pool.host, call.headers(), call.context.body)
        connection.send(head, left_us / 1e6, _Callback(self, call, connection, then))
        return True

    async def hand_over(self, to: Instance, body: bytes, timeout_s: float) -> bool:
        """Send keys to another node of the ring; neither counted nor traced, since no request causes it. True if it took them."""
        try:
            reply = await self._pool(to).call(b"POST", HANDOVER, bytes, body, timeout_s)
        except CallError:
            return False
        return reply.status == 200

    def close_unused(self, present: Iterable[Instance]) -> None:
        """End idle connections, and the pools of instances that have gone; called once a second."""
        now = asyncio.get_running_loop().time()
        addresses = {(instance.address, instance.port) for instance in present}
        for address, pool in list(self._pools.items()):
            if address in addresses:
                pool.close_idle(now)
            else:
                pool.close()
                del self._pools[address]

    def _begin(self, call: Call) -> None:
        call.span = call.context.span.child(self._tracer.new_span_id())
        call.started_ns = time.perf_counter_ns()

    def _answered(self, call: Call, reply: Reply) -> Reply:
        ended_ns = time.perf_counter_ns()
        if reply.status not in REASONS:
            reply = Reply(503, reply.body, reply.service_us, Reason.PROTOCOL)
        took_us = (ended_ns - call.started_ns) // 1000
        self._tally.called(call.to, reply.status, reply.reason, took_us, reply.service_us)
        if call.span.sampled:
            self._tracer.called(call, reply.status, reply.reason, ended_ns)
        return reply

    def _failed(self, call: Call, reason: str) -> Reply:
        ended_ns = time.perf_counter_ns()
        self._tally.failed(call.to, reason, (ended_ns - call.started_ns) // 1000)
        if call.span.sampled:
            self._tracer.called(call, 0, reason, ended_ns)
        return Reply(504 if reason == Reason.TIMEOUT else 503, reason.encode() + b"\n", None, reason)

    def _pool(self, to: Instance) -> Pool:
        pool = self._pools.get((to.address, to.port))
        if pool is None:
            pool = self._pools[to.address, to.port] = Pool(to.address, to.port)
        return pool

    def _repeat(self, call: Call, then: Callable[[Reply], None]) -> None:
        async def work() -> None:
            then(await self.call(call))

        task = asyncio.get_running_loop().create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Callback:
    """Takes the outcome of a call where an `asyncio.Future` would."""

    __slots__ = ("_call", "_caller", "_connection", "_then")

    def __init__(self, caller: Caller, call: Call, connection: ClientConnection, then: Callable[[Reply], None]) -> None:
        self._caller, self._call, self._connection, self._then = caller, call, connection, then

    def done(self) -> bool:
        return False

    def set_result(self, reply: Reply, /) -> None:
        self._then(self._caller._answered(self._call, reply))

    def set_exception(self, error: CallError, /) -> None:
        if error.reason == Reason.RESET and not self._connection.replied:
            self._caller._repeat(self._call, self._then)  # the callee had closed the kept-alive connection
        else:
            self._then(self._caller._failed(self._call, error.reason))
