"""Holds the Lease of the operator: acquires it, renews it, and releases it at the end.

Only the holder writes and connects to eurekas. When it cannot renew the Lease in time, or another operator
holds it, its guard permits no write any more, and the process stops; the next process waits as a standby.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable

from spiko_operator.clock import boottime_s, now_micro_text
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.write_guard import WriteGuard
from spiko_operator.errors import ClusterError, Conflict, Missing
from spiko_operator.plan import names
from spiko_operator.plan.leadership import (
    DEADLINE_S,
    RETRY_S,
    Record,
    Sighting,
    next_record,
    read_record,
    released,
    see,
    wait_s,
    write_record,
)
from spiko_operator.plan.objects import Object
from spiko_operator.rate_limit import TokenBuckets

REQUEST_S = DEADLINE_S / 2  # so that there is time for another attempt before the deadline
WARN_EVERY_S = 60.0
log = logging.getLogger("spiko.operator")


def new_identity() -> str:
    """Return the identity of this process: the host's name, and random digits."""
    return f"{socket.gethostname()}_{secrets.token_hex(4)}"


class Elector:
    """The part of one process in the election.

    Args:
        client: of the API server, without a guard: requests for the Lease are always sent.
        namespace: of the Lease.
        identity: of this process.
        clock: seconds, as that of the guard.

    Attributes:
        guard: permits writes while this process leads.
        elected: is set when this process leads for the first time.
    """

    def __init__(
        self, client: Client, namespace: str, identity: str, clock: Callable[[], float] = boottime_s
    ) -> None:
        self.guard, self.elected = WriteGuard(clock), asyncio.Event()
        self._client, self._namespace, self._identity, self._clock = client, namespace, identity, clock
        self._lease: Object | None = None  # as last read or written; None if it must be read
        self._seen: Sighting | None = None
        self._lines = TokenBuckets(1, WARN_EVERY_S)
        self._error = self._standby_for = ""

    @property
    def is_leader(self) -> bool:
        """Whether this process leads now."""
        return self.guard.permits

    @property
    def is_standby(self) -> bool:
        """Whether another process leads, as far as this one knows."""
        return not self.is_leader and bool(self._standby_for)

    async def run(self) -> None:
        """Acquire the Lease, and renew it until leadership is lost; log why, and return."""
        while not self.is_leader:
            await self._attempt()
            if not self.is_leader:
                await asyncio.sleep(wait_s(self._seen, self._identity, self._clock()))
        log.info("leading: %s holds the Lease %s/%s", self._identity, self._namespace, names.LEASE)
        self.elected.set()
        while True:
            await asyncio.sleep(RETRY_S)
            # A guard that has refused a write must stay closed: the work of that key is not repeated.
            if self.is_leader:
                await self._attempt()
            if not self.is_leader:
                log.error("leadership is lost, stopping the process: %s", self._why_lost())
                return

    async def release(self) -> None:
        """Release the Lease if this process leads. Call it after all work has stopped."""
        if not self.is_leader:
            return
        self.guard.revoke()
        try:
            async with asyncio.timeout(REQUEST_S):
                await self._read()  # the last renewal may have been interrupted
                if self._seen is not None and self._seen.record.holder == self._identity:
                    await self._write(released(self._seen.record, now_micro_text()))
        except (ClusterError, TimeoutError) as error:
            log.warning("the Lease could not be released, it ends by itself: %s", _text(error))

    async def _attempt(self) -> None:
        """Acquire or renew the Lease, unless another holder has it."""
        now_s = self._clock()
        try:
            async with asyncio.timeout(min(REQUEST_S, self.guard.left_s) if self.is_leader else REQUEST_S):
                if self._lease is None or not self.is_leader:
                    await self._read()
                record = next_record(self._seen, self._identity, now_s, now_micro_text())
                if record is None:
                    self._see_holder()
                    return
                sent_s = self._clock()
                await self._write(record)
        except Conflict:
            self._lease = None  # another operator was faster, or a user changed the Lease
        except (ClusterError, TimeoutError) as error:
            self._lease, self._error = None, _text(error)
            if not self.elected.is_set() and self._lines.take("error", now_s):
                place = f"{self._namespace}/{names.LEASE}"
                log.warning("the Lease %s cannot be read or written, retrying: %s", place, self._error)
        else:
            self._error = ""
            if self.is_leader or not self.elected.is_set():
                self.guard.extend(sent_s + DEADLINE_S)

    async def _read(self) -> None:
        try:
            self._lease = await self._client.get("Lease", self._namespace, names.LEASE)
        except Missing:
            # Its holder may not know yet that a user has deleted the Lease: the last sighting counts.
            self._lease = None
        else:
            self._seen = see(self._seen, read_record(self._lease), self._clock())

    async def _write(self, record: Record) -> None:
        write = self._client.create if self._lease is None else self._client.replace
        body = write_record(self._lease, self._namespace, record)
        self._lease = await write("Lease", body, names.FIELD_MANAGER)
        self._seen = see(None, read_record(self._lease), self._clock())

    def _see_holder(self) -> None:
        """Stop to lead if this process led; else log each new holder once."""
        holder = self._holder()
        if self.is_leader:
            self.guard.revoke()
        elif holder != self._standby_for:
            log.info("standby: %s holds the Lease %s/%s", holder, self._namespace, names.LEASE)
        self._standby_for = holder

    def _holder(self) -> str:
        return self._seen.record.holder if self._seen is not None else ""

    def _why_lost(self) -> str:
        if self._holder() not in ("", self._identity):
            return f"{self._holder()} holds the Lease"
        why = self._error or "the process or its machine was paused"
        return f"the Lease was not renewed within {DEADLINE_S:.0f} s: {why}"


def _text(error: Exception) -> str:
    return str(error) or f"no answer within {REQUEST_S:.0f} s"
