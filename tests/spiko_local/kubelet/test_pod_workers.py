"""Workers keep the index of endpoints up to date: when they come, change and go."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from spiko_local.kubelet.pod_api import PodApi
from spiko_local.kubelet.pod_workers import PodWorkers
from spiko_local.objects import Object
from tests.support.kubelets import NODE, FakeApi, FakeRuntime, pod, until

SERVICE = {"spec": {"selector": {"tier": "web"}}}
EARLY = {"spec": {"selector": {"tier": "web"}, "publishNotReadyAddresses": True}}
DELETED = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
ADDRESS = NODE.pod_address(1)


@pytest.fixture
async def workers(tmp_path: Path) -> AsyncIterator[PodWorkers]:
    """The workers of one node; at the end their pods are gone."""
    api = PodApi(FakeApi())  # type: ignore[arg-type]
    runtime = FakeRuntime(tmp_path)
    made = PodWorkers({NODE.name: NODE}, runtime, api)  # type: ignore[arg-type]
    yield made
    made.remove_absent(())
    for worker in made:
        runtime.end(worker.record.uid)
    await until(lambda: not list(made))


def web(tier: str = "web", **changes: Any) -> Object:
    """A pod of a tier, with changes of its metadata."""
    return pod("p", labels={"tier": tier}, **changes)


def found(workers: PodWorkers, service: Object = SERVICE) -> list[str]:
    """The Service's addresses."""
    return workers.endpoints.addresses("default", service)


async def started(workers: PodWorkers, body: Object) -> None:
    """Start a pod's worker and wait until its container runs."""
    workers.start(body, NODE.name)
    await until(lambda: bool(found(workers, EARLY)))


async def test_a_pod_is_an_endpoint_from_its_start(workers: PodWorkers) -> None:
    """Given a pod without a readiness probe, when its container starts, then it is found, and not before."""
    workers.start(web(), NODE.name)
    before = found(workers, EARLY)
    await until(lambda: bool(found(workers)))

    assert ([], [ADDRESS]) == (before, found(workers))


async def test_a_pod_is_found_by_its_new_labels(workers: PodWorkers) -> None:
    """Given a running pod, when an update changes its label, then only Services of the new value find it."""
    await started(workers, web())
    worker = workers.get("p")
    assert worker is not None
    worker.update(web("db"))
    gone = found(workers)
    worker.update(web())

    assert ([], [ADDRESS]) == (gone, found(workers))


async def test_readiness_decides_unless_the_service_publishes_all(workers: PodWorkers) -> None:
    """Given a pod, when its readiness probe fails, then only publishNotReadyAddresses still has it."""
    await started(workers, web())
    worker = workers.get("p")
    assert worker is not None
    worker.on_ready(False)
    unready = found(workers), found(workers, EARLY)
    worker.on_ready(True)

    assert ([], [ADDRESS]) == unready
    assert [ADDRESS] == found(workers)


@pytest.mark.parametrize("service", [SERVICE, EARLY], ids=["ready", "early"])
async def test_a_deleted_pod_is_no_longer_an_endpoint(workers: PodWorkers, service: Object) -> None:
    """Given a pod, when it gets a deletionTimestamp, then no Service finds it, though its process runs."""
    await started(workers, web())
    worker = workers.get("p")
    assert worker is not None
    worker.update(web(**DELETED))

    assert worker.container.running
    assert [] == found(workers, service)


async def test_a_pod_that_is_gone_from_the_api_is_no_longer_an_endpoint(workers: PodWorkers) -> None:
    """Given a running pod, when a list lacks it, then it is no endpoint."""
    await started(workers, web())
    workers.remove_absent(())

    assert [] == found(workers, EARLY)


async def test_pods_of_a_node_without_power_are_no_endpoints(workers: PodWorkers) -> None:
    """Given a pod, when its node loses power, then it is not found, and its record waits for the node."""
    await started(workers, web())

    assert 1 == await workers.freeze(NODE.name)
    assert ([], ["p"]) == (found(workers, EARLY), list(workers.unowned))


async def test_the_oldest_pod_of_a_name_is_the_one_that_is_found(workers: PodWorkers) -> None:
    """Given a pod that terminates and its successor of the same name, then logs and exec reach the first."""
    await started(workers, web())
    workers.start(pod("p", uid="q", labels={"tier": "web"}), NODE.name)
    oldest = workers.find("default", "p")

    assert oldest is not None
    assert ("p", None) == (oldest.record.uid, workers.find("default", "other"))


async def test_a_spec_that_has_not_changed_is_kept_once(workers: PodWorkers) -> None:
    """Given a running pod, when an event brings an equal spec, then the former object is kept."""
    first = web()
    await started(workers, first)
    worker = workers.get("p")
    assert worker is not None
    worker.update(web("db"))

    assert (True, "db") == (worker.pod["spec"] is first["spec"], worker.pod["metadata"]["labels"]["tier"])


async def test_the_memory_of_ended_workers_is_free_for_the_next(workers: PodWorkers) -> None:
    """Given three pods, when they have ended, then their workers are freed without Python's own collector."""
    for uid in "pqr":
        workers.start(pod(uid), NODE.name)
    left = [weakref.ref(worker) for worker in workers]
    await until(lambda: all(worker.container.running for worker in workers))
    gc.disable()
    try:
        workers.remove_absent(())
        for worker in list(workers):
            worker._container._runtime.end(worker.record.uid)  # type: ignore[attr-defined]
        del worker
        await until(lambda: not list(workers))
        await until(lambda: all(reference() is None for reference in left))
    finally:
        gc.enable()
