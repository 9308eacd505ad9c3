"""Child processes that do not outlive their parent, and what the kernel knows of processes."""

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

FEWEST_FILES = 1024
# One arena for all threads, and what was freed at the top goes back: 5 MB of a kubelet's 37. Whoever sets these otherwise has it so.
ALLOCATOR = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_MMAP_THRESHOLD_": "131072"}
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up here: after a fork nothing may be


def die_with_parent(parent: int) -> Callable[[], None]:
    """What a child does between fork and exec: be killed when its parent dies, or at once if that has happened already.

    The kernel means the *thread* that forked; asyncio forks from the main one.
    """

    def prepare() -> None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parent dies: so they can be waited for, and leave no zombies."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


async def start_process(
    command: Sequence[str], log: Path, environ: Mapping[str, str], keep_open: Sequence[int] = ()
) -> asyncio.subprocess.Process:
    """Start a child with its output appended to a log, in a session of its own so that a Ctrl-C is not its.

    Raises:
        OSError: the program cannot be run, or the machine is out of something.
    """
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**ALLOCATOR, **os.environ, **environ},
            pass_fds=tuple(keep_open),
            start_new_session=True,
            preexec_fn=die_with_parent(os.getpid()),
        )


def raise_file_limit() -> int:
    """Allow as many open files as the machine does; returns how many.

    Raises:
        LocalError: that is too few.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        with contextlib.suppress(ValueError, OSError):  # some systems say "unlimited" and mean less
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    if 0 <= soft < FEWEST_FILES:
        raise LocalError(
            f"open files: {soft} are allowed, {FEWEST_FILES} are needed; raise the hard limit (`ulimit -Hn`)"
        )
    return soft


def find_children(parent: int) -> list[tuple[int, bool]]:
    """Pids of a process's children, and whether each has ended and waits to be collected."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent:
                found.append((int(path.parent.name), fields[0] == "Z"))
    return found


def read_memory(pid: int) -> int:
    """Bytes of memory that would be free without a process: its share of shared pages counts in part. 0 if it cannot be read."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
