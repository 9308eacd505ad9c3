"""Probes: one try of a probe, the count that decides, and the loop between.

One deviation from a real kubelet: until a container was ready once, its readiness and startup probes are tried after 20, 40, 80 ... ms and not
only once a period. A period is at least a second, and most of an architecture's start would be waiting for it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
FIRST_EARLY_S = 0.02
MOST_LINE_BYTES = 65_536
RunCommand = Callable[[list[str], float], Awaitable[bool]]


@dataclass(frozen=True)
class Probe:
    """One probe with its defaults filled in; times in seconds."""

    action: Object
    initial_delay_s: float
    period_s: float
    timeout_s: float
    successes: int
    failures: int


def read_probe(container: Object, kind: str) -> Probe | None:
    """The container's `readinessProbe`, `livenessProbe` or `startupProbe`."""
    body = container.get(kind)
    if body is None:
        return None
    return Probe(
        action=body,
        initial_delay_s=float(body.get("initialDelaySeconds", 0)),
        period_s=float(body.get("periodSeconds", 10)),
        timeout_s=float(body.get("timeoutSeconds", 1)),
        successes=int(body.get("successThreshold", 1)),
        failures=int(body.get("failureThreshold", 3)),
    )


@dataclass
class Count:
    """Pure: results in a row, and the verdict they amount to: True, False, or None while undecided."""

    probe: Probe
    verdict: bool | None = None
    in_a_row: int = 0
    last: bool | None = None

    def add(self, result: bool) -> bool:
        """Take one result; returns whether the verdict has changed."""
        self.in_a_row = self.in_a_row + 1 if result == self.last else 1
        self.last = result
        if self.in_a_row >= (self.probe.successes if result else self.probe.failures) and self.verdict != result:
            self.verdict = result
            return True
        return False


async def watch_probe(
    probe: Probe, address: str, container: Object, run: RunCommand, early: bool, changed: Callable[[bool], None]
) -> None:
    """Try a probe for ever and say when its verdict changes.

    Args:
        probe: which.
        address: the pod's.
        container: for named ports.
        run: runs a command in the container.
        early: try often until the first success.
        changed: told of every new verdict.
    """
    count = Count(probe)
    await asyncio.sleep(probe.initial_delay_s)
    pause_s = FIRST_EARLY_S if early else probe.period_s
    while True:
        if count.add(await try_probe(probe, address, container, run)):
            changed(count.verdict is True)
        if early and count.verdict is not True:
            await asyncio.sleep(min(pause_s, probe.period_s))
            pause_s *= 2
        else:
            early = False
            await asyncio.sleep(probe.period_s)


async def try_probe(probe: Probe, address: str, container: Object, run: RunCommand) -> bool:
    """One try."""
    action = probe.action
    try:
        async with asyncio.timeout(probe.timeout_s):
            if http := action.get("httpGet"):
                host = http.get("host") or address
                return await _http(host, _port(container, http["port"]), http.get("path", "/"))
            if tcp := action.get("tcpSocket"):
                _, writer = await asyncio.open_connection(tcp.get("host") or address, _port(container, tcp["port"]))
                writer.close()
                return True
            if execution := action.get("exec"):
                return await run(list(execution["command"]), probe.timeout_s)
    except (OSError, TimeoutError, ValueError):
        return False
    return True  # a kind of probe that this kubelet does not know must not keep a pod from being ready


async def _http(host: str, port: int, path: str) -> bool:
    """Over a bare socket: a stream is twice the work, and probes are most of what a kubelet does at rest."""
    loop = asyncio.get_running_loop()
    question = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: kube-probe\r\nConnection: close\r\n\r\n"
    with socket.socket() as connection:
        connection.setblocking(False)
        await loop.sock_connect(connection, (host, port))
        await loop.sock_sendall(connection, question.encode())
        line = b""
        while b"\n" not in line and len(line) < MOST_LINE_BYTES and (more := await loop.sock_recv(connection, 4096)):
            line += more
    words = line.split(b" ", 2)
    return len(words) > 1 and 200 <= int(words[1]) < 400


def _port(container: Object, port: int | str) -> int:
    if isinstance(port, int):
        return port
    named = {p.get("name"): p["containerPort"] for p in container.get("ports") or ()}
    return int(named.get(port, port))
