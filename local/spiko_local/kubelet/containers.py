"""Containers as the kernel knows them: a container's output is its own log, so whoever writes to a log is that container.

Records say which process a pod has; but a kubelet or a warm parent that is killed between a fork and the record leaves a process that no record
names. It holds its pod's address, so its successor could never listen there.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Collection
from pathlib import Path

log = logging.getLogger("spiko.kubelet")


def find_containers(logs: Path) -> dict[int, str]:
    """Pid and log's name of every container with a log in this folder, removed logs included; what a container has started is not one."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        with contextlib.suppress(OSError):
            target = Path(os.readlink(entry / "fd" / "1").removesuffix(" (deleted)"))
            if target.parent == logs and os.getsid(pid) == pid:
                found[pid] = target.name
    return found


def end_unrecorded(logs: Path, recorded: Collection[int], name: str = "") -> list[int]:
    """Kill containers that no record names; returns their pids.

    Args:
        logs: the folder of logs.
        recorded: pids that records name.
        name: of one log; all if empty.
    """
    ended = []
    for pid, written in find_containers(logs).items():
        if pid not in recorded and name in ("", written):
            log.warning("process %d writes to %s and is in no record; killed", pid, written)
            signal_session(pid, signal.SIGKILL)
            ended.append(pid)
    return ended


def signal_session(pid: int, number: int) -> None:
    """Signal a container's whole session; its leader if the group is no more; nobody if he is gone, too."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
