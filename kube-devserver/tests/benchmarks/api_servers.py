"""The API server compared with Kubernetes' own on one machine: the same work in turns, and the ratio of the
speeds.

    KUBE_DEVSERVER_BINARIES=FOLDER python kube-devserver/tests/benchmarks/api_servers.py [rounds]

PYTHONPATH is kube-devserver/tests; FOLDER has the real control plane. Ratios are this server's speed /
Kubernetes': 0.3 is the minimum, 1 the
goal.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from devserver_support.differential.control_plane import both_servers
from devserver_support.servers import Server

APPLIES, PODS, WATCHERS, WRITES = 200, 1_000, 100, 10
MAPS = "/api/v1/namespaces/bench/configmaps"
POD_LIST = "/api/v1/namespaces/bench/pods"
APPLY = "application/apply-patch+yaml"
Measure = Callable[["Asker", int], Awaitable[float]]


class Asker:
    """Kept connections to one server."""

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        self.server, self._session = server, session
        self._base = f"https://{server.host}:{server.port}"

    async def ask(self, method: str, path: str, body: Any = None, content: str = "application/json") -> bytes:
        """One request that must succeed; the answer's bytes."""
        headers = self.server.headers | {"Content-Type": content}
        async with self._session.request(
            method, self._base + path, json=body, headers=headers, ssl=self.server.context
        ) as reply:
            data = await reply.read()
            assert reply.status < 300, data[:300]
            return data

    async def watch(self, path: str, open_: asyncio.Event, seen: asyncio.Queue[float], last: str) -> None:
        """Record when each write arrives, until the last name has arrived."""
        timeout = aiohttp.ClientTimeout(total=60)
        url = f"{self._base}{path}?watch=true"
        async with self._session.get(
            url, headers=self.server.headers, ssl=self.server.context, timeout=timeout
        ) as reply:
            open_.set()
            async for line in reply.content:
                seen.put_nowait(time.perf_counter())
                if last.encode() in line:
                    return


def config_map(name: str, value: str) -> dict[str, Any]:
    """A small object."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"value": value}}


async def applies(asker: Asker, number: int, clients: int) -> float:
    """Server-side applies per second; half of them create, half change."""
    names = iter([f"a{number}-{i // 2}" for i in range(APPLIES)])

    async def client(own: int) -> None:
        for name in names:
            body = config_map(name, f"{own} {time.perf_counter()}")
            await asker.ask("PATCH", f"{MAPS}/{name}?fieldManager=bench&force=true", body, APPLY)

    began = time.perf_counter()
    await asyncio.gather(*(client(own) for own in range(clients)))
    return APPLIES / (time.perf_counter() - began)


async def fill(asker: Asker) -> None:
    """Create a namespace and a thousand pods that no scheduler places."""
    await asker.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "bench"}})
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bench"}}
    await asker.ask("POST", "/api/v1/namespaces/bench/serviceaccounts", account)
    spec = {
        "schedulerName": "absent",
        "serviceAccountName": "bench",
        "automountServiceAccountToken": False,
        "containers": [
            {"name": "c", "image": "example/x", "env": [{"name": f"N{i}", "value": "v"} for i in range(10)]}
        ],
    }
    numbers = iter(range(PODS))

    async def client() -> None:
        for number in numbers:
            body = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": f"p{number}", "labels": {"n": str(number)}},
            }
            await asker.ask("POST", POD_LIST, body | {"spec": spec})

    await asyncio.gather(*(client() for _ in range(8)))


async def lists(asker: Asker, _number: int) -> float:
    """Lists of a thousand pods per second."""
    began = time.perf_counter()
    for _ in range(5):
        await asker.ask("GET", POD_LIST)
    return 5 / (time.perf_counter() - began)


async def tells(asker: Asker, number: int) -> float:
    """Writes per second, each received by a hundred watchers before the next one."""
    seen: asyncio.Queue[float] = asyncio.Queue()
    opened = [asyncio.Event() for _ in range(WATCHERS)]
    last = f"w{number}-{WRITES - 1}"
    watching = [asyncio.create_task(asker.watch(MAPS, event, seen, last)) for event in opened]
    await asyncio.gather(*(event.wait() for event in opened))
    await asyncio.sleep(0.5)  # what was there before has been told
    took = []
    for write in range(WRITES):
        while not seen.empty():
            seen.get_nowait()
        began = time.perf_counter()
        await asker.ask("POST", MAPS, config_map(f"w{number}-{write}", "x"))
        times = [await seen.get() for _ in range(WATCHERS)]
        took.append(max(times) - began)
    await asyncio.gather(*watching)
    return 1 / statistics.median(took)


MEASURES: dict[str, Measure] = {
    "server-side applies/s, one client": lambda asker, n: applies(asker, n, 1),
    "server-side applies/s, eight clients": lambda asker, n: applies(asker, 1_000 + n, 8),
    "lists of 1,000 pods/s": lists,
    "writes/s until 100 watchers have each": tells,
}


async def compare(servers: tuple[Server, Server], rounds: int) -> None:
    """Measure both servers in turns, in changing order, and print medians and ratios."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as session:
        askers = [Asker(server, session) for server in servers]
        for asker in askers:
            await fill(asker)
        found: dict[tuple[str, str], list[float]] = {}
        for number in range(rounds):
            for name, measure in MEASURES.items():
                for asker in askers if number % 2 == 0 else askers[::-1]:
                    found.setdefault((name, asker.server.name), []).append(await measure(asker, number))
    print(f"{'':<40}{'kubernetes':>12}{'ours':>12}{'ratio':>8}")
    for name in MEASURES:
        real, own = (statistics.median(found[name, server.name]) for server in servers)
        print(f"{name:<40}{real:>12.1f}{own:>12.1f}{own / real:>8.2f}")


def main(rounds: int) -> None:
    """Start both servers and compare them."""
    with both_servers() as both:
        asyncio.run(compare((both.real, both.own), rounds))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
