"""The kubelet's side of the zygote: starts it if none runs, requests forks, and receives exit codes.

Only the zygote knows how its children ended. The end of a process whose zygote has died is seen through a
pidfd, and the process counts as killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from spiko_local.errors import LocalError
from spiko_local.kubelet.containers import end_unrecorded

KILLED = -signal.SIGKILL
WARM_S = 20.0
RETRY_S = 0.2
EXIT_CODE_S = 0.2  # between a process's end and the zygote's message about it
Waiting = dict[int, "asyncio.Future[tuple[int, int]]"]
log = logging.getLogger("spiko.kubelet")


class ForkClient:
    """The connection to the zygote.

    Args:
        folder: for the socket and the zygote's log.
        module: what children run.
        lifeline: descriptor that the zygote and pods hold; None without.
    """

    def __init__(self, folder: Path, module: str, lifeline: int | None) -> None:
        self._path = folder / "zygote.sock"
        self._log = folder / "zygote.log"
        self._module, self._lifeline = module, lifeline
        self._ids = itertools.count(1)
        self._waiting: Waiting = {}  # replies that the present connection owes
        self._exits: dict[int, asyncio.Future[int]] = {}
        self._early: dict[int, int] = {}  # exit codes that came before a call of `ended`
        self._writer: asyncio.StreamWriter | None = None
        self._connecting = asyncio.Lock()
        self._reader_task: asyncio.Task[None] | None = None
        self._zygotes: list[subprocess.Popen[bytes]] = []  # started by this kubelet: it must reap them

    async def start(self, command: list[str], environ: dict[str, str], log_file: Path) -> tuple[int, int]:
        """Fork a container and return its pid and start time.

        A zygote that dies before it replies may have forked or not: its child, if any, is killed, and the
        next zygote gets the request.

        Args:
            command: to execute; empty for the module's `run`.
            environ: the whole environment.
            log_file: receives the container's output.
        """
        while True:
            try:
                return await self._request(command, environ, log_file)
            except LocalError as error:
                log.warning("%s: %s; retrying in %.1f s", log_file.name, error, RETRY_S)
            await asyncio.sleep(RETRY_S)
            end_unrecorded(log_file.parent, (), log_file.name)

    async def _request(self, command: list[str], environ: dict[str, str], log_file: Path) -> tuple[int, int]:
        await self.connect()
        assert self._writer is not None
        number = next(self._ids)
        answer: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        request = {"id": number, "command": command, "environ": environ, "log": str(log_file)}
        self._writer.write(json.dumps(request).encode() + b"\n")
        return await answer

    async def ended(self, pid: int) -> int:
        """Wait until a process has ended and return its exit code, negative for a signal."""
        if pid in self._early:
            return self._early.pop(pid)
        future = self._exits.setdefault(pid, asyncio.get_running_loop().create_future())
        watch = asyncio.create_task(_gone(pid))
        try:
            waits: set[asyncio.Future[Any]] = {future, watch}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if not future.done():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(EXIT_CODE_S):
                        await asyncio.shield(future)
            return future.result() if future.done() else KILLED
        finally:
            watch.cancel()
            self._exits.pop(pid, None)

    async def connect(self) -> None:
        """Connect to the zygote that runs, or start one.

        Raises:
            LocalError: it does not start.
        """
        async with self._connecting:
            if self._writer is not None and not self._writer.is_closing():
                return
            if not await self._open():
                self._spawn()
                try:
                    async with asyncio.timeout(WARM_S):
                        while not await self._open():  # noqa: ASYNC110  # the socket is the only sign
                            await asyncio.sleep(0.02)
                except TimeoutError as error:
                    raise LocalError(f"the zygote does not start; see {self._log}") from error

    async def close(self, timeout_s: float) -> None:
        """Close the connection and reap the zygotes that this client started.

        Args:
            timeout_s: for each of them. One that does not end by then keeps running, and so do its
                containers.
        """
        if self._writer is not None:
            self._writer.close()
        if self._reader_task is not None:
            await self._reader_task
        for zygote in self._zygotes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(zygote.wait, timeout_s)

    async def _open(self) -> bool:
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._path), limit=1 << 22)
        except OSError:
            return False
        self._writer, self._waiting = writer, {}
        self._reader_task = asyncio.create_task(self._listen(reader, writer, self._waiting))
        return True

    def _spawn(self) -> None:
        command = [sys.executable, "-m", "spiko_local.kubelet.zygote", str(self._path), self._module]
        keep = ()
        if self._lifeline is not None:
            command += ["--lifeline", str(self._lifeline)]
            keep = (self._lifeline,)  # type: ignore[assignment]
        with self._log.open("ab") as output:
            zygote = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=keep,
                start_new_session=True,
            )
        self._zygotes = [zygote, *(earlier for earlier in self._zygotes if earlier.poll() is None)]

    async def _listen(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, waiting: Waiting
    ) -> None:
        # A zygote that dies with unread requests resets the connection.
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                self._receive(json.loads(line), waiting)
        log.warning("the zygote has ended; the next container starts another one")
        writer.close()
        for answer in waiting.values():
            if not answer.done():
                answer.set_exception(LocalError("the zygote has ended"))
        waiting.clear()

    def _receive(self, message: dict[str, Any], waiting: Waiting) -> None:
        if "exit" in message:
            pid = message["exit"]
            future = self._exits.get(pid)
            if future is None:
                self._early[pid] = message["code"]
            elif not future.done():
                future.set_result(message["code"])
        elif (answer := waiting.pop(message["id"], None)) is not None and not answer.done():
            self._early.pop(message["pid"], None)  # left by an earlier process with this pid
            answer.set_result((message["pid"], message["began"]))


async def _gone(pid: int) -> None:
    """Wait until a process has ended; it need not be a child."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
