"""A component is kept running: real processes that are killed, fail or ignore SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random

import pytest

from spiko_local.components import Component
from spiko_local.errors import ComponentFailed
from spiko_local.managed_process import ManagedProcess, ProcessContext
from spiko_local.ports import find_ports

SERVE = (
    "import http.server as h, sys\n"
    "h.test(h.SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind='127.0.0.1')"
)
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SERVE
Make = Callable[..., ManagedProcess]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Start processes of a small HTTP server; stop them at the end."""
    made: list[ManagedProcess] = []

    def start(code: str = SERVE, command: tuple[str, ...] | None = None) -> ManagedProcess:
        port = find_ports(Random(1000 * os.getpid() + len(made))).api  # other tests may run beside this one
        component = Component(
            "web", 0, command or (sys.executable, "-c", code, str(port)), f"http://127.0.0.1:{port}/"
        )
        context = ProcessContext(tmp_path, -1, ssl.create_default_context(), lambda: None)
        made.append(ManagedProcess(component, context))
        made[-1].start()
        return made[-1]

    yield start
    for process in made:
        await process.stop(5)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; at most 20 s."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_killed_process_is_restarted(make: Make) -> None:
    """Given a healthy process, when it is killed, then a new one starts, and is ready once it answers."""
    process = make()
    await process.wait_ready(20)
    old = process.state.pid
    os.kill(old, signal.SIGKILL)
    await until(lambda: not process.state.ready)
    error = process.state.error
    await until(lambda: process.state.ready)

    assert error == "was killed by SIGKILL"
    assert old != process.state.pid
    assert process.state.restarts == 1


async def test_a_process_that_ends_three_times_before_it_is_ready_fails(make: Make) -> None:
    """Given a program that exits at once, then three starts are enough, and the error has the exit code."""
    process = make("raise SystemExit(7)")

    with pytest.raises(ComponentFailed, match="web does not start: ended with exit code 7"):
        await process.wait_ready(20)


async def test_a_program_that_does_not_exist_is_reported(make: Make, tmp_path: Path) -> None:
    """Given a missing program, then the error is a message, not the traceback of a lost task."""
    process = make(command=(str(tmp_path / "missing"),))

    with pytest.raises(ComponentFailed, match="cannot be started: No such file"):
        await process.wait_ready(20)


async def test_a_process_that_never_answers_is_reported(make: Make) -> None:
    """Given a program that does not listen, then the error names the URL and the time."""
    process = make("import time; time.sleep(60)")

    with pytest.raises(ComponentFailed, match=r"no answer from http://127\.0\.0\.1:\d+/ within 1 s"):
        await process.wait_ready(1)


async def test_a_process_that_ignores_sigterm_is_killed(make: Make) -> None:
    """Given a process that ignores SIGTERM, when it is stopped, then SIGKILL follows in time."""
    process = make(STUBBORN)
    await process.wait_ready(20)
    began = time.monotonic()
    await process.stop(0.3)

    assert process.process is not None
    assert process.process.returncode == -signal.SIGKILL
    assert time.monotonic() - began < 5


async def test_children_die_with_their_parent(tmp_path: Path) -> None:
    """Given a parent with a child, when the parent is killed, then the kernel kills the child."""
    code = (
        "import asyncio, pathlib, sys\n"
        "from spiko_local.processes import start_process\n"
        "async def main():\n"
        "    command = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        "    child = await start_process(command, pathlib.Path(sys.argv[1]), {})\n"
        "    print(child.pid, flush=True)\n"
        "    await child.wait()\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(tmp_path / "log"), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    assert Path(f"/proc/{child}").exists()
    parent.kill()
    await parent.wait()

    def gone() -> bool:
        try:
            return Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    await until(gone)


@pytest.mark.parametrize(
    ("hard", "expected"), [(4096, "4096"), (512, "open files: 512 are allowed, at least 1024 are needed")]
)
async def test_the_soft_limit_of_open_files_is_raised_and_a_low_hard_limit_is_reported(
    hard: int, expected: str
) -> None:
    """Given a low soft limit, then it is raised; given a low hard limit, then the error names it."""
    code = (
        "import resource\n"
        "from spiko_local.errors import LocalError\n"
        "from spiko_local.processes import raise_file_limit\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, (256, {hard}))\n"
        "try: print(raise_file_limit())\n"
        "except LocalError as error: print(error)\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()

    assert expected in out.decode()


async def test_orphaned_grandchildren_are_adopted(tmp_path: Path) -> None:
    """Given a grandchild, when its parent ends, then it is a child that can be reaped."""
    code = (
        "import os, subprocess, sys, time; from spiko_local.processes import adopt_orphans, find_children\n"
        "adopt_orphans()\n"
        "subprocess.run(['sh', '-c', 'sleep 60 & echo'], stdout=subprocess.DEVNULL)\n"
        "((pid, ended),) = find_children(os.getpid())\n"
        "os.kill(pid, 9); os.waitpid(pid, 0)\n"
        "print(ended, find_children(os.getpid()))\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()

    assert out == b"False []\n"
