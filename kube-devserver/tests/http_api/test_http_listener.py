"""Clients that have not proven a token cost a limited amount of memory, and leave none behind."""

from __future__ import annotations

import asyncio
import gc
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from aiohttp import web

from devserver_support.servers import TOKEN, prepare_pki
from kube_devserver.__main__ import server_context
from kube_devserver.api.http_listener import MOST_HEADERS, HttpListener, Limits, UnprovenConnections
from kube_devserver.api.kubelet_proxy import Kubelets
from kube_devserver.api.server import ApiServer
from kube_devserver.api.verbs import Verbs
from kube_devserver.objects.resource_registry import Registry
from kube_devserver.storage.store import Store

# The server is in this process, where warnings are errors.
pytestmark = pytest.mark.filterwarnings("ignore::aiohttp.web_exceptions.NotAppKeyWarning")
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Scenario = Callable[["Served"], Awaitable[None]]
NAMESPACES = "/api/v1/namespaces"
PROVEN = f"Authorization: Bearer {TOKEN}\r\n"
MOST_S = 20.0  # of a scenario, which takes less than one second on an idle machine


class Served:
    """An API server in this process, and its clients.

    Args:
        listener: of the server.
        unproven: connections.
        context: of its clients.
        port: of the server.
    """

    def __init__(self, unproven: UnprovenConnections, context: ssl.SSLContext, port: int) -> None:
        self.unproven, self._context, self._port = unproven, context, port
        self._opened: list[asyncio.StreamWriter] = []

    async def connect(self, tls: bool = True) -> Connection:
        """Open a connection, with a completed handshake if it has TLS."""
        made = await asyncio.open_connection("127.0.0.1", self._port, ssl=self._context if tls else None)
        self._opened.append(made[1])
        return made

    async def attack(self, count: int, data: bytes, tls: bool = True) -> list[Connection]:
        """Open connections that send the same data and stay open."""
        made = []
        for _ in range(count):
            made.append(await self.connect(tls))
            made[-1][1].write(data)
        return made

    async def ask(self, path: str = NAMESPACES) -> int:
        """Return the status of the answer to an authenticated request on a connection of its own."""
        reader, writer = await self.connect()
        status = await ask(reader, writer, path)
        writer.transport.abort()
        return status

    def leave(self) -> None:
        """Abort all connections of clients."""
        for writer in self._opened:
            writer.transport.abort()
        self._opened.clear()


def head(path: str, more: str = "") -> bytes:
    """A request without a body."""
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str = NAMESPACES) -> int:
    """Return the status of the answer to an authenticated request."""
    writer.write(head(path, PROVEN))
    return int((await reader.readuntil(b"\r\n")).split()[1])


async def ended(reader: asyncio.StreamReader) -> bool:
    """Read what the server has sent; return whether it has ended the connection, within some seconds."""
    try:
        async with asyncio.timeout(5):
            while await reader.read(1 << 16):
                pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds; the time of the scenario limits this."""
    while not condition():  # noqa: ASYNC110  # the condition has no event
        await asyncio.sleep(0.01)


def connections_in_memory() -> int:
    """The number of TLS objects and HTTP protocols of servers in this process."""
    return sum(
        isinstance(found, web.RequestHandler) or (isinstance(found, ssl.SSLObject) and found.server_side)
        for found in gc.get_objects()
    )


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys and certificates of a cluster."""
    folder = tmp_path_factory.mktemp("listener") / "pki"
    prepare_pki(folder)
    return folder


@asynccontextmanager
async def serving(pki: Path, limits: Limits) -> AsyncIterator[Served]:
    """Serve an empty cluster."""
    store, unproven = Store(None), UnprovenConnections(limits)
    verbs = Verbs(store, Registry(), lambda: "2026-01-01T00:00:00Z")
    server = ApiServer(verbs, Kubelets(store, pki), [TOKEN], 1_000, unproven.prove)
    listener = HttpListener(server.application, server_context(pki), unproven)
    port = await listener.listen("127.0.0.1", 0)
    served = Served(unproven, ssl.create_default_context(cafile=str(pki / "ca.crt")), port)
    try:
        yield served
    finally:
        served.leave()
        store.end()
        await listener.close()
        store.close()


def run(pki: Path, scenario: Scenario, limits: Limits) -> None:
    """Run a scenario in the event loop of the product."""

    async def main() -> None:
        async with asyncio.timeout(MOST_S), serving(pki, limits) as served:
            await scenario(served)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


UNFINISHED = {
    "no handshake": (b"", False),
    "plain HTTP": (b"\x16\x03\x01\x02\x00", False),
    "nothing": (b"", True),
    "half a header": (b"GET / HTTP/1.1\r\nHost:", True),
    "wrong token": (head(NAMESPACES, "Authorization: Bearer wrong\r\n"), True),
    "no token": (head("/readyz"), True),
}


