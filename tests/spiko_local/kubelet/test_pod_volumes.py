"""The Secret volumes of pods: they hold back the first start, and follow their Secret for the pod's life."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from spiko_local.home import start_time
from spiko_local.kubelet.pod_api import PodApi
from spiko_local.kubelet.pod_records import PodRecords, Record
from spiko_local.kubelet.pod_workers import PodWorkers
from spiko_local.objects import Object
from tests.support.kubelets import NODE, FakeApi, FakeRuntime, pod, secret, until

MOUNT = "var/run/keys"
DELETED = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


def keyed(name: str = "p", optional: bool = False) -> Object:
    """A pod that mounts the Secret `keys`."""
    body = pod(name)
    body["spec"]["volumes"] = [{"name": "v", "secret": {"secretName": "keys", "optional": optional}}]
    body["spec"]["containers"][0]["volumeMounts"] = [{"name": "v", "mountPath": f"/{MOUNT}"}]
    return body


class Bench:
    """The workers of one node with fake surroundings.

    Args:
        folder: for records and volumes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.api, self.runtime = FakeApi(), FakeRuntime(folder)
        self.workers = PodWorkers({NODE.name: NODE}, self.runtime, PodApi(self.api))  # type: ignore[arg-type]

    def start(self, body: Object) -> None:
        """Start a pod."""
        self.workers.start(body, NODE.name)

    def read(self, name: str = "p") -> bytes:
        """The file `join` of a pod's volume; empty without one."""
        path = self.runtime.volumes(name) / MOUNT / "join"
        return path.read_bytes() if path.exists() else b""

    def waiting(self) -> Object:
        """Why the container waits, in the newest status; empty if it does not."""
        statuses = self.api.statuses[-1:]
        found: Object = statuses[0]["containerStatuses"][0]["state"].get("waiting", {}) if statuses else {}
        return found

    async def end(self) -> None:
        """Remove all pods."""
        self.workers.remove_absent(())
        for worker in self.workers:
            self.runtime.end(worker.record.uid)
        await until(lambda: not list(self.workers))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """The workers of one node."""
    made = Bench(tmp_path)
    yield made
    await made.end()


async def test_a_container_starts_with_its_files(bench: Bench) -> None:
    """Given a Secret, when a pod mounts it, then its files are there before the process starts."""
    bench.api.put(secret({"join": b"k1"}))
    bench.start(keyed())
    await until(lambda: bench.runtime.environs)
    (environ,) = bench.runtime.environs

    assert b"k1" == (Path(environ["VOLUMES"]) / MOUNT / "join").read_bytes()
    assert 0o700 == Path(environ["VOLUMES"]).stat().st_mode & 0o777


async def test_a_missing_secret_holds_the_container_back(bench: Bench) -> None:
    """Given no Secret, then the container waits with Kubernetes' message; the Secret's creation starts it."""
    bench.start(keyed())
    await until(lambda: bench.waiting().get("message"))
    text = 'MountVolume.SetUp failed for volume "v" : secret "keys" not found'
    waited = list(bench.runtime.environs), bench.waiting()
    bench.api.put(secret({"join": b"k1"}))
    await until(lambda: bench.runtime.environs)

    assert ([], {"reason": "ContainerCreating", "message": text}) == waited
    assert [("FailedMount", text)] == [(event["reason"], event["note"]) for event in bench.api.events]
    assert b"k1" == bench.read()


async def test_an_optional_secret_holds_nothing_back(bench: Bench) -> None:
    """Given no Secret and an optional volume, then the container starts, and gets the files later."""
    bench.start(keyed(optional=True))
    await until(lambda: bench.runtime.environs)
    before = bench.read()
    bench.api.put(secret({"join": b"k1"}))
    await until(bench.read)

    assert (b"", b"k1") == (before, bench.read())


async def test_a_changed_secret_changes_the_files_of_running_pods(bench: Bench) -> None:
    """Given two pods with one Secret, then one watch serves both; a deleted Secret leaves the files."""
    bench.api.put(secret({"join": b"k1"}))
    bench.start(keyed("p"))
    bench.start(keyed("q"))
    await until(lambda: bench.read("p") and bench.read("q") and bench.api.watching)
    bench.api.put(secret({"join": b"k2"}, 2))
    await until(lambda: b"k2" == bench.read("p") == bench.read("q"))
    bench.api.put(None)
    bench.api.put(secret({"join": b"k3"}, 3))
    await until(lambda: b"k3" == bench.read("p") == bench.read("q"))

    path = "/api/v1/namespaces/default/secrets?fieldSelector=metadata.name%3Dkeys"
    assert [path] == bench.api.watching
    assert 2 == len(bench.runtime.environs)


async def test_the_watch_ends_with_the_last_pod(bench: Bench) -> None:
    """Given a pod, when it is gone, then its Secret is not watched any more."""
    bench.api.put(secret({"join": b"k1"}))
    bench.start(keyed())
    await until(lambda: bench.read() and bench.api.watching)
    await bench.end()
    await until(lambda: not bench.api.watching)


async def test_a_pod_that_waits_for_its_secret_can_be_deleted(bench: Bench) -> None:
    """Given a pod without its Secret, when it is deleted, then its worker ends without a start."""
    bench.start(keyed())
    await until(lambda: bench.waiting().get("message"))
    worker = bench.workers.get("p")
    assert worker is not None
    body = keyed()
    worker.update(body | {"metadata": body["metadata"] | DELETED})
    await until(lambda: not list(bench.workers))

    assert [] == bench.runtime.environs


async def test_an_adopted_pod_gets_its_changes(tmp_path: Path) -> None:
    """Given a process that an earlier kubelet started, then it is not started again, and its files change."""
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:  # noqa: ASYNC220
        began = start_time(process.pid) or 0
        record = Record("p", "default", "p", NODE.name, 1, pid=process.pid, began=began, container=1)
        PodRecords(tmp_path / "pods").write(record)
        bench = Bench(tmp_path)
        bench.runtime.adopt("p", process.pid)
        bench.start(keyed())
        bench.api.put(secret({"join": b"k1"}))
        await until(lambda: b"k1" == bench.read())
        bench.api.put(secret({"join": b"k2"}, 2))
        await until(lambda: b"k2" == bench.read())

        assert ([], "") == (bench.runtime.environs, bench.waiting().get("reason", ""))
        await bench.end()
