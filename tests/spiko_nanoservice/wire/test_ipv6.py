"""IPv6 addresses: brackets before a port, and the family of the listener."""

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
    """Return whether this machine has the IPv6 loopback address."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine")
async def test_ipv6_hosts_have_brackets() -> None:
    """Given a pod with an IPv6 address, then Host headers and links have the form of RFC 3986."""
    received: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(listen, "::1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        await Pool("::1", port).call(b"GET", b"/", lambda: b"", b"", 2.0)
        with pytest.raises(LinkError):
            await connect("::1", port, "/register")

    assert [True, True] == [b"\r\nHost: [::1]:%d\r\n" % port in request for request in received]


@pytest.mark.parametrize(("address", "bind"), [("10.0.0.1", "0.0.0.0"), ("fd00::1", "::")])
def test_a_pod_listens_in_the_family_of_its_address(address: str, bind: str) -> None:
    """Given an IPv6 or IPv4 address and no bind address, then the pod listens on all addresses of that
    family.
    """
    environ = {
        "SPIKO_ARCHITECTURE": "arch",
        "SPIKO_TIER": "db",
        "SPIKO_PACKAGE": "store",
        "SPIKO_POD_IP": address,
    }

    assert bind == read_settings(environ).bind_address
    assert "127.0.0.9" == read_settings(environ | {"SPIKO_BIND_ADDRESS": "127.0.0.9"}).bind_address
