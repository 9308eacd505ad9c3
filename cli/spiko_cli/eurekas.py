"""Access to a running architecture: the API server by kubeconfig, and the eurekas of the architecture."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import aiohttp

from spiko_cli.connection import connect, explain_forbidden, require_crds, require_namespace
from spiko_cli.errors import ClusterError
from spiko_cli.kubeconfig import find_access
from spiko_cli.options import ClusterOptions
from spiko_local.objects import Object, status_of
from spiko_nanoservice.contract import parse_object
from spiko_nanoservice.contract.handshake import KEY_FILES, EpochKey, Purpose, parse_keys
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.sockets import Endpoint, Sockets
from spiko_operator.errors import ClusterError as ApiError
from spiko_operator.errors import Forbidden, Missing, Unauthorized
from spiko_operator.eureka_urls import Reacher
from spiko_operator.plan import names
from spiko_operator.settings import Reach

ANSWER_S = 5.0
# A second of 1,000 tiers, or the totals of their edges.
MOST_BYTES = 64 * 1024 * 1024
POLL_S = 1.0
CALL_ERRORS = (ApiError, aiohttp.ClientError, OSError, TimeoutError, ValueError)


class NoKeysError(ApiError):
    """The keys for reading cannot be read, so no eureka was asked."""


@dataclass(frozen=True)
class Target:
    """An architecture in a cluster."""

    name: str
    cluster: ClusterOptions


class Eurekas:
    """The eureka pods of one architecture, their answers and their streams.

    Args:
        client: of the API server.
        sockets: for sessions with the eurekas.
        target: the architecture.
    """

    def __init__(self, client: Client, sockets: Sockets, target: Target) -> None:
        self._client, self._sockets, self._target = client, sockets, target
        self._keys: tuple[EpochKey, ...] | None = None
        self._failures: dict[str, str] = {}  # by the UID of a pod whose stream does not open
        self.pods: list[Object] = []
        self.streams = 0  # open ones

    async def refresh(self) -> None:
        """List the pods again.

        Raises:
            spiko_operator.errors.ClusterError: the API server refused it or did not answer.
        """
        labels = f"{names.ARCHITECTURE}={self._target.name},{names.TIER}={names.EUREKA}"
        found = await self._client.list("Pod", self._target.cluster.namespace, labels)
        self.pods = [
            pod
            for pod in found
            if status_of(pod).get("podIP") and not pod["metadata"].get("deletionTimestamp")
        ]

    async def ask(self, what: str) -> list[Object]:
        """Ask every eureka for its `edges` or `totals` and return the answers.

        Raises:
            ClusterError: a eureka does not answer.
        """
        return list(await asyncio.gather(*(self._ask(pod, what) for pod in self.pods)))

    async def _ask(self, pod: Object, what: str) -> Object:
        way = self._way(pod)
        try:
            async with (
                asyncio.timeout(ANSWER_S),
                self._sockets.open(await self._endpoint(pod, way), MOST_BYTES) as socket,
            ):
                await socket.send_json({"t": what})
                async for frame in socket:
                    message = parse_object(frame.data)
                    if message.get("t") == what:
                        return message
                raise ApiError("the eureka closed the connection")
        except CALL_ERRORS as error:
            raise ClusterError(_explain_failure(pod, way, error)) from error

    async def wait_connected(self, timeout_s: float = ANSWER_S) -> None:
        """Wait until all streams are open, or the time is up; `seconds` must be read meanwhile.

        Raises:
            ClusterError: no stream is open.
        """
        end = time.monotonic() + timeout_s
        while self.streams < len(self.pods) and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        if not self.streams:
            raise ClusterError(self.problem())

    def problem(self) -> str:
        """Return which eurekas do not answer, why, and what to try; empty if all answer."""
        failures = [text for pod in self.pods if (text := self._failures.get(pod["metadata"]["uid"]))]
        if not self.pods:
            return f'architecture "{self._target.name}" has no running eureka'
        if not failures and not self.streams:
            name = self._target.name
            return (
                f'no eureka of architecture "{name}" answered within {ANSWER_S:.0f} s; run `spiko top` again'
            )
        if len(set(failures)) > 1:
            return f"{failures[0]} ({len(failures)} of {len(self.pods)} eurekas)"
        return "".join(failures[:1])

    async def seconds(self) -> AsyncIterator[Object]:
        """Iterate over the one-second reports of all eurekas as they come.

        A stream that ends is opened again.
        """
        queue: asyncio.Queue[Object] = asyncio.Queue()
        following = asyncio.create_task(self._follow(queue))
        try:
            while True:
                yield await queue.get()
        finally:
            following.cancel()

    async def _follow(self, queue: asyncio.Queue[Object]) -> None:
        streams: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                for pod in self.pods:
                    uid = pod["metadata"]["uid"]
                    if uid not in streams or streams[uid].done():
                        streams[uid] = asyncio.create_task(self._stream(pod, queue))
                await asyncio.sleep(POLL_S)
                with contextlib.suppress(ApiError):  # without an API server the known eurekas stay
                    await self.refresh()
        finally:
            for stream in streams.values():
                stream.cancel()

    async def _stream(self, pod: Object, queue: asyncio.Queue[Object]) -> None:
        way, uid = self._way(pod), pod["metadata"]["uid"]
        try:
            async with self._sockets.open(await self._endpoint(pod, way), MOST_BYTES) as socket:
                await socket.send_json({"t": "seconds"})
                self.streams += 1
                self._failures.pop(uid, None)
                try:
                    async for frame in socket:
                        if frame.type == aiohttp.WSMsgType.TEXT:
                            message = parse_object(frame.data)
                            if message.get("t") == "second":
                                queue.put_nowait(message)
                finally:
                    self.streams -= 1
        except (*CALL_ERRORS, KeyError, TypeError) as error:
            self._keys = None  # they may have been replaced
            self._failures[uid] = _explain_failure(pod, way, error)

    async def _endpoint(self, pod: Object, way: Reach) -> Endpoint:
        """Return the endpoint for reading from a eureka. Raises NoKeysError without a key."""
        namespace, address = self._target.cluster.namespace, str(pod["status"]["podIP"])
        if self._keys is None:
            self._keys = await _read_keys(self._client, namespace)
        reacher = Reacher(way, self._client.server)
        url = reacher.url(namespace, pod["metadata"]["name"], address, "/read", web_socket=True)
        return Endpoint(url, address, Purpose.READ, self._keys)

    def _way(self, pod: Object) -> Reach:
        if self._target.cluster.reach is not None:
            chosen: Reach = self._target.cluster.reach
            return chosen
        return "direct" if pod["status"]["podIP"].startswith("127.") else "proxy"


async def _read_keys(client: Client, namespace: str) -> tuple[EpochKey, ...]:
    """Return the keys for reading from the eurekas of a namespace. Raises NoKeysError or ApiError."""
    name = names.READ_SECRET
    try:
        secret = await client.get("Secret", namespace, name)
        return parse_keys(base64.b64decode(secret["data"][KEY_FILES[Purpose.READ]]).decode())
    except Forbidden as error:
        text = f'you need the right to `get` Secret "{name}" in namespace "{namespace}"'
        raise NoKeysError(text) from error
    except Missing as error:
        text = f'Secret "{name}" is missing in namespace "{namespace}"; is the operator running?'
        raise NoKeysError(text) from error
    except (KeyError, TypeError, ValueError) as error:
        raise NoKeysError(f'Secret "{name}" in namespace "{namespace}" has no valid key') from error


def _explain_failure(pod: Object, way: Reach, error: Exception) -> str:
    """Return which pod does not answer, how it was reached, why that failed, and what to try."""
    if isinstance(error, NoKeysError):
        return str(error)
    name, address = pod["metadata"]["name"], pod["status"]["podIP"]
    why = " ".join(str(error).split()) or type(error).__name__  # the text of a pod may have several lines
    text = f'eureka "{name}" does not answer ({way}): {why}'
    if way == "direct":
        return f"{text}; try --reach proxy, through the API server"
    if address.startswith("127."):  # Kubernetes does not proxy to loopback addresses
        return f"{text}; try --reach direct on the machine where the pod runs"
    if isinstance(error, Unauthorized):
        return f"{text}; renew the credentials of the kubeconfig"
    if isinstance(error, Forbidden) and (right := explain_forbidden(error)):
        return f'eureka "{name}": {right}, or --reach direct from where pods can be reached'
    return (
        f"{text}; check that network policies allow the API server to reach port {names.EUREKA_PORT} of the"
        " pod, or use --reach direct from where pods can be reached"
    )


@asynccontextmanager
async def connected(client: Client, target: Target) -> AsyncIterator[Eurekas]:
    """Open connections to the eurekas of an architecture; the caller refreshes the list of pods."""
    sockets = Sockets(client)
    try:
        yield Eurekas(client, sockets, target)
    finally:
        await sockets.close()


@asynccontextmanager
async def open_eurekas(target: Target) -> AsyncIterator[tuple[Object, Eurekas]]:
    """Connect to a cluster; yields the Architecture and its eurekas.

    Raises:
        ClusterError: no cluster, no such architecture, or no eureka is running.
    """
    wanted = target.cluster
    access = find_access(os.environ, wanted.kubeconfig, wanted.context, wanted.namespace)
    target = replace(target, cluster=replace(wanted, namespace=access.namespace))
    async with connect(access) as client, connected(client, target) as eurekas:
        architecture = await _read(client, target)
        await eurekas.refresh()
        if not eurekas.pods:
            where = f"{target.name} -n {access.namespace}"
            raise ClusterError(f"{eurekas.problem()}; `kubectl describe arch {where}` shows why")
        yield architecture, eurekas


async def _read(client: Client, target: Target) -> Object:
    namespace = target.cluster.namespace
    try:
        return await client.get("Architecture", namespace, target.name)
    except Missing as error:
        await require_crds(client, "architectures")
        await require_namespace(client, namespace)
        hint = await _hint(client, namespace)
        raise ClusterError(
            f'architecture "{target.name}" not found in namespace "{namespace}"{hint}'
        ) from error


async def _hint(client: Client, namespace: str) -> str:
    """Return what to do if an architecture does not exist; empty without the right to list others."""
    try:
        found = [body["metadata"]["name"] for body in await client.list("Architecture", namespace)]
    except Forbidden:
        return ""
    if found:
        return f"; found: {', '.join(found)}"
    return "; create one with `kubectl apply -f examples/lamp.yaml`, or name another namespace with -n"
