"""The zygote may die at any moment; so may the kubelet that sent it a request."""

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
from spiko_local.kubelet.fork_client import ForkClient

ENVIRON = {"PATH": os.environ["PATH"]}
SLEEP = ["sleep", "60"]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A kubelet's folder; at the end all processes with a log in it are killed."""
    (tmp_path / "logs").mkdir()
    yield tmp_path
    for pid in [*find_containers(tmp_path), *find_containers(tmp_path / "logs")]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def zygotes(folder: Path) -> list[int]:
    """Pids of the zygotes of a folder, found by their log."""
    return [pid for pid, name in find_containers(folder).items() if name == "zygote.log"]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, at most 10 s: a fork is reported before the child has opened its log."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.05)


@asynccontextmanager
async def two_kubelets(folder: Path) -> AsyncIterator[tuple[ForkClient, ForkClient]]:
    """Connections of two kubelets; at the end their zygotes are killed."""
    pair = tuple(ForkClient(folder, "spiko_nanoservice.process.entry", None) for _ in range(2))
    try:
        yield pair[0], pair[1]
    finally:
        for pid in zygotes(folder):
            os.kill(pid, signal.SIGKILL)
        for forks in pair:
            await forks.close(5.0)


async def test_a_start_survives_the_death_of_the_zygote(folder: Path) -> None:
    """Given a zygote with unread requests, when it is killed, then another zygote handles them."""
    async with two_kubelets(folder) as (forks, _):
        await forks.connect()
        (zygote,) = zygotes(folder)
        os.kill(zygote, signal.SIGSTOP)
        starting = [
            asyncio.create_task(forks.start(SLEEP, ENVIRON, folder / "logs" / f"{n}.log")) for n in range(3)
        ]
        await asyncio.sleep(0.1)
        os.kill(zygote, signal.SIGKILL)
        started = await asyncio.wait_for(asyncio.gather(*starting), 20)

        await until(lambda: {pid for pid, _ in started} == set(find_containers(folder / "logs")))
        assert all(start_time(pid) == began for pid, began in started)


async def test_two_kubelets_share_one_zygote(folder: Path) -> None:
    """Given a zygote of a killed kubelet that still warms up, when the next starts one, then one exits."""
    async with two_kubelets(folder) as pair:
        await asyncio.gather(*(forks.connect() for forks in pair))
        await until(lambda: len(zygotes(folder)) == 1)
        for number, forks in enumerate(pair):
            await asyncio.wait_for(forks.start(SLEEP, ENVIRON, folder / "logs" / f"{number}.log"), 20)

        await until(lambda: {"0.log", "1.log"} == set(find_containers(folder / "logs").values()))
        assert len(zygotes(folder)) == 1


def test_only_containers_without_a_record_are_killed(folder: Path) -> None:
    """Given two containers with children, when one has a record, then only the other is killed."""
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
