"""How the command line reaches a running architecture: the API server by kubeconfig, and the eurekas of its pods."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from spiko_cli.errors import ClusterError
from spiko_local.home import Home, find_home
from spiko_operator.cluster.client import Client
from spiko_operator.errors import ClusterError as ApiError
from spiko_operator.errors import Missing
from spiko_operator.plan import names
from spiko_operator.reach import Reacher
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


def find_kubeconfig(environ: Mapping[str, str], given: str | None) -> str:
    """The kubeconfig to use: the one named, KUBECONFIG, the local cluster's if one is up, the user's.

    Raises:
        ClusterError: there is none.
    """
    home = find_home(environ)
    for where, named in (("--kubeconfig", given), ("KUBECONFIG", environ.get("KUBECONFIG"))):
        if named:
            first = named.split(os.pathsep)[0]
            if not Path(first).exists():
                raise ClusterError(f"{where}: {first}: no such file; {_hint(home)}")
            return first
    local = home.kubeconfig if home.read_state() is not None else None
    for candidate in (local, Path.home() / ".kube" / "config"):
        if candidate is not None and candidate.exists():
            return str(candidate)
    raise ClusterError("no cluster: no --kubeconfig, no KUBECONFIG, no local cluster; `spiko up` starts one")


def _hint(home: Home) -> str:
    if home.read_state() is not None:
        return f"the local cluster's is {home.kubeconfig}"
    return "no local cluster is up; `spiko up` starts one"


class Eurekas:
    """The registry pods of one architecture, and questions to them.

    Args:
        client: of the API server.
        session: for the eurekas themselves.
        target: whose.
    """

    def __init__(self, client: Client, session: aiohttp.ClientSession, target: Target) -> None:
        self._client, self._session, self._target = client, session, target
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
            raise ClusterError(
                f"eureka {name} does not answer ({way}): {error!r}; try --reach direct or --reach proxy"
            ) from error

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
        url = reacher.url(self._target.namespace, name, address, "/control?seconds=1", web_socket=True)
        try:
            async with self._session.ws_connect(url, heartbeat=10.0, max_msg_size=0) as socket:
                self.streams += 1
                try:
                    async for frame in socket:
                        if frame.type == aiohttp.WSMsgType.TEXT:
                            message = json.loads(frame.data)
                            if message["t"] == "second":
                                queue.put_nowait(message)
                finally:
                    self.streams -= 1
        except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError):
            return

    def _way(self, address: str) -> Reach:
        if self._target.reach is not None:
            return self._target.reach
        return "direct" if address.startswith("127.") else "proxy"


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
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S)) as session:
            architecture = await _read(client, target)
            eurekas = Eurekas(client, session, target)
            await eurekas.look()
            if not eurekas.pods:
                raise ClusterError(
                    f"architecture {target.name} has no running eureka; `kubectl describe arch {target.name}` says why"
                )
            yield architecture, eurekas
    except ApiError as error:
        raise ClusterError(str(error)) from error
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
