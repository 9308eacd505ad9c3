"""The operator's connections to eurekas: configurations out, acknowledgements and evidence in.

One connection for each eureka pod, kept as long as the pod has an address. A eureka takes only higher revisions, so the configuration is sent
on every connection and after every change, and repeating it harms nothing.
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
from spiko_operator.plan.objects import Key
from spiko_operator.plan.status import EurekaReport

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0
PATIENCE = 8  # attempts, seven seconds: a eureka that has just been started does not listen yet
Listener = Callable[[dict[str, Any]], None]
Open = Callable[[str], AbstractAsyncContextManager[ClientWebSocketResponse]]
log = logging.getLogger("spiko.operator")


@dataclass(slots=True)
class EurekaLink:
    """One connection, wanted as long as `task` runs."""

    url: str
    task: asyncio.Task[None] | None = None
    outbox: asyncio.Queue[str] | None = None
    report: EurekaReport | None = None


@dataclass(slots=True)
class _Group:
    """One architecture's links, by pod UID."""

    configuration: Configuration | None = None
    links: dict[str, EurekaLink] = field(default_factory=dict)
    followed: dict[str, list[Listener]] = field(default_factory=dict)  # by the UID of the pod followed


class Links:
    """All connections.

    Args:
        open_socket: opens a WebSocket at a URL.
        changed: called with a key when a eureka acknowledged something.
        patience: how many attempts may fail in a row before the log says so.
    """

    def __init__(self, open_socket: Open, changed: Callable[[Key], None], patience: int = PATIENCE) -> None:
        self._open, self._changed, self._patience = open_socket, changed, patience
        self._groups: dict[Key, _Group] = {}

    def keep(self, key: Key, urls: dict[str, str]) -> None:
        """Have exactly these eurekas of an architecture connected: pod UID -> URL of its control socket."""
        group = self._groups.setdefault(key, _Group())
        for uid in [uid for uid, link in group.links.items() if urls.get(uid) != link.url]:
            link = group.links.pop(uid)
            self._end(link)
            _tell_all(group, {"t": "gone", "eureka": link.url})
        for uid, url in urls.items():
            if uid not in group.links:
                link = group.links[uid] = EurekaLink(url)
                link.task = asyncio.get_running_loop().create_task(self._hold(key, group, link))

    def configure(self, key: Key, configuration: Configuration) -> None:
        """Have an architecture's eurekas know this configuration."""
        group = self._groups.setdefault(key, _Group())
        if group.configuration is not None and group.configuration.revision >= configuration.revision:
            return
        group.configuration = configuration
        self._send_all(group, _configuration_message(configuration))

    def forget(self, key: Key) -> None:
        """End an architecture's connections."""
        group = self._groups.pop(key, None)
        for link in group.links.values() if group else ():
            self._end(link)

    def reports(self, key: Key) -> tuple[EurekaReport, ...]:
        """Return the last report of each connected eureka."""
        group = self._groups.get(key)
        return tuple(link.report for link in group.links.values() if link.report) if group else ()

    def connected(self, key: Key) -> int:
        """How many eurekas of an architecture are connected now."""
        group = self._groups.get(key)
        return sum(link.outbox is not None for link in group.links.values()) if group else 0

    def follow(self, key: Key, pod_uid: str, listener: Listener) -> None:
        """Hear of one pod's holders and of calls to it that failed; messages carry `eureka` besides.

        Of a eureka whose connection breaks `lost` is heard, of one that is no more `gone`. Several may follow one pod.
        """
        group = self._groups.setdefault(key, _Group())
        group.followed.setdefault(pod_uid, []).append(listener)
        self._send_all(group, json.dumps({"t": "follow", "id": pod_uid}))

    def unfollow(self, key: Key, pod_uid: str, listener: Listener) -> None:
        """Hear no more of it."""
        group = self._groups.get(key)
        if group is None or listener not in group.followed.get(pod_uid, ()):
            return
        group.followed[pod_uid].remove(listener)
        if not group.followed[pod_uid]:
            del group.followed[pod_uid]
            self._send_all(group, json.dumps({"t": "unfollow", "id": pod_uid}))

    def crash(self, key: Key, pod_uid: str, process: int) -> None:
        """Have a pod's process end at once, if it still is the one that began at `process`; whoever follows the pod hears `crashed`."""
        group = self._groups.get(key)
        if group is not None:
            self._send_all(group, json.dumps({"t": "crash", "id": pod_uid, "process": process}))

    async def close(self) -> None:
        """End all connections."""
        for key in list(self._groups):
            self.forget(key)

    def _send_all(self, group: _Group, text: str) -> None:
        for link in group.links.values():
            if link.outbox is not None:
                link.outbox.put_nowait(text)

    @staticmethod
    def _end(link: EurekaLink) -> None:
        if link.task is not None:
            link.task.cancel()

    async def _hold(self, key: Key, group: _Group, link: EurekaLink) -> None:
        backoff, failures = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S), 0
        while True:
            try:
                async with self._open(link.url) as socket:
                    backoff.reset()
                    failures = 0
                    await self._serve(key, group, link, socket)
            except (ClusterError, ClientError, OSError, TimeoutError, ValueError, KeyError, TypeError) as error:
                failures += 1
                level = logging.WARNING if failures == self._patience else logging.DEBUG
                log.log(level, "eureka %s cannot be reached: %s", link.url, str(error) or type(error).__name__)
            finally:
                was_open, link.outbox = link.outbox is not None, None
                link.report = None
            if was_open:  # else it was told before
                _tell_all(group, {"t": "lost", "eureka": link.url})
                self._changed(key)
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
                        raise TypeError(f"no object: {frame.data[:80]}")
                    self._hear(key, group, link, message)
        finally:
            pump.cancel()

    def _hear(self, key: Key, group: _Group, link: EurekaLink, message: dict[str, Any]) -> None:
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
            case "holders" | "hurt" | "crashed":
                for listener in group.followed.get(str(message["id"]), ()):
                    listener(message | {"eureka": link.url})
            case "refused":
                log.error("eureka %s refuses the configuration: %s", link.url, message.get("message"))


def _tell_all(group: _Group, message: dict[str, Any]) -> None:
    for listeners in group.followed.values():
        for listener in listeners:
            listener(message)


async def _pump(socket: Any, outbox: asyncio.Queue[str]) -> None:
    with contextlib.suppress(ConnectionError, RuntimeError):
        while True:
            await socket.send_str(await outbox.get())


def _configuration_message(configuration: Configuration) -> str:
    return json.dumps({"t": "config", "configuration": encode(configuration)}, separators=(",", ":"))
