"""A probe's attempt: what counts as success, and that a late kubelet does not blame the pod."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from spiko_local.kubelet.containers import run_command
from spiko_local.kubelet.model.probe import Probe
from spiko_local.kubelet.probe_attempts import ProbeTarget, try_probe
from spiko_local.kubelet.probes import watch_probe
from tests.support.late_loop import LateLoop

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
TIMEOUT_S = 2.0


class Pod:
    """A server in a thread of its own that replies at once, or never.

    Args:
        reply: to every request; empty for a pod that accepts and is silent.

    Attributes:
        received: set with the first request.
        replied: set after every reply, or what would be one.
        may_reply: cleared by a test that holds back the reply.
    """

    def __init__(self, reply: bytes) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.received, self.replied, self.may_reply = (threading.Event() for _ in range(3))
        self.may_reply.set()
        self._reply = reply
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self._open.append(connection)
            request = connection.recv(4096)
            self.received.set()
            self.may_reply.wait(10)
            if request and self._reply:
                connection.sendall(self._reply)
                connection.close()
            self.replied.set()

    def close(self) -> None:
        """Stop."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self._thread.join(10)
        for connection in self._open:
            connection.close()


@contextmanager
def serving(reply: bytes) -> Iterator[Pod]:
    """A pod for the duration of the context."""
    pod = Pod(reply)
    try:
        yield pod
    finally:
        pod.close()


def probe(port: int, kind: str = "httpGet", **fields: Any) -> Probe:
    """A probe of a port."""
    action = {kind: {"port": port, "path": "/readyz"}}
    usual = {"initial_delay_s": 0.0, "period_s": 5.0, "timeout_s": TIMEOUT_S, "successes": 1, "failures": 3}
    return Probe(action, **(usual | fields))


def target(address: str = "127.0.0.1") -> ProbeTarget:
    """A target without a container."""

    async def run(command: list[str], timeout_s: float) -> bool:
        return await run_command(command, {"PATH": "/usr/bin:/bin"}, timeout_s)

    return ProbeTarget({}, address, run)


def in_late_loop(work: Callable[[LateLoop], Coroutine[Any, Any, Any]], pass_s: float = 0.0) -> Any:
    """Run a coroutine in a loop with simulated time."""
    with asyncio.Runner(loop_factory=lambda: LateLoop(pass_s)) as runner:
        return runner.run(work(runner.get_loop()))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reply", "success"),
    [
        (OK, True),
        (b"HTTP/1.1 302 Found\r\n\r\n", True),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", False),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", False),
        (b"nonsense\r\n", False),
        (b"HTTP/1.1 two\r\n", False),
    ],
)
async def test_an_http_probe_succeeds_with_2xx_and_3xx(reply: bytes, success: bool) -> None:
    """Given a reply, then its status decides; what is not HTTP is a failure."""
    with serving(reply) as pod:
        assert success is await try_probe(probe(pod.port), target())


@pytest.mark.parametrize(("kind", "host"), [("httpGet", ""), ("tcpSocket", ""), ("httpGet", "localhost")])
async def test_a_port_without_a_listener_fails_at_once(kind: str, host: str) -> None:
    """Given a port that nothing listens on, then the attempt fails without waiting for its timeout."""
    with serving(OK) as pod:
        open_probe = probe(pod.port, kind)
        open_probe.action[kind]["host"] = host
        works = await try_probe(open_probe, target())
    async with asyncio.timeout(TIMEOUT_S / 2):
        assert (True, False) == (works, await try_probe(open_probe, target()))


@pytest.mark.parametrize(("reply", "success"), [(OK, True), (b"", False)])
def test_a_late_loop_does_not_count_against_the_pod(reply: bytes, success: bool) -> None:
    """Given a pod that has replied at once (or not at all), when the kubelet looks a minute after it sent the
    request, then the attempt succeeds (or fails).
    """

    async def attempt(loop: LateLoop) -> bool:
        with serving(reply) as pod:
            trying = asyncio.create_task(try_probe(probe(pod.port), target()))
            pod.may_reply.clear()
            while not pod.received.is_set():
                await asyncio.sleep(0)
                pod.received.wait(0.01)
            for _ in range(10):  # the attempt waits for the reply now
                await asyncio.sleep(0)
            pod.may_reply.set()
            pod.replied.wait(10)  # the loop stands still
            loop.now += 60.0
            return await trying

    assert success is in_late_loop(attempt)


@pytest.mark.parametrize(
    ("reply", "verdicts"), [(OK, [True]), pytest.param(b"", [False], marks=pytest.mark.long)]
)
def test_a_kubelet_that_is_always_late_judges_right(reply: bytes, verdicts: list[bool]) -> None:
    """Given passes of the loop that take longer than the probe's timeout, then a pod that replies is ready
    for many attempts in a row; a silent one fails.
    """

    async def judge(loop: LateLoop) -> list[bool]:
        found: list[bool] = []
        with serving(reply) as pod:
            watching = asyncio.create_task(watch_probe(probe(pod.port), target(), False, found.append))
            until = loop.now + 100 * 5.0 * TIMEOUT_S
            while loop.now < until:
                pod.replied.wait(0.01)
                pod.replied.clear()
                await asyncio.sleep(0)
            watching.cancel()
        return found

    assert verdicts == in_late_loop(judge, pass_s=1.5 * TIMEOUT_S)


async def test_the_time_of_an_attempt_starts_when_it_is_sent() -> None:
    """Given a silent pod, then an attempt fails after its timeout and not before."""
    loop = asyncio.get_running_loop()
    with serving(b"") as pod:
        began = loop.time()
        result = await try_probe(probe(pod.port, timeout_s=0.2), target())

    assert not result
    assert 0.2 <= loop.time() - began < 5


@pytest.mark.parametrize(
    ("command", "success"), [(["true"], True), (["false"], False), (["sleep", "60"], False)]
)
async def test_a_command_that_has_ended_counts(command: list[str], success: bool) -> None:
    """Given a command, then its exit code decides; one that does not end in time is killed."""
    async with asyncio.timeout(20):
        assert success is await run_command(command, {"PATH": "/usr/bin:/bin"}, 1.0)
