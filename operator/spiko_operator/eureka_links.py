"""Connections to eurekas: the operator sends configurations, and receives acknowledgments and evidence.

There is one connection for each eureka pod, as long as the pod has an address. A eureka accepts only higher
revisions, so the operator sends the configuration on every connection and after every change, and repetitions
have no effect.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientError, ClientWebSocketResponse, WSMsgType

from spiko_nanoservice.contract import Configuration, ContractError, decode, encode, parse_object
from spiko_nanoservice.contract.control_messages import (
    Crashed,
    FailedCalls,
    Holders,
    Programmed,
    RegisteredPods,
)
from spiko_operator.backoff import Backoff
from spiko_operator.cluster.sockets import Endpoint
from spiko_operator.cluster.write_guard import WriteGuard
from spiko_operator.errors import ClusterError, NotLeader
from spiko_operator.plan.health import HealthMonitor, HealthReport, Verdicts, read_health
from spiko_operator.plan.objects import Key, Object
from spiko_operator.plan.status import EurekaReport
from spiko_operator.rate_limit import TokenBuckets

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0
# Failed attempts before a warning, in about 7 s: a eureka that was just started does not listen yet.
PATIENCE = 8
# A connection that ends sooner does not reset the back-off: the next one may end for the same reason.
STABLE_S = 5.0
# Limits of one connection: bytes of a message, messages per second and at once, seconds between warnings and
# between tracebacks.
MOST_BYTES = 1024 * 1024
PER_SECOND, BURST = 1_000, 10_000
WARN_EVERY_S = 60.0
_ABOUT_PODS = {"holders": Holders, "hurt": FailedCalls, "crashed": Crashed}
Listener = Callable[[Object], None]
Open = Callable[[Endpoint, int], AbstractAsyncContextManager[ClientWebSocketResponse]]
log = logging.getLogger("spiko.operator")


@dataclass(slots=True)
class EurekaLink:
    """A connection to one eureka, kept open by `task`. It logs one warning and one traceback a minute."""

    endpoint: Endpoint
    lines: TokenBuckets = field(default_factory=lambda: TokenBuckets(1, WARN_EVERY_S))
    task: asyncio.Task[None] | None = None
    outbox: asyncio.Queue[str] | None = None
    report: EurekaReport | None = None
    health: HealthReport | None = None
    pods: tuple[tuple[str, str], ...] | None = None

    @property
    def url(self) -> str:
        """The URL of the eureka, which names it in messages to listeners."""
        return self.endpoint.url

    def warn(self, text: str, *values: object) -> None:
        """Log a warning unless one was logged in the last minute."""
        if self.lines.take("warning", time.monotonic()):
            log.warning(text, *values)

    def log_error(self) -> None:
        """Log the unexpected error that is being handled unless one was logged in the last minute."""
        if self.lines.take("error", time.monotonic()):
            log.exception("eureka %s: unexpected error; reconnecting", self.url)


@dataclass(slots=True)
class _Group:
    """The links of one architecture, by pod UID."""

    configuration: Configuration | None = None
    links: dict[str, EurekaLink] = field(default_factory=dict)
    followed: dict[str, list[Listener]] = field(default_factory=dict)  # by the UID of the followed pod
    health: HealthMonitor = field(default_factory=HealthMonitor)
    review: asyncio.TimerHandle | None = None
    answered: asyncio.Event = field(default_factory=asyncio.Event)  # an answer to `registered` came


class Links:
    """The connections to the eurekas of all architectures.

    Args:
        open_socket: opens a WebSocket to a URL.
        changed: called with the architecture's key when the report of a eureka changes.
        patience: number of failed attempts in a row before a warning is logged.
        guard: checked before each message to a eureka; None to send all.

    Attributes:
        errors: number of unexpected errors; each ended a connection, which was opened again.
        failures: number of connections that failed or broke, for any other cause.
    """

    def __init__(
        self,
        open_socket: Open,
        changed: Callable[[Key], None],
        patience: int = PATIENCE,
        guard: WriteGuard | None = None,
    ) -> None:
        self._open, self._changed, self._patience, self._guard = open_socket, changed, patience, guard
        self._groups: dict[Key, _Group] = {}
        self.errors = self.failures = 0

    def keep(self, key: Key, endpoints: dict[str, Endpoint]) -> None:
        """Connect to exactly these eurekas of an architecture, by pod UID."""
        group = self._groups.setdefault(key, _Group())
        for uid in [uid for uid, link in group.links.items() if endpoints.get(uid) != link.endpoint]:
            link = group.links.pop(uid)
            self._close(link)
            _notify_all(group, {"t": "gone", "eureka": link.url})
        for uid, endpoint in endpoints.items():
            if uid not in group.links:
                link = group.links[uid] = EurekaLink(endpoint)
                link.task = asyncio.get_running_loop().create_task(self._stay_connected(key, group, link))

    def configure(self, key: Key, configuration: Configuration) -> None:
        """Send a configuration to all eurekas of an architecture, now and on every new connection."""
        group = self._groups.setdefault(key, _Group())
        if group.configuration is not None and group.configuration.revision >= configuration.revision:
            return
        group.configuration = configuration
        group.health.configure(configuration.otlp_endpoint)
        self._send_all(group, _configuration_message(configuration))

    def forget(self, key: Key) -> None:
        """Close the connections to the eurekas of an architecture."""
        group = self._groups.pop(key, None)
        if group is not None and group.review is not None:
            group.review.cancel()
        for link in group.links.values() if group else ():
            self._close(link)

    def reports(self, key: Key) -> tuple[EurekaReport, ...]:
        """Return the last report of each connected eureka."""
        group = self._groups.get(key)
        return tuple(link.report for link in group.links.values() if link.report) if group else ()

    async def registered(self, key: Key, timeout_s: float) -> frozenset[tuple[str, str]]:
        """Ask the eurekas of an architecture for UID and address of the pods that are registered.

        Pods of a eureka that does not answer in time are left out.
        """
        group = self._groups.get(key)
        if group is None:
            return frozenset()
        asked = [link for link in group.links.values() if link.outbox is not None]
        for link in asked:
            link.pods = None
        self._send_all(group, json.dumps({"t": "pods"}))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while any(link.pods is None and link.outbox is not None for link in asked):
                    group.answered.clear()
                    await group.answered.wait()
        return frozenset(pod for link in asked for pod in link.pods or ())

    def verdicts(self, key: Key) -> Verdicts:
        """Return whether the requests of an architecture are answered and its spans exported."""
        group = self._groups.get(key)
        return group.health.verdicts if group else Verdicts()

    def connected(self, key: Key) -> int:
        """Return the number of connected eurekas of an architecture."""
        group = self._groups.get(key)
        return sum(link.outbox is not None for link in group.links.values()) if group else 0

    def count(self) -> tuple[int, int]:
        """Return how many eurekas of all architectures are connected, and how many there are."""
        links = [link for group in self._groups.values() for link in group.links.values()]
        return sum(link.outbox is not None for link in links), len(links)

    def follow(self, key: Key, pod_uid: str, listener: Listener) -> None:
        """Call a listener with each message about a pod: callers, failed calls, answers to crash requests.

        Each message has the URL of the eureka as `eureka`. The listener also gets `lost` when a connection
        breaks and `gone` when a eureka is removed. A pod can have several listeners.
        """
        group = self._groups.setdefault(key, _Group())
        group.followed.setdefault(pod_uid, []).append(listener)
        self._send_all(group, json.dumps({"t": "follow", "id": pod_uid}))

    def unfollow(self, key: Key, pod_uid: str, listener: Listener) -> None:
        """Remove a listener."""
        group = self._groups.get(key)
        if group is None or listener not in group.followed.get(pod_uid, ()):
            return
        group.followed[pod_uid].remove(listener)
        if not group.followed[pod_uid]:
            del group.followed[pod_uid]
            self._send_all(group, json.dumps({"t": "unfollow", "id": pod_uid}))

    def crash(self, key: Key, pod_uid: str, process: int) -> None:
        """Request that a pod's process exits at once.

        Listeners of the pod get the message `crashed` from each eureka.

        Args:
            key: of the architecture.
            pod_uid: of the pod.
            process: start time of the process; a process with another start time ignores the request.
        """
        group = self._groups.get(key)
        if group is not None:
            self._send_all(group, json.dumps({"t": "crash", "id": pod_uid, "process": process}))

    async def close(self) -> None:
        """Close all connections."""
        for key in list(self._groups):
            self.forget(key)

    def _send_all(self, group: _Group, text: str) -> None:
        for link in group.links.values():
            if link.outbox is not None:
                link.outbox.put_nowait(text)

    @staticmethod
    def _close(link: EurekaLink) -> None:
        if link.task is not None:
            link.task.cancel()

    async def _stay_connected(self, key: Key, group: _Group, link: EurekaLink) -> None:
        backoff, failures = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S), 0
        while True:
            opened_s = float("inf")
            try:
                async with self._open(link.endpoint, MOST_BYTES) as socket:
                    opened_s = time.monotonic()
                    await self._serve(key, group, link, socket)
            except (ClusterError, ClientError, OSError, TimeoutError) as error:
                failures += 1
                self.failures += 1
                if failures >= self._patience:
                    reason = str(error) or type(error).__name__
                    link.warn("eureka %s is unreachable: %.300r; retrying", link.url, reason)
            except Exception:  # noqa: BLE001  # the edge of the process: this link must not end for ever
                self.errors += 1
                link.log_error()
            finally:
                was_open, link.outbox = link.outbox is not None, None
                useful = link.report is not None
                link.report = link.pods = link.health = None
            if was_open:  # otherwise the listeners were notified when the connection broke
                _notify_all(group, {"t": "lost", "eureka": link.url})
                self._changed(key)
                self._review_health(key, group)
            if useful and time.monotonic() >= opened_s + STABLE_S:
                backoff.reset()
                failures = 0
            await asyncio.sleep(backoff.next_s())

    async def _serve(self, key: Key, group: _Group, link: EurekaLink, socket: Any) -> None:
        link.outbox = outbox = asyncio.Queue[str]()
        if group.configuration is not None:
            outbox.put_nowait(_configuration_message(group.configuration))
        for uid in group.followed:
            outbox.put_nowait(json.dumps({"t": "follow", "id": uid}))
        pump = asyncio.create_task(_pump(socket, outbox, self._guard))
        received = TokenBuckets(BURST, 1.0 / PER_SECOND)
        try:
            async for frame in socket:
                if not received.take(link.url, time.monotonic()):
                    raise ClusterError(f"sends more than {PER_SECOND} messages per second")
                if frame.type == WSMsgType.TEXT:
                    self._receive(key, group, link, parse_object(frame.data))
        except ContractError as error:
            raise ClusterError(f"invalid message: {error}") from error
        finally:
            pump.cancel()

    def _receive(self, key: Key, group: _Group, link: EurekaLink, message: Object) -> None:
        match message.get("t"):
            case "programmed":
                programmed = decode(Programmed, message)
                report = EurekaReport(
                    programmed.revision, programmed.pods, programmed.acked, programmed.complete
                )
                if report != link.report:
                    link.report = report
                    self._changed(key)
            case "holders" | "hurt" | "crashed" as kind:
                about = encode(decode(_ABOUT_PODS[kind], message))
                for listener in group.followed.get(about["id"], ()):
                    listener(about | {"t": kind, "eureka": link.url})
            case "health":
                link.health = read_health(message)
                self._review_health(key, group)
            case "pods":
                link.pods = decode(RegisteredPods, message).pods
                group.answered.set()
            case "refused":
                link.warn("eureka %s rejects a message: %.300r", link.url, message.get("message"))

    def _review_health(self, key: Key, group: _Group) -> None:
        """Take the summaries of all eurekas, now and when a verdict that waits is due."""
        if self._groups.get(key) is not group:
            return
        loop = asyncio.get_running_loop()
        if group.review is not None:
            group.review.cancel()
            group.review = None
        reports = [link.health for link in group.links.values() if link.health]
        if group.health.update(reports, loop.time()):
            self._changed(key)
        if (due := group.health.due) is not None:
            group.review = loop.call_at(due, self._review_health, key, group)


def _notify_all(group: _Group, message: Object) -> None:
    for listeners in group.followed.values():
        for listener in listeners:
            listener(message)


async def _pump(socket: Any, outbox: asyncio.Queue[str], guard: WriteGuard | None) -> None:
    """Send the messages of a link; end when the operator does not lead any more."""
    with contextlib.suppress(ConnectionError, RuntimeError, NotLeader):
        while True:
            text = await outbox.get()
            if guard is not None:
                guard.check()
            await socket.send_str(text)


def _configuration_message(configuration: Configuration) -> str:
    return json.dumps({"t": "config", "configuration": encode(configuration)}, separators=(",", ":"))
