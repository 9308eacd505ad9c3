"""The warm parent may die at any moment; so may the kubelet that asked it for something."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from spiko_local.home import start_time
from spiko_local.kubelet.containers import end_unrecorded, find_containers
from spiko_local.kubelet.fork_client import Forks

ENVIRON = {"PATH": os.environ["PATH"]}
SLEEP = ["sleep", "60"]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A kubelet's folder; nobody that writes into it outlives the test."""
    (tmp_path / "logs").mkdir()
    yield tmp_path
    for pid in [*find_containers(tmp_path), *find_containers(tmp_path / "logs")]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def warm_parents(folder: Path) -> list[int]:
    """They have a log, too."""
    return [pid for pid, name in find_containers(folder).items() if name == "zygote.log"]


async def until(asked: Callable[[], bool]) -> None:
    """Ask for ten seconds: a fork is told of before it has opened its log."""
    end = time.monotonic() + 10
    while not asked():
        assert time.monotonic() < end
        await asyncio.sleep(0.05)


@asynccontextmanager
async def two_kubelets(folder: Path) -> AsyncIterator[tuple[Forks, Forks]]:
    """Connections of two; at the end their warm parents die."""
    pair = tuple(Forks(folder, "spiko_nanoservice.process", None) for _ in range(2))
    try:
        yield pair[0], pair[1]
    finally:
        for pid in warm_parents(folder):
            os.kill(pid, signal.SIGKILL)
        for forks in pair:
            await forks.close(5.0)


async def test_a_start_survives_the_warm_parents_death(folder: Path) -> None:
    """Given one that has not read what it was asked for, when it dies, then another one does it."""
    async with two_kubelets(folder) as (forks, _):
        await forks.connect()
        (parent,) = warm_parents(folder)
        os.kill(parent, signal.SIGSTOP)
        starting = [asyncio.create_task(forks.start(SLEEP, ENVIRON, folder / "logs" / f"{n}.log")) for n in range(3)]
        await asyncio.sleep(0.1)
        os.kill(parent, signal.SIGKILL)
        started = await asyncio.wait_for(asyncio.gather(*starting), 20)

        await until(lambda: {pid for pid, _ in started} == set(find_containers(folder / "logs")))
        assert all(start_time(pid) == began for pid, began in started)


async def test_two_that_ask_at_once_have_one_warm_parent(folder: Path) -> None:
    """A kubelet that was killed has left one that warms up still: its successor's steps back."""
    async with two_kubelets(folder) as pair:
        await asyncio.gather(*(forks.connect() for forks in pair))
        await until(lambda: len(warm_parents(folder)) == 1)
        for number, forks in enumerate(pair):
            await asyncio.wait_for(forks.start(SLEEP, ENVIRON, folder / "logs" / f"{number}.log"), 20)

        await until(lambda: {"0.log", "1.log"} == set(find_containers(folder / "logs").values()))
        assert len(warm_parents(folder)) == 1


def test_a_container_that_no_record_names_is_ended_and_no_other(folder: Path) -> None:
    """Nor is what a recorded container has started."""
    logs = folder / "logs"
    processes = []
    for name in ("known.1.log", "unknown.1.log"):
        with (logs / name).open("wb") as log:
            command = ["sh", "-c", "sleep 60 & wait"]
            processes.append(subprocess.Popen(command, stdout=log, start_new_session=True))
    known, unknown = processes
    ended = end_unrecorded(logs, {known.pid})

    assert ended == [unknown.pid]
    assert unknown.wait(5) == -signal.SIGKILL
    assert known.poll() is None
    os.killpg(known.pid, signal.SIGKILL)
    known.wait(5)
