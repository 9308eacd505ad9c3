"""Child processes that do not outlive their parent, and facts about processes from the kernel."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import resource
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from spiko_local.errors import LocalError

MIN_FILES = 1024
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up once: not safe between fork and exec


def die_with_parent(parent: int) -> Callable[[], None]:
    """Return a function that a child runs between fork and exec, so that the kernel kills it with its parent.

    A parent that is dead already counts. For the kernel the parent is the thread that forked; asyncio forks
    from the main thread.

    Args:
        parent: its pid.
    """

    def prepare() -> None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def adopt_orphans() -> None:
    """Become a child subreaper: the parent of all descendants whose own parent ends, to reap them."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


async def start_process(
    command: Sequence[str], log: Path, environ: Mapping[str, str], keep_open: Sequence[int] = ()
) -> asyncio.subprocess.Process:
    """Start a child in a session of its own, so that a Ctrl-C does not reach it.

    Args:
        command: program and arguments.
        log: file to which its output is appended.
        environ: added to the present environment.
        keep_open: descriptors that the child inherits.

    Raises:
        OSError: the program cannot be run, or the machine lacks memory, processes or descriptors.
    """
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **environ},
            pass_fds=tuple(keep_open),
            start_new_session=True,
            preexec_fn=die_with_parent(os.getpid()),
        )


def raise_file_limit() -> int:
    """Raise the limit of open files as far as the machine allows, and return it.

    Raises:
        LocalError: it is below 1024.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        with contextlib.suppress(ValueError, OSError):  # some systems report "unlimited" but allow less
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    if 0 <= soft < MIN_FILES:
        raise LocalError(
            f"open files: {soft} are allowed, at least {MIN_FILES} are needed;"
            " raise the hard limit (`ulimit -Hn`)"
        )
    return soft


def find_children(parent: int) -> list[tuple[int, bool]]:
    """Return the pids of a process's children, and whether each has ended and waits to be reaped."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent:
                found.append((int(path.parent.name), fields[0] == "Z"))
    return found


def read_memory(pid: int) -> int:
    """Return a process's proportional set size in bytes, or 0 if it cannot be read."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
