"""The life of one pod: its containers, its status, and errors that the worker does not expect."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from spiko_local.kubelet.containers import signal_session
from spiko_local.kubelet.pod_api import PodApi
from spiko_local.kubelet.pod_records import Record
from spiko_local.kubelet.pod_worker import PodWorker
from spiko_local.kubelet.worker_interfaces import PodView
from spiko_local.objects import Object
from tests.support.kubelets import NODE, FakeApi, FakeRuntime, pod, until

DELETED = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


class Listener:
    """Counts the workers that have ended."""

    def __init__(self) -> None:
        self.ended = 0

    def changed(self, worker: PodView) -> None:
        """Ignore a change."""

    def done(self, worker: PodView) -> None:
        """Count it."""
        self.ended += 1


class Bench:
    """One worker with fake surroundings.

    Args:
        folder: for records.
        body: the pod.
    """

    def __init__(self, folder: Path, body: Object) -> None:
        self.api, self.runtime, self.listener = FakeApi(), FakeRuntime(folder), Listener()
        self.body = body
        api = PodApi(self.api)  # type: ignore[arg-type]
        record = Record(body["metadata"]["uid"], "default", body["metadata"]["name"], NODE.name, 1)
        self.worker = PodWorker(body, record, NODE, self.runtime, api, self.listener)
        self.running = asyncio.create_task(self.worker.run())

    def state(self) -> Object:
        """The container's state in the newest status that was written; empty before the first."""
        return self.api.statuses[-1]["containerStatuses"][0]["state"] if self.api.statuses else {}

    async def delete(self) -> None:
        """Delete the pod and wait until its worker has ended."""
        self.worker.update(self.body | {"metadata": self.body["metadata"] | DELETED})
        self.runtime.end(self.body["metadata"]["uid"])
        async with asyncio.timeout(10):
            await self.running


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[[Object], Bench]]:
    """Start workers; at the end their pods are deleted."""
    made: list[Bench] = []

    def one(body: Object) -> Bench:
        made.append(Bench(tmp_path, body))
        return made[-1]

    yield one
    for bench in made:
        await bench.delete()


async def test_a_pod_runs_until_it_is_deleted(start: Callable[[Object], Bench]) -> None:
    """Given a pod, when it is deleted, then its container ends, its object is removed, its worker is done."""
    bench = start(pod("p"))
    await until(lambda: "running" in bench.state())
    await bench.delete()

    assert "terminated" in bench.state()
    assert (["/api/v1/namespaces/default/pods/p"], 1) == (bench.api.deleted, bench.listener.ended)


async def test_a_container_that_ends_is_restarted_at_once_and_then_backs_off(
    start: Callable[[Object], Bench],
) -> None:
    """Given a container that fails twice, then its first restart is immediate, the second after 10 s."""
    bench = start(pod("p"))
    for count in (1, 2):
        await until(lambda count=count: len(bench.runtime.commands) == count)  # type: ignore[misc]
        await asyncio.sleep(0)
        bench.runtime.end("p", 3)
    await until(lambda: bench.state().get("waiting"))

    assert bench.state()["waiting"] == {
        "reason": "CrashLoopBackOff",
        "message": "back-off 10s restarting failed container=c pod=p",
    }
    assert 2 == len(bench.runtime.commands)


async def test_an_unavailable_image_is_reported(start: Callable[[Object], Bench]) -> None:
    """Given an unknown image, then no process is started, and the status names the image."""
    bench = start(pod("p", image="nginx:1"))
    await until(lambda: bench.state().get("waiting", {}).get("reason") == "ErrImagePull")

    assert 'image "nginx:1": not available' in bench.state()["waiting"]["message"]
    assert [] == bench.runtime.commands


async def test_an_unexpected_error_is_reported_and_the_pod_can_be_deleted(
    start: Callable[[Object], Bench],
) -> None:
    """Given an environment entry without a name, then the status reports it; a deletion ends the worker."""
    body = pod("p")
    body["spec"]["containers"][0]["env"] = [{"value": "x"}]
    bench = start(body)
    await until(lambda: bench.state().get("waiting", {}).get("reason") == "CreateContainerError")

    assert bench.state()["waiting"]["message"] == "KeyError: 'name'"
    assert not bench.running.done()
    await bench.delete()
    assert (["/api/v1/namespaces/default/pods/p"], 1) == (bench.api.deleted, bench.listener.ended)


async def test_a_frozen_pod_writes_nothing_more(start: Callable[[Object], Bench]) -> None:
    """Given a running pod, when its node loses power, then no status is written and the record is kept."""
    bench = start(pod("p"))
    await until(lambda: "running" in bench.state())
    written = len(bench.api.statuses)
    bench.worker.freeze()
    bench.running.cancel()
    await asyncio.gather(bench.running, return_exceptions=True)

    assert (written, 0) == (len(bench.api.statuses), bench.listener.ended)


def test_a_signal_reaches_the_session_or_its_leader() -> None:
    """Given a process that leads no group, then it is signaled alone; one that is gone is ignored."""
    with subprocess.Popen(["sleep", "60"]) as process:
        signal_session(process.pid, signal.SIGKILL)

        assert process.wait(10) == -signal.SIGKILL
        signal_session(process.pid, signal.SIGKILL)
