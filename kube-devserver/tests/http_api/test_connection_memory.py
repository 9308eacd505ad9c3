"""Connections of clients without a token give their memory back to the system."""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path

import pytest

from devserver_support.servers import Own, Server, own_home

WAVES, CONNECTIONS = 3, 200
MOST_GROWTH_KB = 6 << 10
MOST_S = 10.0


def private_kb(own: Own) -> int:
    """Memory that the server's process has alone."""
    rollup = Path(f"/proc/{own.pid}/smaps_rollup").read_text()
    return sum(int(size) for size in re.findall(r"^Private_\w+: +(\d+)", rollup, re.MULTILINE))


def connect(server: Server) -> socket.socket:
    """Open a TLS connection that sends half a header."""
    plain = socket.create_connection((server.host, server.port), timeout=20)
    found = server.context.wrap_socket(plain, server_hostname="127.0.0.1")
    found.sendall(b"GET / HTTP/1.1\r\nHost:")
    return found


@pytest.mark.long
def test_waves_of_connections_leave_no_memory_behind() -> None:
    """Given three waves of 200 connections, then the server's process soon has hardly more memory
    than before.
    """
    with own_home() as own:
        own.start()
        before = private_kb(own)
        for _ in range(WAVES):
            opened = [connect(own.server) for _ in range(CONNECTIONS)]
            for connection in opened:
                connection.close()
        end = time.monotonic() + MOST_S
        # The server looks every second for connections that have ended.
        while private_kb(own) - before > MOST_GROWTH_KB:
            assert time.monotonic() < end, (before, private_kb(own))
            time.sleep(0.1)
        own.check_log()
