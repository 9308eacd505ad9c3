"""The kubelet's side of the zygote: start it if it is not there, ask for forks, hear of exits.

The zygote knows how its children ended; of a process whose zygote has died only the end can be seen, through a pidfd, and it counts as killed.
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
AGAIN_S = 0.2
# Freed blocks are not kept aside for the next who asks: these lie on pages that a forked pod shares (0.15 MB a pod).
ALLOCATOR = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}
Waiting = dict[int, "asyncio.Future[tuple[int, int]]"]
log = logging.getLogger("spiko.kubelet")


class Forks:
    """Connection to the zygote.

    Args:
        folder: for socket and log.
        module: what children run.
        lifeline: descriptor that zygote and pods hold; None without.
    """

    def __init__(self, folder: Path, module: str, lifeline: int | None) -> None:
        self._path = folder / "zygote.sock"
        self._log = folder / "zygote.log"
        self._module, self._lifeline = module, lifeline
        self._ids = itertools.count(1)
        self._waiting: Waiting = {}  # of the present connection
        self._exits: dict[int, asyncio.Future[int]] = {}
        self._early: dict[int, int] = {}  # exits told before anybody asked
        self._writer: asyncio.StreamWriter | None = None
        self._connecting = asyncio.Lock()
        self._reader_task: asyncio.Task[None] | None = None
        self._parents: list[subprocess.Popen[bytes]] = []  # those that we started, to be collected when they end

    async def start(self, command: list[str], environ: dict[str, str], log_file: Path) -> tuple[int, int]:
        """Fork a container; returns its pid and start time.

        A zygote that dies before it answers may have forked or not: what it has forked is killed, and another zygote is asked.
        """
        while True:
            try:
                return await self._ask(command, environ, log_file)
            except LocalError as error:
                log.warning("%s: %s; again in %.1f s", log_file.name, error, AGAIN_S)
            await asyncio.sleep(AGAIN_S)
            end_unrecorded(log_file.parent, (), log_file.name)

    async def _ask(self, command: list[str], environ: dict[str, str], log_file: Path) -> tuple[int, int]:
        await self.connect()
        assert self._writer is not None
        number = next(self._ids)
        answer: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        request = {"id": number, "command": command, "environ": environ, "log": str(log_file)}
        self._writer.write(json.dumps(request).encode() + b"\n")
        return await answer

    async def ended(self, pid: int) -> int:
        """Wait for a process's end; its exit code, negative for a signal."""
        if pid in self._early:
            return self._early.pop(pid)
        future = self._exits.setdefault(pid, asyncio.get_running_loop().create_future())
        watch = asyncio.create_task(_gone(pid))
        try:
            waits: set[asyncio.Future[Any]] = {future, watch}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if not future.done():  # the zygote's word usually comes a moment later
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await asyncio.shield(future)
            return future.result() if future.done() else KILLED
        finally:
            watch.cancel()
            self._exits.pop(pid, None)

    async def connect(self) -> None:
        """Have a zygote: the one that runs, or a new one."""
        async with self._connecting:
            if self._writer is not None and not self._writer.is_closing():
                return
            if not await self._open():
                self._spawn()
                try:
                    async with asyncio.timeout(WARM_S):
                        while not await self._open():  # noqa: ASYNC110  # it has no other way to say that it is warm
                            await asyncio.sleep(0.02)
                except TimeoutError as error:
                    raise LocalError(f"the warm parent does not start; see {self._log}") from error

    async def close(self, timeout_s: float) -> None:
        """Hang up, and wait for warm parents of ours that are about to end; one that is not lives on, and so do its containers."""
        if self._writer is not None:
            self._writer.close()
        if self._reader_task is not None:
            await self._reader_task
        for parent in self._parents:
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(parent.wait, timeout_s)

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
            parent = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**ALLOCATOR, **os.environ},
                pass_fds=keep,
                start_new_session=True,
            )
        self._parents = [parent, *(earlier for earlier in self._parents if earlier.poll() is None)]

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, waiting: Waiting) -> None:
        with contextlib.suppress(OSError):  # a reset instead of an end: it died with requests that it had not read
            while line := await reader.readline():
                self._hear(json.loads(line), waiting)
        log.warning("the warm parent has gone; the next container starts another")
        writer.close()
        for answer in waiting.values():
            if not answer.done():
                answer.set_exception(LocalError("the warm parent has gone"))
        waiting.clear()

    def _hear(self, message: dict[str, Any], waiting: Waiting) -> None:
        if "exit" in message:
            pid = message["exit"]
            future = self._exits.get(pid)
            if future is None:
                self._early[pid] = message["code"]
            elif not future.done():
                future.set_result(message["code"])
        elif (answer := waiting.pop(message["id"], None)) is not None and not answer.done():
            self._early.pop(message["pid"], None)  # of an earlier process with this pid
            answer.set_result((message["pid"], message["began"]))


async def _gone(pid: int) -> None:
    """Wait until a process, of whoever's, has ended."""
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
