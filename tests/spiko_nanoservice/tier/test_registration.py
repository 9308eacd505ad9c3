"""The operator's connections to a eureka: followers of a pod get its messages and the state of the
connection.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from spiko_nanoservice.contract.handshake import Purpose
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.sockets import Endpoint, Sockets
from spiko_operator.eureka_links import Links
from tests.support.keys import KEYS
from tests.support.loopback_cluster import configuration, loopback_cluster, tier, until

KEY = ("default", "arch")
Object = dict[str, Any]


def write_kubeconfig(folder: Path) -> Path:
    """Write a kubeconfig of an API server that no test asks; return its path."""
    named = {"name": "c"}
    document = {
        "current-context": "c",
        "clusters": [named | {"cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [named | {"user": {"token": "any"}}],
        "contexts": [named | {"context": {"cluster": "c", "user": "c"}}],
    }
    path = folder / "config"
    path.write_text(yaml.safe_dump(document))
    return path


@asynccontextmanager
async def sockets_of(folder: Path) -> AsyncIterator[Sockets]:
    """Yield the sockets of an operator."""
    client = await Client.connect(str(write_kubeconfig(folder)))
    sockets = Sockets(client)
    try:
        yield sockets
    finally:
        await sockets.close()
        await client.close()


def kinds(received: list[Object]) -> list[str]:
    """Record messages."""
    return [message["t"] for message in received]


async def test_two_followers_of_one_pod_get_every_message(tmp_path: Path) -> None:
    """Given two followers, when one stops, then the other still gets messages; when a eureka ends, then it
    gets a last one.
    """
    async with loopback_cluster() as t, sockets_of(tmp_path) as sockets:
        await t.add_eureka("a", configuration(tier("front", "monolith", "db"), tier("db", "store")))
        await t.add("db-0", "db", "store")
        front = await t.add("front-0", "front", "monolith")
        await until(lambda: front.tier.routes.has_route)
        links = Links(sockets.open, lambda _: None)
        address = t.names["arch-eureka-a.default"][0]
        url = f"http://{address}:7070/control"
        links.keep(KEY, {"eureka": Endpoint(url, address, Purpose.CONTROL, KEYS["control"])})
        await until(lambda: links.connected(KEY) == 1)
        first: list[Object] = []
        second: list[Object] = []
        links.follow(KEY, "db-0", first.append)
        await until(lambda: kinds(first) == ["holders"])
        links.follow(KEY, "db-0", second.append)
        await until(lambda: kinds(second) == ["holders"])
        links.unfollow(KEY, "db-0", first.append)
        links.unfollow(KEY, "db-0", second.remove)  # it does not follow the pod
        before = len(first)

        links.crash(KEY, "db-0", 1)
        await until(lambda: kinds(second) == ["holders", "crashed"])
        await t.stop("db-0")
        await until(lambda: second[-1].get("holders") == 0)
        await t.stop("front-0")
        await t.stop("eureka-a")
        await until(lambda: kinds(second)[-1] == "lost")
        links.keep(KEY, {})
        await links.close()

    assert kinds(second)[-1] == "gone"
    assert {url} == {message["eureka"] for message in second}
    assert (1, "process" in second[0], second[1]["sent"]) == (second[0]["holders"], True, False)
    assert before == len(first)
