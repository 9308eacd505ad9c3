"""The operator's HTTP server: probes, and clients that send too much or nothing."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from spiko_operator import http_server
from spiko_operator.errors import SettingsError
from spiko_operator.http_server import MOST_CONNECTIONS, HttpServer, Pages
from spiko_operator.progress import Progress

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
WELL = Progress(listed=True, list_age_s=59.0, role="leader")


class Operator:
    """An operator with any progress."""

    def __init__(self) -> None:
        self.now = WELL

    def progress(self) -> Progress:
        """Return the progress."""
        return self.now

    def render(self) -> tuple[str, bytes]:
        """Return a page."""
        return "text/plain; version=0.0.4", b"a 1\n"


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Operator, int]]:
    """Run the server for an operator; yield it and the port."""
    operator = Operator()
    server = HttpServer(Pages(operator.progress, 60.0, operator.render))
    port = await server.listen("127.0.0.1", 0)
    try:
        yield operator, port
    finally:
        await server.close()


async def send(port: int, request: bytes) -> tuple[int, str, str]:
    """Send a request; return status, head and body of the response; status 0 if there is none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        text = (await asyncio.wait_for(reader.read(), 10)).decode()
    except ConnectionError:
        text = ""
    finally:
        writer.close()
    head, _, body = text.partition("\r\n\r\n")
    return int(head.split()[1]) if head else 0, head, body


async def get(port: int, path: str, method: str = "GET", headers: str = "") -> tuple[int, str, str]:
    """Send a request without a body."""
    text = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n"
    return await send(port, text.encode())


async def test_probes_succeed_while_the_operator_makes_progress() -> None:
    """Given recent full lists, then both probes are answered with 200 and the ages."""
    async with serving() as (operator, port):
        operator.now = dataclasses.replace(WELL, queue_age_s=0.25)
        health, ready = await get(port, "/healthz"), await get(port, "/readyz")

    assert (200, 200) == (health[0], ready[0])
    assert json.loads(health[2]) == {
        "listed": True,
        "role": "leader",
        "list_age_seconds": 59.0,
        "watch_age_seconds": None,
        "queue_age_seconds": 0.25,
        "pass_age_seconds": 0.0,
    }


async def test_before_the_first_full_list_the_operator_is_alive_and_not_ready() -> None:
    """Given a first full list that is retried for an hour, then liveness succeeds and says so, and readiness
    does not.
    """
    async with serving() as (operator, port):
        operator.now = Progress(list_age_s=3600.0)
        health, ready = await get(port, "/healthz"), await get(port, "/readyz")

    why = "the first full list has not succeeded yet"
    assert (200, why) == (health[0], json.loads(health[2])["message"])
    assert (503, f"{why}\n") == (ready[0], ready[2])


async def test_without_progress_both_probes_fail_with_one_sentence() -> None:
    """Given no full list for longer than three periods, then the probes fail with the age."""
    async with serving() as (operator, port):
        operator.now = dataclasses.replace(WELL, list_age_s=200.0)
        answers = await get(port, "/healthz"), await get(port, "/readyz")

    assert [500, 503] == [status for status, _, _ in answers]
    assert {"no full list for 200 s: the API server does not answer, or rejects the list\n"} == {
        body for _, _, body in answers
    }


async def test_metrics_are_what_is_rendered() -> None:
    """Given a page, then it is sent with its content type."""
    async with serving() as (_, port):
        status, head, body = await get(port, "/metrics")

    assert (200, "a 1\n") == (status, body)
    assert "Content-Type: text/plain; version=0.0.4" in head


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /other HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        (b"POST /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 405),
        (b"GET /" + b"x" * 5_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 5_000 + b"\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"A: x\r\n" * 40 + b"\r\n", 400),
        (b"\x16\x03\x01 a TLS client\r\n\r\n", 400),
    ],
    ids=["path", "method", "long line", "long header", "many headers", "no HTTP"],
)
async def test_what_is_no_probe_is_refused(request_: bytes, status: int) -> None:
    """Given another path, another method, or a head that is too large, then an error is answered."""
    async with serving() as (_, port):
        assert status == (await send(port, request_))[0]
        assert 200 == (await get(port, "/healthz"))[0]


async def test_clients_that_only_connect_do_not_keep_a_probe_out() -> None:
    """Given three times as many silent connections as the server allows, then a probe is answered, and the
    oldest connections have ended.
    """
    async with serving() as (_, port):
        silent: list[Streams] = []
        for _turn in range(3 * MOST_CONNECTIONS):
            silent.append(await asyncio.open_connection("127.0.0.1", port))
        status, _, _ = await get(port, "/healthz")
        ended = [reader for reader, _ in silent if reader.at_eof()]
        for _, writer in silent:
            writer.close()

    assert 200 == status
    assert len(ended) >= 2 * MOST_CONNECTIONS - http_server.BACKLOG
    assert all(reader.at_eof() for reader, _ in silent[:MOST_CONNECTIONS])


async def test_an_address_that_is_taken_is_a_settings_error() -> None:
    """Given a port that another server has, then the error names the setting and the address."""
    async with serving() as (operator, port):
        other = HttpServer(Pages(operator.progress, 60.0, operator.render))
        try:
            with pytest.raises(
                SettingsError, match=f"SPIKO_HTTP_LISTEN: 127.0.0.1 port {port}: cannot listen"
            ):
                await other.listen("127.0.0.1", port)
        finally:
            await other.close()
