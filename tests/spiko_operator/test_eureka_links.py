"""Connections to eurekas that send too much, send nonsense, or end at once."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from aiohttp import ClientWebSocketResponse, WSMessage, WSMsgType

from spiko_nanoservice.contract import Configuration, Revision
from spiko_nanoservice.contract.handshake import Purpose
from spiko_operator import eureka_links
from spiko_operator.cluster.sockets import Endpoint
from spiko_operator.cluster.write_guard import WriteGuard
from spiko_operator.eureka_links import Links

Object = dict[str, Any]
KEY = ("default", "shop")
ENDPOINT = Endpoint("ws://10.0.0.9:7070/control", "10.0.0.9", Purpose.CONTROL, ())
PROGRAMMED = {
    "t": "programmed",
    "revision": {"term": 0, "counter": 7},
    "pods": 3,
    "acked": 3,
    "complete": True,
}


class Socket:
    """A connection that sends some texts and then ends, or stays open."""

    def __init__(self, texts: list[str], stays: bool) -> None:
        self._texts, self._stays = texts, stays
        self.sent: list[str] = []

    async def send_str(self, text: str) -> None:
        """Record a message of the operator."""
        self.sent.append(text)

    async def __aiter__(self) -> AsyncIterator[WSMessage]:
        """Yield the texts."""
        for text in self._texts:
            yield WSMessage(WSMsgType.TEXT, text, None)
        if self._stays:
            await asyncio.sleep(3600)


class Eureka:
    """A eureka that answers every connection with the same texts; `opened` has the times."""

    def __init__(self, *messages: Object | str, stays: bool = False) -> None:
        self._texts = [text if isinstance(text, str) else json.dumps(text) for text in messages]
        self._stays = stays
        self.opened: list[float] = []
        self.limits: list[int] = []
        self.sockets: list[Socket] = []

    @asynccontextmanager
    async def open(self, endpoint: Endpoint, most_bytes: int) -> AsyncIterator[ClientWebSocketResponse]:
        """Open a connection."""
        self.opened.append(asyncio.get_running_loop().time())
        self.limits.append(most_bytes)
        self.sockets.append(Socket(self._texts, self._stays))
        yield cast(ClientWebSocketResponse, self.sockets[-1])


async def connect(eureka: Eureka, seconds: float, follow: str = "") -> tuple[Links, list[Object]]:
    """Keep a connection for a while; return the links, and the messages to a listener."""
    received: list[Object] = []
    links = Links(eureka.open, lambda _: None, patience=1)
    if follow:
        links.follow(KEY, follow, received.append)
    links.keep(KEY, {"e": ENDPOINT})
    await asyncio.sleep(seconds)
    return links, received


async def test_a_report_with_valid_values_is_kept() -> None:
    """Given a valid report, then it is the report of the eureka, and messages are limited to 1 MiB."""
    eureka = Eureka(PROGRAMMED, stays=True)
    links, _ = await connect(eureka, 0.05)
    (report,) = links.reports(KEY)
    counts = links.count()
    await links.close()

    assert ((1, 1), (0, 0)) == (counts, links.count())
    assert (Revision(0, 7), 3, 3, True) == (report.revision, report.pods, report.acked, report.complete)
    assert [1024 * 1024] == eureka.limits


@pytest.mark.parametrize(
    "text",
    [
        '{"t": "programmed", "revision": null, "pods": 1e400, "acked": 0, "complete": true}',
        json.dumps(PROGRAMMED | {"revision": {"term": 2**40, "counter": 0}}),
        json.dumps(PROGRAMMED | {"pods": -1}),
        json.dumps(PROGRAMMED | {"pods": 10**30}),
        json.dumps(PROGRAMMED | {"complete": 1}),
        '{"t": "hurt", "id": "p", "errors": 5}',
        '{"t": "hurt", "id": "p", "errors": {"reset": "many"}}',
        '{"t": "holders", "id": ["p"], "holders": 1}',
        '{"t": "crashed", "id": "p"}',
        "[" * 100_000,
        "not JSON",
        "7",
    ],
)
async def test_an_invalid_message_ends_the_connection_and_it_is_opened_again(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Given a message that violates the contract, then no listener gets it, a warning names it, and the
    operator connects again after a pause.
    """
    eureka = Eureka(text)
    links, received = await connect(eureka, 0.3, follow="p")
    await links.close()

    assert 2 <= len(eureka.opened) <= 4
    assert [] == [message for message in received if message["t"] != "lost"]
    assert ["invalid message" in record.getMessage() for record in caplog.records] == [True]
    assert (0, len(eureka.opened)) == (links.errors, links.failures)


