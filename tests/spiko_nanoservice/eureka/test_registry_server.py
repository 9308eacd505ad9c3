"""What a eureka does with those that it cannot understand, and with its own mistakes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType

from spiko_nanoservice.contract import EUREKA_PORT, PROTOCOL, Hello, encode
from spiko_nanoservice.tier import registration as link
from tests.support.loopback_cluster import configuration, tier, town, until

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
    """Wait until the eureka does."""
    async with asyncio.timeout(5):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(address, EUREKA_PORT)
                writer.close()
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("path", "message", "named"), ROWS)
async def test_what_is_not_understood_is_refused_in_words(
    path: str, message: Object, named: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The other side is told why before the connection ends, and it is in the log; a protocol is looked at before all else."""
    async with town() as t, ClientSession() as session:
        await t.add_eureka("a", configuration(tier("db", "store")))
        (address,) = t.names["arch-eureka.default"]
        await listening(address)
        async with session.ws_connect(f"http://{address}:{EUREKA_PORT}{path}") as socket:
            await socket.send_json(message)
            heard = [frame.json() async for frame in socket if frame.type == WSMsgType.TEXT]

    assert heard[-1]["t"] == "refused"
    assert named in heard[-1]["message"]
    assert any(heard[-1]["message"] in record.getMessage() for record in caplog.records)


async def test_a_pod_that_is_refused_says_so(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod of another protocol logs the eureka's own words, and is not ready."""
    caplog.set_level(logging.INFO)
    async with town() as t:
        await t.add_eureka("a", configuration(tier("db", "store")))
        monkeypatch.setattr(link, "PROTOCOL", 99)
        store = await t.add("db-0", "db", "store")
        await until(lambda: any("protocol 99" in r.getMessage() for r in caplog.records if r.name == "spiko.link"))

        assert not store.tier.ready


async def test_a_eurekas_own_mistake_is_no_fault_of_the_message(caplog: pytest.LogCaptureFixture) -> None:
    """It ends the session all the same, with a traceback, and nobody is told that a message was wrong."""
    async with town() as t, ClientSession() as session:
        eureka = (await t.add_eureka("a", configuration(tier("db", "store")))).eureka
        eureka.registry.sessions = Mistaken()
        (address,) = t.names["arch-eureka.default"]
        await listening(address)
        async with session.ws_connect(f"http://{address}:{EUREKA_PORT}/register") as socket:
            await socket.send_json({"t": "hello", "hello": HELLO})
            heard = [frame.json() async for frame in socket if frame.type == WSMsgType.TEXT]
        eureka.registry.sessions = {}

    assert [] == heard
    assert any(record.exc_info for record in caplog.records)
    assert not any("contract" in record.getMessage() for record in caplog.records)


class Mistaken(dict[int, Any]):
    """Sessions that cannot be kept."""

    def __setitem__(self, number: int, session: Any) -> None:
        """Fail as a bug would."""
        raise KeyError("a bug")
