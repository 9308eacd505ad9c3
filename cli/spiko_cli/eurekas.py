"""How the command line reaches a running architecture: the API server by kubeconfig, and the eurekas of its pods."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from spiko_cli.errors import ClusterError
from spiko_cli.kubeconfig import explain, find_kubeconfig
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.sockets import Sockets
from spiko_operator.errors import ClusterError as ApiError
from spiko_operator.errors import Missing
from spiko_operator.eureka_urls import Reacher
from spiko_operator.plan import names
from spiko_operator.settings import Reach

ANSWER_S = 5.0
LOOK_S = 1.0


@dataclass(frozen=True)
class Target:
    """Which architecture of which cluster. `reach` None chooses: direct for loopback addresses, else through the API server."""

    name: str
    namespace: str
    context: str | None
    kubeconfig: str | None
    reach: Reach | None


class Eurekas:
    """The registry pods of one architecture, and questions to them.

    Args:
        client: of the API server.
        session: for questions to the eurekas themselves.
        sockets: for their streams.
        target: whose.
    """

    def __init__(self, client: Client, session: aiohttp.ClientSession, sockets: Sockets, target: Target) -> None:
        self._client, self._session, self._sockets, self._target = client, session, sockets, target
        self._failures: dict[str, str] = {}  # by the UID of a pod whose stream does not open
        self.pods: list[dict[str, Any]] = []
        self.streams = 0  # open ones

    async def look(self) -> None:
        """List the pods anew. Raises the operator's ClusterError."""
        labels = f"{names.ARCHITECTURE}={self._target.name},{names.TIER}={names.EUREKA}"
        found = await self._client.list("Pod", self._target.namespace, labels)
        self.pods = [
            pod for pod in found if pod.get("status", {}).get("podIP") and not pod["metadata"].get("deletionTimestamp")
        ]

    async def ask(self, path: str) -> list[dict[str, Any]]:
        """One question to every eureka.

        Raises:
            ClusterError: one does not answer.
        """
        return list(await asyncio.gather(*(self._ask(pod, path) for pod in self.pods)))

    async def _ask(self, pod: dict[str, Any], path: str) -> dict[str, Any]:
        name, address = pod["metadata"]["name"], pod["status"]["podIP"]
        way = self._way(address)
        try:
            if way == "proxy":
                url = Reacher(way, "").url(self._target.namespace, name, address, path)
                return await self._client.raw(url)
            async with self._session.get(Reacher(way, "").url(self._target.namespace, name, address, path)) as reply:
                found: dict[str, Any] = await reply.json()
                return found
        except (ApiError, aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise ClusterError(_say_failure(name, address, way, error)) from error

    async def until_heard(self, most_s: float = ANSWER_S) -> None:
        """Wait until the streams of all eurekas are open, or it is late; `seconds` must be read meanwhile.

        Raises:
            ClusterError: none is open.
        """
        end = time.monotonic() + most_s
        while self.streams < len(self.pods) and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        if not self.streams:
            raise ClusterError(self.silence())

    def silence(self) -> str:
        """Which eurekas are not heard, why, and what to try; empty if all are."""
        unheard = [text for pod in self.pods if (text := self._failures.get(pod["metadata"]["uid"]))]
        if not self.pods:
            return f"architecture {self._target.name} has no running eureka"
        if not unheard and not self.streams:
            return f"no eureka of {self._target.name} has answered within {ANSWER_S:.0f} s; `spiko top` again"
        return unheard[0] + (f" ({len(unheard)} of {len(self.pods)} eurekas)" if unheard[1:] else "") if unheard else ""

    async def seconds(self) -> AsyncIterator[dict[str, Any]]:
        """The one-second streams of all eurekas, as they come; one that ends is looked for again."""
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        following = asyncio.create_task(self._follow(queue))
        try:
            while True:
                yield await queue.get()
        finally:
            following.cancel()

    async def _follow(self, queue: asyncio.Queue[dict[str, Any]]) -> None:
        streams: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                for pod in self.pods:
                    uid = pod["metadata"]["uid"]
                    if uid not in streams or streams[uid].done():
                        streams[uid] = asyncio.create_task(self._stream(pod, queue))
                await asyncio.sleep(LOOK_S)
                with contextlib.suppress(ApiError):  # the API server is away: the eurekas that are known go on
                    await self.look()
        finally:
            for stream in streams.values():
                stream.cancel()

    async def _stream(self, pod: dict[str, Any], queue: asyncio.Queue[dict[str, Any]]) -> None:
        name, address = pod["metadata"]["name"], pod["status"]["podIP"]
        way = self._way(address)
        reacher = Reacher(way, self._client.server)
        url = reacher.url(self._target.namespace, name, address, "/control/seconds", web_socket=True)
        try:
            async with self._sockets.open(url) as socket:
                self.streams += 1
                self._failures.pop(pod["metadata"]["uid"], None)
                try:
                    async for frame in socket:
                        if frame.type == aiohttp.WSMsgType.TEXT:
                            message = json.loads(frame.data)
                            if message["t"] == "second":
                                queue.put_nowait(message)
                finally:
                    self.streams -= 1
        except (ApiError, aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError, TypeError) as error:
            self._failures[pod["metadata"]["uid"]] = _say_failure(name, address, way, error)

    def _way(self, address: str) -> Reach:
        if self._target.reach is not None:
            return self._target.reach
        return "direct" if address.startswith("127.") else "proxy"


def _say_failure(name: str, address: str, way: Reach, error: Exception) -> str:
    """Which pod, how it was tried, why that failed, what to try."""
    text = f"eureka {name} does not answer ({way}): {str(error) or type(error).__name__}"
    if way == "direct":
        return f"{text}; --reach proxy asks through the API server"
    if address.startswith("127."):  # Kubernetes proxies to no loopback address
        return f"{text}; --reach direct asks the pod itself, on the machine where it runs"
    return f"{text}; you need the right to `get pods/proxy`, or --reach direct from where pods can be reached"


@asynccontextmanager
async def connected(client: Client, target: Target) -> AsyncIterator[Eurekas]:
    """The eurekas of an architecture, with connections of their own; whoever takes them looks for pods."""
    sockets = Sockets(client)
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S)) as session:
            yield Eurekas(client, session, sockets, target)
    finally:
        await sockets.close()


