"""Child processes that do not outlive their parent."""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> Callable[[], None]:
    """What a child does between fork and exec: be killed when its parent dies, or at once if that has happened already.

    The kernel means the *thread* that forked; asyncio forks from the main one.
    """

    def prepare() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


async def start_process(
    command: Sequence[str], log: Path, environ: Mapping[str, str], keep_open: Sequence[int] = ()
) -> asyncio.subprocess.Process:
    """Start a child with its output appended to a log, in a session of its own so that a Ctrl-C is not its."""
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
    """Allow as many open files as the machine does; returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