async def test_a_flood_of_messages_ends_the_connection() -> None:
    """Given 20,000 messages at once, then the operator ends the connection at its limit."""
    eureka = Eureka(*[PROGRAMMED] * 20_000)
    links, _ = await connect(eureka, 0.5)
    await links.close()

    assert eureka_links.BURST < 20_000
    assert 1 <= len(eureka.opened) <= 4


async def test_a_connection_that_ends_at_once_does_not_reset_the_backoff() -> None:
    """Given a eureka that sends a valid report and closes at once, then the pauses grow."""
    eureka = Eureka(PROGRAMMED)
    links, _ = await connect(eureka, 1.5)
    await links.close()
    pauses = [later - sooner for sooner, later in zip(eureka.opened, eureka.opened[1:], strict=False)]

    assert 4 <= len(eureka.opened) <= 6
    assert pauses == sorted(pauses)


async def test_foreign_text_is_quoted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Given many refusals with line breaks, then the log has one line, with the text quoted and cut."""
    forged = "no\n2026-11-30 INFO spiko.operator all is well " + "x" * 1_000
    links, _ = await connect(Eureka(*[{"t": "refused", "message": forged}] * 500, stays=True), 0.1)
    await links.close()
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]

    assert "\n" not in line
    assert len(line) < 500


async def test_an_unexpected_error_is_logged_and_the_connection_opened_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Given a listener that always fails, then the errors are counted, one traceback is logged, and the link
    goes on.
    """
    eureka = Eureka({"t": "crashed", "id": "p", "sent": True})
    links = Links(eureka.open, lambda _: None)

    def fail(message: Object) -> None:
        if message["t"] == "crashed":
            raise AttributeError("a defect")

    links.follow(KEY, "p", fail)
    links.keep(KEY, {"e": ENDPOINT})
    await asyncio.sleep(0.3)
    await links.close()

    assert links.errors >= 2
    assert len(eureka.opened) >= 2
    assert 1 == sum(bool(record.exc_info) for record in caplog.records)


async def test_registered_pods_are_those_of_the_eurekas_that_answer() -> None:
    """Given a eureka that answers and one that does not, then the answer is returned after the time limit;
    with answers of all, at once.
    """
    answer = {"t": "pods", "pods": [["p", "10.0.0.7"]]}
    for texts, expected, at_most_s in (([answer] * 3, {("p", "10.0.0.7")}, 1.0), ([], set(), 2.5)):
        asked = Answering(texts)
        links = Links(asked.open, lambda _: None)
        links.keep(KEY, {"e": ENDPOINT})
        await asyncio.sleep(0.05)
        began = asyncio.get_running_loop().time()
        found = await links.registered(KEY, 2.0 if texts else 0.2)
        took_s = asyncio.get_running_loop().time() - began
        await links.close()

        assert expected == found
        assert took_s < at_most_s
    assert frozenset() == await links.registered(("default", "unknown"), 0.1)


class Answering(Eureka):
    """A eureka that sends its texts when it is asked."""

    @asynccontextmanager
    async def open(self, endpoint: Endpoint, most_bytes: int) -> AsyncIterator[ClientWebSocketResponse]:
        """Open a connection."""
        yield cast(ClientWebSocketResponse, AskedSocket(self._texts))

    def __init__(self, messages: list[Object]) -> None:
        super().__init__(*messages)


class AskedSocket(Socket):
    """A connection whose texts come after the first message of the operator."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__(texts, stays=True)
        self._asked = asyncio.Event()

    async def send_str(self, text: str) -> None:
        """Take the question."""
        self._asked.set()

    async def __aiter__(self) -> AsyncIterator[WSMessage]:
        """Yield the texts once there was a question."""
        await self._asked.wait()
        async for message in super().__aiter__():
            yield message


async def test_nothing_is_sent_to_eurekas_without_leadership() -> None:
    """Given a connection, when leadership ends, then neither a configuration nor a crash is sent any more."""
    eureka, guard = Eureka(stays=True), WriteGuard(lambda: 0.0)
    guard.extend(1.0)
    links = Links(eureka.open, lambda _: None, guard=guard)
    links.keep(KEY, {"e": ENDPOINT})
    await asyncio.sleep(0.05)
    links.crash(KEY, "p", 1)
    await asyncio.sleep(0.05)
    guard.revoke()
    links.crash(KEY, "p", 2)
    links.configure(KEY, Configuration("shop", Revision(0, 1), (), (), started=True))
    await asyncio.sleep(0.05)
    await links.close()

    assert [json.loads(text)["process"] for text in eureka.sockets[0].sent] == [1]