@pytest.mark.parametrize("name", UNFINISHED)
def test_unproven_connections_are_limited(pki: Path, name: str) -> None:
    """Given more connections without an authenticated request than the limit, then a client with a token is
    served, the oldest connection has ended, and the newest is open.
    """
    data, tls = UNFINISHED[name]

    async def scenario(served: Served) -> None:
        attackers = await served.attack(12, data, tls)
        status = await served.ask()

        assert 200 == status
        assert len(served.unproven) <= 4
        assert await ended(attackers[0][0])
        assert not attackers[-1][0].at_eof()

    run(pki, scenario, Limits(connections=4, patience_s=0.01))


def test_watches_and_idle_clients_with_a_token_do_not_count(pki: Path) -> None:
    """Given more watches and kept-alive connections of clients with a token than the limit, when others
    attack, then none of them ends.
    """

    async def scenario(served: Served) -> None:
        watches, kept = [], []
        for _ in range(20):
            watches.append(await served.connect())
            assert 200 == await ask(*watches[-1], f"{NAMESPACES}?watch=true")
            kept.append(await served.connect())
            assert 200 == await ask(*kept[-1])
        assert 0 == len(served.unproven)
        await served.attack(40, b"GET /")

        for reader, writer in kept:
            await reader.readuntil(b"\r\n\r\n")
            assert (False, False) == (reader.at_eof(), writer.is_closing())
        assert not any(reader.at_eof() for reader, _ in watches)
        assert 200 == await served.ask()

    run(pki, scenario, Limits(connections=4, patience_s=0.01))


def test_many_clients_at_once_wait_for_each_other(pki: Path) -> None:
    """Given more clients with a token at once than the limit, then all are served."""

    async def scenario(served: Served) -> None:
        assert [200] * 60 == await asyncio.gather(*(served.ask() for _ in range(60)))

    run(pki, scenario, Limits(connections=4, patience_s=60))


@pytest.mark.parametrize("name", UNFINISHED)
def test_an_unproven_connection_ends_in_time(pki: Path, name: str) -> None:
    """Given a client that sends no authenticated request, then its connection ends."""
    data, tls = UNFINISHED[name]

    async def scenario(served: Served) -> None:
        ((reader, _),) = await served.attack(1, data, tls)

        assert await ended(reader)
        await until(lambda: 0 == len(served.unproven))

    run(pki, scenario, Limits(unproven_s=0.1))


def test_a_client_with_a_token_has_more_time(pki: Path) -> None:
    """Given a watch, when the time of unproven connections is over, then it still gets events."""

    async def scenario(served: Served) -> None:
        reader, writer = await served.connect()
        assert 200 == await ask(reader, writer, f"{NAMESPACES}?watch=true")
        ((other, _),) = await served.attack(1, b"")
        assert await ended(other)

        assert (False, False) == (reader.at_eof(), writer.is_closing())

    run(pki, scenario, Limits(unproven_s=0.1))


def test_an_idle_connection_ends(pki: Path) -> None:
    """Given a client with a token that sends one request, then its connection ends after the idle time."""

    async def scenario(served: Served) -> None:
        reader, writer = await served.connect()
        assert 200 == await ask(reader, writer)

        assert await ended(reader)

    run(pki, scenario, Limits(idle_s=0.1))


@pytest.mark.parametrize(
    "more", ["x: y\r\n" * MOST_HEADERS, f"x: {'y' * 5_000}\r\n", f"{'x' * 5_000}: y\r\n"]
)
def test_a_header_is_limited(pki: Path, more: str) -> None:
    """Given a header with too many or too large fields, then the answer is 400 and the connection ends."""

    async def scenario(served: Served) -> None:
        ((reader, _),) = await served.attack(1, head(NAMESPACES, PROVEN + more))

        assert b" 400 " in await reader.readuntil(b"\r\n")
        assert await ended(reader)

    run(pki, scenario, Limits())


@pytest.mark.parametrize("name", UNFINISHED)
def test_attackers_leave_no_connection_in_memory(pki: Path, name: str) -> None:
    """Given no garbage collection, when attackers leave, then none of their connections is in memory."""
    data, tls = UNFINISHED[name]

    async def scenario(served: Served) -> None:
        assert 200 == await served.ask()
        await until(lambda: 0 == connections_in_memory())
        await served.attack(10, data, tls)
        await until(lambda: 0 < connections_in_memory())
        served.leave()

        await until(lambda: 0 == len(served.unproven) + connections_in_memory())

    gc.collect()
    gc.disable()
    try:
        run(pki, scenario, Limits())
    finally:
        gc.enable()
