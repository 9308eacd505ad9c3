"""Refuses writes of an operator that does not lead any more, right before their bytes are sent.

A process that was stopped for a while continues in the middle of anything: a request that has waited for a
connection, a pass, a kill. Therefore the check is in the request itself, after everything that can wait.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import ClientRequest, ClientResponse
from aiohttp.abc import AbstractStreamWriter

from spiko_operator.clock import boottime_s
from spiko_operator.errors import NotLeader

READS = frozenset({"GET", "HEAD", "OPTIONS"})


class WriteGuard:
    """Permits writes until a time; before the first `extend` it permits none.

    Args:
        clock: seconds; it must continue while the process or the machine is paused.
    """

    def __init__(self, clock: Callable[[], float] = boottime_s) -> None:
        self._clock = clock
        self._until_s = float("-inf")

    def extend(self, until_s: float) -> None:
        """Permit writes until this time on the clock."""
        self._until_s = until_s

    def revoke(self) -> None:
        """Permit no further writes."""
        self._until_s = float("-inf")

    @property
    def left_s(self) -> float:
        """The seconds for which writes are still permitted; 0 or less if they are not."""
        return self._until_s - self._clock()

    @property
    def permits(self) -> bool:
        """Whether writes are permitted now."""
        return self.left_s > 0

    def check(self) -> None:
        """Raise NotLeader unless writes are permitted now."""
        if not self.permits:
            raise NotLeader("this operator does not lead any more: the write was not sent")


def guarded_requests(guard: WriteGuard) -> type[ClientRequest]:
    """Return a class of requests that checks the guard before a write: `ClientSession(request_class=)`."""

    class GuardedRequest(ClientRequest):
        async def send(self, conn: Any) -> ClientResponse:
            """Send the request; aiohttp calls this once there is a connection."""
            if self.method not in READS:
                guard.check()
            return await super().send(conn)

        async def write_bytes(
            self, writer: AbstractStreamWriter, conn: Any, content_length: int | None = None
        ) -> None:
            """Write head and body; aiohttp calls this in a task of its own, and keeps the head until then."""
            try:
                if self.method not in READS:
                    guard.check()
            except NotLeader as error:
                conn.protocol.set_exception(error)  # the caller waits for the response
                return
            await super().write_bytes(writer, conn, content_length)

    return GuardedRequest
