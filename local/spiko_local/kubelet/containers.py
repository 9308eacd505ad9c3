"""Containers as the kernel knows them: sessions of processes, each with its output in a log of its own.

Records say which process a pod has. A kubelet or zygote that is killed between a fork and the record leaves a
process that no record names; it holds its pod's address, so its successor could never listen there. Such a
process is found by the log that it writes to.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Collection
from pathlib import Path

log = logging.getLogger("spiko.kubelet")


def find_containers(logs: Path) -> dict[int, str]:
    """Return the pid and the log's name of every container whose log is, or was, in a folder.

    Children of containers are not containers: only leaders of a session count.
    """
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        with contextlib.suppress(OSError):
            target = Path(os.readlink(entry / "fd" / "1").removesuffix(" (deleted)"))
            if target.parent == logs and os.getsid(pid) == pid:
                found[pid] = target.name
    return found


def end_unrecorded(logs: Path, recorded: Collection[int], name: str = "") -> list[int]:
    """Kill the containers that no record names and return their pids.

    Args:
        logs: the folder of logs.
        recorded: pids that records name.
        name: of one log; all if empty.
    """
    ended = []
    for pid, written in find_containers(logs).items():
        if pid not in recorded and name in ("", written):
            log.warning("process %d writes to %s but has no record; killed", pid, written)
            signal_session(pid, signal.SIGKILL)
            ended.append(pid)
    return ended


def signal_session(pid: int, number: int) -> None:
    """Signal all processes of a container.

    Args:
        pid: of the session's leader. It is signaled alone if it leads no process group; a process that is
            gone is ignored.
        number: of the signal.
    """
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


async def terminate(pid: int, ending: asyncio.Task[int], gone: asyncio.Event, grace_s: float) -> None:
    """Terminate a container: SIGTERM, the grace period, SIGKILL.

    Args:
        pid: of the session's leader.
        ending: waits for the process's end.
        gone: ends the grace period early: the pod's object is gone from the API.
        grace_s: the grace period; 0 kills at once.
    """
    if grace_s > 0:
        signal_session(pid, signal.SIGTERM)
        early = asyncio.create_task(gone.wait())
        await asyncio.wait({ending, early}, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
        early.cancel()
    if not ending.done():
        signal_session(pid, signal.SIGKILL)
    await ending


async def run_command(command: list[str], environ: dict[str, str], timeout_s: float) -> bool:
    """Run a probe's command and return whether it ended with 0; one that takes too long is killed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=environ,
    )
    ending = asyncio.create_task(process.wait())
    await asyncio.wait({ending}, timeout=timeout_s)
    if not ending.done():
        # A process that has ended keeps its exit code: a late kubelet kills nothing.
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    return await ending == 0
