"""Reads counters and edges from the eurekas of a running cluster, as the command line does."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

from aiohttp import ClientSession, ClientTimeout

from spiko_nanoservice.contract.handshake import EpochKey, parse_keys
from tests.support.keys import open_session
from tests.support.local_cluster import Cluster


def read_keys(cluster: Cluster, namespace: str) -> tuple[EpochKey, ...]:
    """Return the keys of the Secret `spiko-read`."""
    secret = cluster.get("secret", "spiko-read", namespace)
    return parse_keys(base64.b64decode(secret["data"]["read"]).decode())


def read_eureka(keys: tuple[EpochKey, ...], address: str, what: str) -> dict[str, Any]:
    """Return the `edges` or `totals` of one eureka."""

    async def read() -> dict[str, Any]:
        async with (
            asyncio.timeout(5),
            ClientSession(timeout=ClientTimeout(5)) as session,
            await open_session(session, address, "/read", keys=keys) as socket,
        ):
            await socket.send_json({"t": what})
            while True:
                message: dict[str, Any] = await socket.receive_json()
                if message["t"] == what:
                    return message

    return asyncio.run(read())


def read_all(cluster: Cluster, namespace: str, what: str, labels: str = "") -> list[dict[str, Any]]:
    """Return the `edges` or `totals` of all eurekas of a namespace; `labels` select some."""
    pods = cluster.items("pods", namespace, ",".join(filter(None, ("spiko.dev/tier=eureka", labels))))
    return read_some(cluster, namespace, what, pods)


def read_some(
    cluster: Cluster, namespace: str, what: str, pods: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the `edges` or `totals` of these eurekas."""
    keys = read_keys(cluster, namespace)
    return [read_eureka(keys, pod["status"]["podIP"], what) for pod in pods]
