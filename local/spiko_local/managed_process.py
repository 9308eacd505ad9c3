"""Keeps one component running: starts its process, checks its health, and restarts it when it ends."""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spiko_local.backoff import Backoff
from spiko_local.components import Component
from spiko_local.errors import ComponentFailed
from spiko_local.health import is_healthy
from spiko_local.processes import start_process

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
STABLE_S = 10.0  # a process that ran this long restarts after the first pause again
POLL_S = 0.03
MAX_DEATHS = 3  # before it was ever ready
log = logging.getLogger("spiko.supervisor")


@dataclass
class ProcessState:
    """What `spiko status` shows of one component.

    Args:
        name: of the component.
        pid: 0 while it does not run.
        since: start of the present process, in seconds since 1970.
        restarts: how often it was restarted.
        ready: whether it is healthy.
        took_s: from the first start to the first healthy answer.
        error: how it ended last; empty once it is healthy again.
        url: of its health endpoint.
    """

    name: str
    pid: int = 0
    since: float = 0.0
    restarts: int = 0
    ready: bool = False
    took_s: float = 0.0
    error: str = ""
    url: str = ""


@dataclass(frozen=True)
class ProcessContext:
    """What the supervisor gives all its processes.

    Args:
        logs: the folder of logs.
        lifeline: descriptor for components that want it.
        tls: for health checks.
        changed: called whenever the state of a process has changed.
    """

    logs: Path
    lifeline: int
    tls: ssl.SSLContext
    changed: Callable[[], None]


class ManagedProcess:
    """One component's process.

    Args:
        component: to run.
        context: of the supervisor.
    """

    def __init__(self, component: Component, context: ProcessContext) -> None:
        self.component = component
        self.state = ProcessState(component.name, url=component.ready)
        self.process: asyncio.subprocess.Process | None = None
        self.starting = False  # there may be a process that `process` does not name yet
        self._context = context
        self._backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._ready = asyncio.Event()
        self._dead = asyncio.Event()  # it ended too often before it was ever ready
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the process, and restart it whenever it ends."""
        self._task = asyncio.create_task(self._keep())

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait for the first healthy answer.

        Raises:
            ComponentFailed: it cannot be started, ended three times, or is not healthy in time.
        """
        waits = {asyncio.create_task(event.wait()) for event in (self._ready, self._dead)}
        try:
            await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self._ready.is_set():
            return
        reason = self.state.error or f"no answer from {self.component.ready} within {timeout_s:.0f} s"
        raise ComponentFailed(f"{self.component.name} does not start: {reason}")

    async def stop(self, timeout_s: float) -> None:
        """Stop the process for good: SIGTERM, and SIGKILL after a time.

        Args:
            timeout_s: between the two.
        """
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        process = self.process
        if process is None or process.returncode is not None:
            return
        began = time.monotonic()
        try:
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(timeout_s):
                await process.wait()
        except TimeoutError:
            log.warning("%s did not stop within %.0f s; killed", self.component.name, timeout_s)
            process.kill()
            await process.wait()
        except ProcessLookupError:
            pass
        log.info("%s stopped in %.1f s", self.component.name, time.monotonic() - began)

    async def _keep(self) -> None:
        while True:
            began = time.monotonic()
            self.state.error = await self._run()
            self.state.ready, self.state.pid = False, 0
            if not self._ready.is_set() and self.state.restarts + 1 >= MAX_DEATHS:
                self._dead.set()
            if time.monotonic() - began >= STABLE_S:
                self._backoff.reset()
            pause_s = self._backoff.next_s()
            log.warning("%s %s; restarting in %.1f s", self.component.name, self.state.error, pause_s)
            self._context.changed()
            await asyncio.sleep(pause_s)
            self.state.restarts += 1

    async def _run(self) -> str:
        """Run the process once and return how it ended."""
        component = self.component
        command, keep_open = list(component.command), list[int]()
        if component.lifeline:
            command += ["--lifeline", str(self._context.lifeline)]
            keep_open = [self._context.lifeline]
        log_file = self._context.logs / f"{component.name}.log"
        self.starting = True
        try:
            self.process = await start_process(command, log_file, component.environ, keep_open)
        except OSError as error:
            return f"cannot be started: {error.strerror}"
        finally:
            self.starting = False
        self.state.pid, self.state.since = self.process.pid, time.time()
        self._context.changed()
        checking = asyncio.create_task(self._check(time.monotonic()))
        try:
            code = await self.process.wait()
        finally:
            checking.cancel()
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    async def _check(self, began: float) -> None:
        """Wait until the process is healthy."""
        while not await is_healthy(self.component.ready, self._context.tls):  # noqa: ASYNC110  # polling is all there is
            await asyncio.sleep(POLL_S)
        self.state.ready, self.state.error = True, ""
        if not self._ready.is_set():
            self.state.took_s = time.monotonic() - began
        self._ready.set()
        self._context.changed()
