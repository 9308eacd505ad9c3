"""What the server keeps in memory: nothing grows when the same things happen again and again."""

from __future__ import annotations

import asyncio
import gc
import sys
import tracemalloc
from typing import Any

import pytest

from devserver_support.control import NAMESPACE, Control, budget, control, deployment
from kube_devserver.objects import field_sets
from kube_devserver.objects.kinds import BUDGETS, DEPLOYMENTS, EVENTS, Kind
from kube_devserver.storage.history import HISTORY_S, History
from kube_devserver.storage.store import Entry, Store
from kube_devserver.storage.watch_cache import ADDED, Change

PODS, MAPS, LEASES = ("", "pods"), ("", "configmaps"), ("coordination.k8s.io", "leases")
CYCLES, REPLICAS = 10, 20
NODES = ("n0", "n1")
EVENT_LIFE_S = 3700.0  # longer than an Event is kept


def body_of(name: str, size: int = 0) -> dict[str, Any]:
    """A small object, or a large one."""
    return {"apiVersion": "v1", "kind": "Event", "metadata": {"name": name}, "data": {"x": "x" * size}}


@pytest.mark.timeout(120)
@pytest.mark.long
def test_ten_cycles_of_pods_leave_no_object_behind() -> None:
    """Given Deployments whose pods become ready, when they are deleted and their Events expire, then the
    tenth cycle leaves as many Python objects as the second.
    """
    held: list[int] = []

    async def scenario(made: Control) -> None:
        for name in NODES:
            made.start_node(name)
        for cycle in range(CYCLES):
            await run_cycle(made, f"app-{cycle}")
            gc.collect()
            for cached in (field_sets.encode, field_sets._read):
                cached.cache_clear()  # these caches are bounded
            held.append(sys.getallocatedblocks())

    control(scenario, Store(None, clock=lambda: asyncio.get_running_loop().time()))
    assert held[-1] <= held[1] * 1.005, held


async def run_cycle(made: Control, app: str) -> None:
    """Create a Deployment and its budget, run its pods, delete both, and wait until the Events are gone."""
    for name in NODES:
        made.start_node_again(name)
    made.create(BUDGETS, budget(app, maxUnavailable=1))
    made.create(DEPLOYMENTS, deployment(app, REPLICAS))
    await made.settle()
    made.run_pods()
    await made.settle()
    body = made.get(DEPLOYMENTS, app)
    assert body is not None
    assert body["status"]["availableReplicas"] == REPLICAS
    made.delete(DEPLOYMENTS, app)
    made.delete(BUDGETS, app)
    await made.settle()
    made.run_pods()
    await made.settle(EVENT_LIFE_S)
    assert not made.pods()


def test_a_stored_object_takes_the_memory_of_its_json() -> None:
    """Given objects of 3 KB, when their JSON is kept, then it takes little more than its length."""
    bodies = [body_of(str(number), size=3000) for number in range(100)]
    tracemalloc.start()
    try:
        entries = [Entry(body, 1) for body in bodies]
        before = tracemalloc.get_traced_memory()[0]
        length = sum(len(entry.raw) for entry in entries)
        assert tracemalloc.get_traced_memory()[0] - before < 1.1 * length
    finally:
        tracemalloc.stop()


def test_events_are_kept_as_json_only() -> None:
    """Given a stored Event, when it is read, changed and deleted, then it is decoded from its JSON."""
    store = Store(None)
    made = store.put(EVENTS, NAMESPACE, "e", body_of("e"))
    stored = store.get(EVENTS, NAMESPACE, "e")
    assert stored is made
    assert stored.body == stored.body | {"data": {"x": ""}}
    assert stored.body is not stored.body
    store.put(EVENTS, NAMESPACE, "e", stored.body | {"data": {"x": "y"}})
    watcher = store.watch(EVENTS, store.history.oldest)
    store.remove(EVENTS, NAMESPACE, "e")

    assert watcher is not None
    assert [each.type for each in watcher.take()] == ["ADDED", "MODIFIED", "DELETED"]
    store.close()


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


def change(kind: Kind, revision: int) -> Change:
    """A small change."""
    return Change(revision, kind, ADDED, Entry(body_of("a"), revision).version(kind), None)


def test_history_is_bounded_in_age() -> None:
    """Given changes of two kinds, when later ones come, then old changes are dropped, and only a watch that
    would miss a change of its kind is refused.
    """
    clock = Clock()
    history = History(1, clock)
    history.add(change(MAPS, 2))
    clock.now_s = HISTORY_S / 2
    history.add(change(PODS, 3))
    clock.now_s = HISTORY_S
    assert not history.add(change(LEASES, 4))
    clock.now_s = HISTORY_S + 1
    assert history.add(change(LEASES, 5))

    assert [history.has_all_since(MAPS, version) for version in (1, 2)] == [False, True]
    assert [history.has_all_since(PODS, version) for version in (0, 1)] == [False, True]
    assert [each.revision for each in history.after(PODS, 1)] == [3]
    assert len(history) == 3
    clock.now_s = 3 * HISTORY_S
    assert history.add(change(LEASES, 6))
    assert [len(history), history.oldest] == [2, 4]  # the age is measured every five seconds
