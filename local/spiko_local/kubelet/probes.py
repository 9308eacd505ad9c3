"""Probes of a running container: the loop of one probe, and the three probes of a container.

One deviation from a real kubelet: until a container was ready once, its readiness and startup probes are
tried after 20, 40, 80 ... ms, not only once per period. A period is at least a second, and most of an
architecture's start would be spent waiting for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Protocol

from spiko_local.backoff import Backoff
from spiko_local.kubelet.model.probe import Probe, ProbeCount, read_probe
from spiko_local.kubelet.probe_attempts import ProbeTarget, try_probe

FIRST_EARLY_S = 0.02


class ProbeListener(Protocol):
    """Receives the verdicts of a container's probes."""

    def on_started(self) -> None:
        """The startup probe has succeeded."""

    def on_ready(self, ready: bool) -> None:
        """The readiness probe's verdict has changed."""

    def on_unhealthy(self) -> None:
        """The startup or the liveness probe has failed: the container must be restarted."""


class ContainerProbes:
    """The probes of one container, from its start to its end.

    Args:
        listener: receives the verdicts.
    """

    def __init__(self, listener: ProbeListener) -> None:
        self._listener = listener
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, target: ProbeTarget, started: bool, ready: bool) -> None:
        """Start to probe.

        Args:
            target: the container.
            started: whether the startup probe has succeeded already, for another kubelet perhaps.
            ready: whether the container counts as ready.
        """
        startup = read_probe(target.container, "startup")
        if startup is None or started:
            self._follow(target, ready)
            return

        def changed(up: bool) -> None:
            if up:
                self._listener.on_started()
                self._follow(target, read_probe(target.container, "readiness") is None)
            else:
                self._listener.on_unhealthy()

        self._run(watch_probe(startup, target, True, changed))

    def stop(self) -> None:
        """Stop to probe."""
        for task in self._tasks:
            task.cancel()
        self._tasks = []

    def _follow(self, target: ProbeTarget, ready: bool) -> None:
        readiness, liveness = (read_probe(target.container, kind) for kind in ("readiness", "liveness"))

        def alive(up: bool) -> None:
            if not up:
                self._listener.on_unhealthy()

        if readiness is not None:
            self._run(watch_probe(readiness, target, not ready, self._listener.on_ready))
        if liveness is not None:
            self._run(watch_probe(liveness, target, False, alive))

    def _run(self, work: Coroutine[None, None, None]) -> None:
        self._tasks.append(asyncio.create_task(work))


async def watch_probe(
    probe: Probe, target: ProbeTarget, early: bool, changed: Callable[[bool], None]
) -> None:
    """Try a probe until cancelled.

    Args:
        probe: the probe.
        target: the container.
        early: try often until the first success.
        changed: called with every new verdict.
    """
    count = ProbeCount(probe)
    backoff = Backoff(FIRST_EARLY_S, probe.period_s)
    await asyncio.sleep(probe.initial_delay_s)
    while True:
        if count.add(await try_probe(probe, target)):
            changed(count.verdict is True)
        early = early and count.verdict is not True
        await asyncio.sleep(backoff.next_s() if early else probe.period_s)
