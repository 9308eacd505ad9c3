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
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientError, ClientWebSocketResponse, WSMsgType

from spiko_nanoservice.contract import Configuration, ContractError, Revision, decode, encode
from spiko_operator.backoff import Backoff
from spiko_operator.errors import ClusterError
from spiko_operator.plan.health import HealthMonitor, HealthReport, Verdicts, read_health
from spiko_operator.plan.objects import Key, Object
from spiko_operator.plan.status import EurekaReport

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0
# Failed attempts before a warning, in about 7 s: a eureka that was just started does not listen yet.
PATIENCE = 8
Listener = Callable[[Object], None]
Open = Callable[[str], AbstractAsyncContextManager[ClientWebSocketResponse]]
log = logging.getLogger("spiko.operator")


@dataclass(slots=True)
class EurekaLink:
    """A connection to one eureka, kept open by `task`."""

    url: str
    task: asyncio.Task[None] | None = None
    outbox: asyncio.Queue[str] | None = None
    report: EurekaReport | None = None
    health: HealthReport | None = None


@dataclass(slots=True)
class _Group:
    """The links of one architecture, by pod UID."""

    configuration: Configuration | None = None
    links: dict[str, EurekaLink] = field(default_factory=dict)
    followed: dict[str, list[Listener]] = field(default_factory=dict)  # by the UID of the followed pod
    health: HealthMonitor = field(default_factory=HealthMonitor)
    review: asyncio.TimerHandle | None = None


class Links:
    """The connections to the eurekas of all architectures.

    Args:
        open_socket: opens a WebSocket to a URL.
        changed: called with the architecture's key when the report of a eureka changes.
        patience: number of failed attempts in a row before a warning is logged.
    """

    def __init__(self, open_socket: Open, changed: Callable[[Key], None], patience: int = PATIENCE) -> None:
        self._open, self._changed, self._patience = open_socket, changed, patience
        self._groups: dict[Key, _Group] = {}

    def keep(self, key: Key, urls: dict[str, str]) -> None:
        """Connect to exactly these eurekas of an architecture: pod UID -> URL of the control socket."""
        group = self._groups.setdefault(key, _Group())
        for uid in [uid for uid, link in group.links.items() if urls.get(uid) != link.url]:
            link = group.links.pop(uid)
            self._close(link)
            _notify_all(group, {"t": "gone", "eureka": link.url})
        for uid, url in urls.items():
            if uid not in group.links:
                link = group.links[uid] = EurekaLink(url)
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

    def verdicts(self, key: Key) -> Verdicts:
        """Return whether the requests of an architecture are answered and its spans exported."""
        group = self._groups.get(key)
        return group.health.verdicts if group else Verdicts()

    def connected(self, key: Key) -> int:
        """Return the number of connected eurekas of an architecture."""
        group = self._groups.get(key)
        return sum(link.outbox is not None for link in group.links.values()) if group else 0

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
            try:
                async with self._open(link.url) as socket:
                    backoff.reset()
                    failures = 0
                    await self._serve(key, group, link, socket)
            except (
                ClusterError,
                ClientError,
                OSError,
                TimeoutError,
                ValueError,
                KeyError,
                TypeError,
            ) as error:
                failures += 1
                level = logging.WARNING if failures == self._patience else logging.DEBUG
                log.log(level, "eureka %s is unreachable: %s", link.url, str(error) or type(error).__name__)
            finally:
                was_open, link.outbox = link.outbox is not None, None
                link.report = link.health = None
            if was_open:  # otherwise the listeners were notified when the connection broke
                _notify_all(group, {"t": "lost", "eureka": link.url})
                self._changed(key)
                self._review_health(key, group)
            await asyncio.sleep(backoff.next_s())

    async def _serve(self, key: Key, group: _Group, link: EurekaLink, socket: Any) -> None:
        link.outbox = outbox = asyncio.Queue[str]()
        if group.configuration is not None:
            outbox.put_nowait(_configuration_message(group.configuration))
        for uid in group.followed:
            outbox.put_nowait(json.dumps({"t": "follow", "id": uid}))
        pump = asyncio.create_task(_pump(socket, outbox))
        try:
            async for frame in socket:
                if frame.type == WSMsgType.TEXT:
                    message = json.loads(frame.data)
                    if not isinstance(message, dict):
                        raise TypeError(f"message is not an object: {frame.data[:80]}")
                    self._receive(key, group, link, message)
        finally:
            pump.cancel()

    def _receive(self, key: Key, group: _Group, link: EurekaLink, message: Object) -> None:
        match message.get("t"):
            case "programmed":
                with contextlib.suppress(ContractError):
                    revision = decode(Revision, message["revision"]) if message["revision"] else None
                    report = EurekaReport(
                        str(revision), int(message["pods"]), int(message["acked"]), bool(message["complete"])
                    )
                    if report != link.report:
                        link.report = report
                        self._changed(key)
            case "health":
                link.health = None
                with contextlib.suppress(KeyError, TypeError, ValueError):
                    link.health = read_health(message)
                self._review_health(key, group)
            case "holders" | "hurt" | "crashed":
                for listener in group.followed.get(str(message["id"]), ()):
                    listener(message | {"eureka": link.url})
            case "refused":
                log.error("eureka %s rejects the configuration: %s", link.url, message.get("message"))

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


async def _pump(socket: Any, outbox: asyncio.Queue[str]) -> None:
    with contextlib.suppress(ConnectionError, RuntimeError):
        while True:
            await socket.send_str(await outbox.get())


def _configuration_message(configuration: Configuration) -> str:
    return json.dumps({"t": "config", "configuration": encode(configuration)}, separators=(",", ":"))
