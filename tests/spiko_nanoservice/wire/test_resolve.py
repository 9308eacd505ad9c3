"""The local cluster's name service, asked as a pod asks it."""

from __future__ import annotations

import pytest

from spiko_nanoservice.wire.http_server import Server
from spiko_nanoservice.wire.request import Request
from spiko_nanoservice.wire.resolve import choose_resolver


@pytest.mark.parametrize(
    ("status", "body", "addresses"),
    [
        (200, b'{"addresses": ["10.0.0.1", "10.0.0.2"]}', ["10.0.0.1", "10.0.0.2"]),
        (404, b'{"addresses": ["10.0.0.1"]}', []),
        (200, b"no JSON", []),
        (200, b"[]", []),
        (200, b"{}", []),
    ],
)
async def test_what_the_name_service_says(status: int, body: bytes, addresses: list[str]) -> None:
    """Addresses are taken from a good answer; a bad one names nobody."""
    asked: list[bytes] = []

    def answer(request: Request) -> None:
        asked.append(request.path)
        request.reply(status, body)

    server = Server(answer)
    host, port = await server.listen("127.0.0.1", 0)
    resolve = choose_resolver(f"{host}:{port}")

    assert addresses == await resolve("eureka.default")
    assert [b"/resolve?name=eureka.default"] == asked
    await server.drain(1.0)


async def test_nobody_answers() -> None:
    """Without a name service there are no addresses, and no error."""
    assert [] == await choose_resolver("127.0.0.1:9")("eureka.default")
