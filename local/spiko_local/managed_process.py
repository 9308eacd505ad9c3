"""Keeps one part of the cluster up: starts its process, asks until it is ready, and starts it again when it dies."""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spiko_local.components import Part
from spiko_local.errors import PartFailed
from spiko_local.health import answers
from spiko_local.processes import start_process

FIRST_PAUSE_S, LONGEST_PAUSE_S, HEALTHY_S = 0.2, 10.0, 10.0
ASK_AGAIN_S = 0.03
MOST_DEATHS = 3  # before it was ever ready
log = logging.getLogger("spiko.supervisor")


@dataclass
class Running:
    """What `spiko status` shows of one part. `since` is in seconds since 1970, `took_s` from the start to the first answer."""

    name: str
    pid: int = 0
    since: float = 0.0
    restarts: int = 0
    ready: bool = False
    took_s: float = 0.0
    error: str = ""
    url: str = ""


def choose_pause(last_s: float, lived_s: float) -> float:
    """Seconds until a part is started again: 0.2 at first, doubling to 10, from the beginning after 10 s of life.

    Args:
        last_s: the pause before; 0 if there was none.
        lived_s: how long the process lived.

    >>> choose_pause(0, 1), choose_pause(0.2, 1), choose_pause(8, 1), choose_pause(8, 11)
    (0.2, 0.4, 10.0, 0.2)
    """
    if last_s == 0 or lived_s >= HEALTHY_S:
        return FIRST_PAUSE_S
    return min(LONGEST_PAUSE_S, last_s * 2)


class Keeper:
    """One part.

    Args:
        part: what to run.
        logs: the folder of logs.
        lifeline: descriptor that it gets if it wants one.
        context: for asking it.
        changed: called whenever `running` has changed.
    """

    def __init__(
        self, part: Part, logs: Path, lifeline: int, context: ssl.SSLContext, changed: Callable[[], None]
    ) -> None:
        self.part = part
        self.running = Running(part.name, url=part.ready)
        self.process: asyncio.subprocess.Process | None = None
        self.starting = False  # there may be a process that `process` does not name yet
        self._logs, self._lifeline, self._context, self._changed = logs, lifeline, context, changed
        self._ready = asyncio.Event()
        self._dead = asyncio.Event()  # it died too often before it was ever ready
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to keep it up."""
        self._task = asyncio.create_task(self._keep())

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait for its first answer.

        Raises:
            PartFailed: it cannot be started, died three times, or did not answer in time.
        """
        waits = {asyncio.create_task(event.wait()) for event in (self._ready, self._dead)}
        try:
            await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self._ready.is_set():
            return
        reason = self.running.error or f"no answer from {self.part.ready} within {timeout_s:.0f} s"
        raise PartFailed(f"{self.part.name} does not start: {reason}")

    async def stop(self, timeout_s: float) -> None:
        """SIGTERM, and SIGKILL if that does not do; never started again."""
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
            log.warning("%s does not stop within %.0f s; killed", self.part.name, timeout_s)
            process.kill()
            await process.wait()
        except ProcessLookupError:
            pass
        log.info("%s stopped in %.1f s", self.part.name, time.monotonic() - began)

    async def _keep(self) -> None:
        pause_s = 0.0
        while True:
            began = time.monotonic()
            self.running.error = await self._live()
            self.running.ready, self.running.pid = False, 0
            if not self._ready.is_set() and self.running.restarts + 1 >= MOST_DEATHS:
                self._dead.set()
            pause_s = choose_pause(pause_s, time.monotonic() - began)
            log.warning("%s %s; again in %.1f s", self.part.name, self.running.error, pause_s)
            self._changed()
            await asyncio.sleep(pause_s)
            self.running.restarts += 1

    async def _live(self) -> str:
        """One life of its process; returns how it ended."""
        command, keep_open = list(self.part.command), []
        if self.part.lifeline:
            command += ["--lifeline", str(self._lifeline)]
            keep_open = [self._lifeline]
        self.starting = True
        try:
            self.process = await start_process(
                command, self._logs / f"{self.part.name}.log", self.part.environ, keep_open
            )
        except OSError as error:
            return f"cannot be started: {error.strerror}"
        finally:
            self.starting = False
        self.running.pid, self.running.since = self.process.pid, time.time()
        self._changed()
        asking = asyncio.create_task(self._ask(time.monotonic()))
        try:
            code = await self.process.wait()
        finally:
            asking.cancel()
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    async def _ask(self, began: float) -> None:
        while not await answers(self.part.ready, self._context):  # noqa: ASYNC110  # it has no other way to say so
            await asyncio.sleep(ASK_AGAIN_S)
        self.running.ready, self.running.error = True, ""
        if not self._ready.is_set():
            self.running.took_s = time.monotonic() - began
        self._ready.set()
        self._changed()