@asynccontextmanager
async def open_eurekas(target: Target) -> AsyncIterator[tuple[dict[str, Any], Eurekas]]:
    """The Architecture and its eurekas.

    Raises:
        ClusterError: no cluster, no such architecture, or no eureka runs.
    """
    try:
        client = await Client.connect(find_kubeconfig(os.environ, target.kubeconfig), target.context)
    except ApiError as error:
        raise ClusterError(f"{error}; name another with --context or --kubeconfig") from error
    try:
        async with connected(client, target) as eurekas:
            architecture = await _read(client, target)
            await eurekas.look()
            if not eurekas.pods:
                raise ClusterError(
                    f"architecture {target.name} has no running eureka; `kubectl describe arch {target.name}` says why"
                )
            yield architecture, eurekas
    except ApiError as error:
        raise explain(error) from error
    finally:
        await client.close()


async def _read(client: Client, target: Target) -> dict[str, Any]:
    try:
        return await client.get("Architecture", target.namespace, target.name)
    except Missing as error:
        there = [a["metadata"]["name"] for a in await _all(client, target.namespace)]
        hint = (
            f"there are: {', '.join(there)}"
            if there
            else "there are none; `kubectl apply -f examples/lamp.yaml` makes one"
        )
        raise ClusterError(f"no architecture {target.name!r} in namespace {target.namespace}; {hint}") from error


async def _all(client: Client, namespace: str) -> list[dict[str, Any]]:
    try:
        return await client.list("Architecture", namespace)
    except Missing as error:
        raise ClusterError(
            "this cluster does not know Architectures; `kubectl apply --server-side -f crds/`"
        ) from error
