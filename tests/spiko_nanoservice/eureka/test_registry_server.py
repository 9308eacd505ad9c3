"""Invalid messages to a eureka, and defects of the eureka itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType

from spiko_nanoservice.contract import EUREKA_PORT, PROTOCOL, Hello, encode
from spiko_nanoservice.tier import pod_registration
from tests.support.keys import open_session
from tests.support.loopback_cluster import configuration, loopback_cluster, tier, until

Object = dict[str, Any]
HELLO = encode(Hello(PROTOCOL, "u", "n", "db", "store", "1.0.0", "r", "a", "127.0.0.1", 1, (1, 1)))
ROWS = [
    ("/register", {"t": "hello", "hello": HELLO | {"protocol": PROTOCOL + 98}}, "protocol 99"),
    ("/register", {"t": "hello", "hello": {"protocol": 99, "who": "me"}}, "protocol 99"),
    ("/register", {"t": "hello", "hello": HELLO | {"port": "x"}}, "Hello.port"),
    ("/register", {"t": "hello"}, "hello"),
    ("/register", {"t": "what"}, "what"),
    ("/peer", {"t": "entries"}, "entries"),
    ("/control", {"t": "config", "configuration": 3}, "Configuration"),
    ("/control", {"t": "follow"}, "id"),
]


async def listening(address: str) -> None:
    """Wait until the eureka listens."""
    async with asyncio.timeout(5):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(address, EUREKA_PORT)
                writer.close()
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("path", "message", "named"), ROWS)
async def test_an_invalid_message_is_refused_with_its_reason(
    path: str, message: Object, named: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Given an invalid message, then its sender and the log get the reason before the connection ends; the
    protocol version is checked first.
    """
    async with loopback_cluster() as t, ClientSession() as session:
        await t.add_eureka("a", configuration(tier("db", "store")))
        (address,) = t.names["arch-eureka.default"]
        await listening(address)
        async with await open_session(session, address, path) as socket:
            await socket.send_json(message)
            received = [frame.json() async for frame in socket if frame.type == WSMsgType.TEXT]

    assert received[-1]["t"] == "refused"
    assert named in received[-1]["message"]
    assert any(repr(received[-1]["message"]) in record.getMessage() for record in caplog.records)


async def test_a_refused_pod_logs_the_reason(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a pod of another protocol, then it logs the eureka's reason and is not ready."""
    caplog.set_level(logging.INFO)
    async with loopback_cluster() as t:
        await t.add_eureka("a", configuration(tier("db", "store")))
        monkeypatch.setattr(pod_registration, "PROTOCOL", 99)
        store = await t.add("db-0", "db", "store")
        await until(
            lambda: any("protocol 99" in r.getMessage() for r in caplog.records if r.name == "spiko.link")
        )

        assert not store.tier.ready


async def test_a_defect_of_the_eureka_is_not_reported_as_an_invalid_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Given a defect in the registry, then the session ends with a traceback and without REFUSED."""
    async with loopback_cluster() as t, ClientSession() as session:
        eureka = (await t.add_eureka("a", configuration(tier("db", "store")))).eureka
        eureka.registry.sessions = Mistaken()
        (address,) = t.names["arch-eureka.default"]
        await listening(address)
        async with await open_session(session, address, "/register") as socket:
            await socket.send_json({"t": "hello", "hello": HELLO})
            received = [frame.json() async for frame in socket if frame.type == WSMsgType.TEXT]
        eureka.registry.sessions = {}

    assert [] == received
    assert any(record.exc_info for record in caplog.records)
    assert not any("contract" in record.getMessage() for record in caplog.records)


class Mistaken(dict[int, Any]):
    """Sessions that cannot be stored."""

    def __setitem__(self, number: int, session: Any) -> None:
        """Fail as a defect would."""
        raise KeyError("a bug")
