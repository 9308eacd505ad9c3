"""IPv6 addresses: brackets wherever a port follows."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from spiko_nanoservice.errors import LinkError
from spiko_nanoservice.settings import read_settings
from spiko_nanoservice.wire.connection_pool import Pool
from spiko_nanoservice.wire.websocket import connect


def has_ipv6() -> bool:
    """Whether this machine has the loopback address."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine")
async def test_hosts_have_brackets() -> None:
    """Calls and links to a pod with an IPv6 address say where they go as RFC 3986 has it."""
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(listen, "::1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        await Pool("::1", port).call(b"GET", b"/", lambda: b"", b"", 2.0)
        with pytest.raises(LinkError):
            await connect("::1", port, "/register")

    assert [True, True] == [b"\r\nHost: [::1]:%d\r\n" % port in request for request in heard]


@pytest.mark.parametrize(("address", "bind"), [("10.0.0.1", "0.0.0.0"), ("fd00::1", "::")])
def test_a_pod_listens_in_the_family_of_its_address(address: str, bind: str) -> None:
    """Unless it is told where."""
    environ = {"SPIKO_ARCHITECTURE": "arch", "SPIKO_TIER": "db", "SPIKO_PACKAGE": "store", "SPIKO_POD_IP": address}

    assert bind == read_settings(environ).bind_address
    assert "127.0.0.9" == read_settings(environ | {"SPIKO_BIND_ADDRESS": "127.0.0.9"}).bind_address
