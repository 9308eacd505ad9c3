"""The operator's connections to a eureka: followers of a pod get its messages and the state of the
connection.
"""

from __future__ import annotations

from typing import Any

from spiko_operator.eureka_links import Links
from tests.support.loopback_cluster import configuration, loopback_cluster, tier, until
from tests.support.operator_sockets import control_endpoint, operator_sockets

KEY = ("default", "arch")
Object = dict[str, Any]


def kinds(received: list[Object]) -> list[str]:
    """Record messages."""
    return [message["t"] for message in received]


async def test_two_followers_of_one_pod_get_every_message() -> None:
    """Given two followers, when one stops, then the other still gets messages; when a eureka ends, then it
    gets a last one.
    """
    async with loopback_cluster() as t, operator_sockets() as sockets:
        await t.add_eureka("a", configuration(tier("front", "monolith", "db"), tier("db", "store")))
        await t.add("db-0", "db", "store")
        front = await t.add("front-0", "front", "monolith")
        await until(lambda: front.tier.routes.has_route)
        links = Links(sockets.open, lambda _: None)
        address = t.names["arch-eureka-a.default"][0]
        endpoint = control_endpoint(address)
        links.keep(KEY, {"eureka": endpoint})
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
    assert {endpoint.url} == {message["eureka"] for message in second}
    assert (1, "process" in second[0], second[1]["sent"]) == (second[0]["holders"], True, False)
    assert before == len(first)
