"""One part is kept up: real processes, killed and failing."""

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

from spiko_local.components import Part
from spiko_local.errors import PartFailed
from spiko_local.managed_process import Keeper
from spiko_local.ports import find_ports

SERVE = "import http.server, sys; http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind='127.0.0.1')"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SERVE
Make = Callable[..., Keeper]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Makes started keepers of a small HTTP server, and stops them."""
    made: list[Keeper] = []

    def start(code: str = SERVE, command: tuple[str, ...] | None = None) -> Keeper:
        port = find_ports(Random(len(made))).api
        part = Part("web", 0, command or (sys.executable, "-c", code, str(port)), f"http://127.0.0.1:{port}/")
        keeper = Keeper(part, tmp_path, -1, ssl.create_default_context(), lambda: None)
        keeper.start()
        made.append(keeper)
        return keeper

    yield start
    for keeper in made:
        await keeper.stop(5)


async def until(asked: Callable[[], bool]) -> None:
    """Ask until it is true."""
    async with asyncio.timeout(20):
        while not asked():
            await asyncio.sleep(0.02)


async def test_a_killed_process_is_started_again(make: Make) -> None:
    """Kill -9: a new process 0.2 s later, counted, and ready only when it answers."""
    keeper = make()
    await keeper.wait_ready(20)
    old = keeper.running.pid
    os.kill(old, signal.SIGKILL)
    await until(lambda: not keeper.running.ready)
    error = keeper.running.error
    await until(lambda: keeper.running.ready)

    assert error == "was killed by SIGKILL"
    assert old != keeper.running.pid
    assert keeper.running.restarts == 1


async def test_a_part_that_always_ends_is_given_up_at_start(make: Make) -> None:
    """Three times, not for a minute; the message says how it ended."""
    keeper = make("raise SystemExit(7)")

    with pytest.raises(PartFailed, match="web does not start: ended with exit code 7"):
        await keeper.wait_ready(20)


async def test_a_program_that_cannot_run_is_a_failure_too(make: Make, tmp_path: Path) -> None:
    """No traceback of a lost task: a message."""
    keeper = make(command=(str(tmp_path / "missing"),))

    with pytest.raises(PartFailed, match="cannot be started: No such file"):
        await keeper.wait_ready(20)


async def test_a_part_that_never_answers(make: Make) -> None:
    """The message names what was asked and for how long."""
    keeper = make("import time; time.sleep(60)")

    with pytest.raises(PartFailed, match=r"no answer from http://127\.0\.0\.1:\d+/ within 1 s"):
        await keeper.wait_ready(1)


async def test_a_deaf_part_is_killed(make: Make) -> None:
    """SIGTERM, then SIGKILL: stopping is bounded."""
    keeper = make(DEAF)
    await keeper.wait_ready(20)
    began = time.monotonic()
    await keeper.stop(0.3)

    assert keeper.process is not None
    assert keeper.process.returncode == -signal.SIGKILL
    assert time.monotonic() - began < 5


async def test_children_die_with_their_parent(tmp_path: Path) -> None:
    """Kill -9 of the parent: the kernel kills the child."""
    code = (
        "import asyncio, pathlib, sys\n"
        "from spiko_local.processes import start_process\n"
        "async def main():\n"
        "    child = await start_process([sys.executable, '-c', 'import time; time.sleep(60)'], pathlib.Path(sys.argv[1]), {})\n"
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


@pytest.mark.parametrize(("hard", "said"), [(4096, "4096"), (512, "open files: 512 are allowed, 1024 are needed")])
async def test_the_limit_of_open_files_is_raised_or_explained(hard: int, said: str) -> None:
    """A soft limit is no reason to fail; a hard one that is too low is named."""
    code = (
        "import resource; from spiko_local.errors import LocalError; from spiko_local.processes import raise_file_limit\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, (256, {hard}))\n"
        "try: print(raise_file_limit())\n"
        "except LocalError as error: print(error)\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()

    assert said in out.decode()


async def test_orphans_are_adopted_and_seen(tmp_path: Path) -> None:
    """A grandchild whose parent has died becomes a child that can be waited for."""
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
