"""One attempt of a probe.

The time of an attempt starts when it is sent. A reply that has arrived counts, however late this kubelet's
event loop looks at it: with 1,000 pods on a busy machine the loop may be seconds late, and pods that reply
within a millisecond must not lose Ready for that. So no timer cancels an attempt: a timer only ends the wait,
and the socket (or the process) decides.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from spiko_local.kubelet.model.probe import Probe, find_port
from spiko_local.objects import Object

LONGEST_LINE_BYTES = 65_536
RunCommand = Callable[[list[str], float], Awaitable[bool]]


@dataclass(frozen=True)
class ProbeTarget:
    """What a probe reaches: the container's spec, its address, and a way to run a command in it."""

    container: Object
    address: str
    run: RunCommand


async def try_probe(probe: Probe, target: ProbeTarget) -> bool:
    """Try a probe once and return whether it succeeded."""
    action = probe.action
    try:
        if http := action.get("httpGet"):
            port = find_port(target.container, http["port"])
            host = http.get("host") or target.address
            return await _http(host, port, http.get("path", "/"), probe.timeout_s)
        if tcp := action.get("tcpSocket"):
            port = find_port(target.container, tcp["port"])
            with await _connect(tcp.get("host") or target.address, port, probe.timeout_s):
                return True
        if execution := action.get("exec"):
            return await target.run(list(execution["command"]), probe.timeout_s)
    except (OSError, ValueError):
        return False
    # A kind of probe that this kubelet does not implement must not keep the pod from being ready.
    return True


async def _http(host: str, port: int, path: str, timeout_s: float) -> bool:
    """Send a GET over a socket: asyncio streams cost twice as much, and probes dominate an idle kubelet."""
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: kube-probe\r\nConnection: close\r\n\r\n"
    )
    with await _connect(host, port, timeout_s) as connection:
        connection.sendall(request.encode())  # into an empty buffer: it does not block
        deadline = asyncio.get_running_loop().time() + timeout_s
        line = b""
        while b"\n" not in line and len(line) < LONGEST_LINE_BYTES:
            more = await _receive(connection, deadline)
            if not more:
                break
            line += more
    words = line.split(b" ", 2)
    return len(words) > 1 and 200 <= int(words[1]) < 400


async def _connect(host: str, port: int, timeout_s: float) -> socket.socket:
    """Return a connected socket that does not block.

    Raises:
        OSError: the connection was refused, or is not established in time.
    """
    loop = asyncio.get_running_loop()
    address: tuple[str | int | bytes, ...] = (host, port)
    if not host.replace(".", "").isdigit():
        address = (await loop.getaddrinfo(host, port, family=socket.AF_INET))[0][4]
    connection = socket.socket()
    try:
        connection.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            connection.connect(address)
        if not _is_connected(connection):
            deadline = loop.time() + timeout_s
            await _wait(loop.add_writer, loop.remove_writer, connection, deadline)
            if not _is_connected(connection):
                raise TimeoutError(f"no connection to {host}:{port} within {timeout_s} s")
    except BaseException:
        connection.close()
        raise
    return connection


def _is_connected(connection: socket.socket) -> bool:
    """Return whether a connection is established; on loopback it is at once.

    Raises:
        OSError: it was refused.
    """
    error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, "cannot connect")
    try:
        connection.getpeername()
    except OSError:
        return False
    return True


async def _receive(connection: socket.socket, deadline: float) -> bytes:
    """Return what has arrived, at the latest at a deadline.

    Raises:
        BlockingIOError: nothing has arrived at the deadline.
    """
    loop = asyncio.get_running_loop()
    await _wait(loop.add_reader, loop.remove_reader, connection, deadline)
    return connection.recv(4096)


async def _wait(
    add: Callable[..., None], remove: Callable[[int], bool], connection: socket.socket, deadline: float
) -> None:
    """Wait until a connection is ready or a time has come; the caller looks which."""
    loop = asyncio.get_running_loop()
    waiting = loop.create_future()

    def wake() -> None:
        if not waiting.done():
            waiting.set_result(None)

    add(connection.fileno(), wake)
    timer = loop.call_at(deadline, wake)
    try:
        await waiting
    finally:
        timer.cancel()
        remove(connection.fileno())
