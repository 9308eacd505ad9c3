"""Look-ups at the name service of a local cluster."""

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
        (200, b"null", []),
        (200, b'{"addresses": 1e400}', []),
        (200, b"[" * 100_000, []),
    ],
)
async def test_addresses_are_read_from_a_valid_answer(status: int, body: bytes, addresses: list[str]) -> None:
    """Given an answer of the name service, then a valid one gives its addresses, and any other gives none."""
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


async def test_an_unreachable_name_service_gives_no_addresses() -> None:
    """Given a closed port, then the look-up is empty and does not raise."""
    assert [] == await choose_resolver("127.0.0.1:9")("eureka.default")
