"""The operator's connections to a real eureka: who follows a pod hears of it, and of the connection."""

from __future__ import annotations

from typing import Any

from aiohttp import ClientSession

from spiko_operator.eureka_links import Links
from tests.support.loopback_cluster import configuration, tier, town, until

KEY = ("default", "arch")
Object = dict[str, Any]


def kinds(heard: list[Object]) -> list[str]:
    """What was heard."""
    return [message["t"] for message in heard]


async def test_two_may_follow_one_pod_and_each_hears_all() -> None:
    """Given two followers, when one leaves, then the other hears on; of a eureka whose end comes it hears `lost`, of one that is no more `gone`."""
    async with town() as t, ClientSession() as session:
        await t.add_eureka("a", configuration(tier("front", "monolith", "db"), tier("db", "store")))
        await t.add("db-0", "db", "store")
        front = await t.add("front-0", "front", "monolith")
        await until(lambda: front.tier.routes.has_route)
        links = Links(session.ws_connect, lambda _: None)
        url = f"http://{t.names['arch-eureka-a.default'][0]}:7070/control"
        links.keep(KEY, {"eureka": url})
        await until(lambda: links.connected(KEY) == 1)
        first: list[Object] = []
        second: list[Object] = []
        links.follow(KEY, "db-0", first.append)
        await until(lambda: kinds(first) == ["holders"])
        links.follow(KEY, "db-0", second.append)
        await until(lambda: kinds(second) == ["holders"])
        links.unfollow(KEY, "db-0", first.append)
        links.unfollow(KEY, "db-0", second.remove)  # nobody who follows
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
