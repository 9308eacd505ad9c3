"""The store's memory: bounds of the history and of watchers' queues, and which watchers an event wakes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from kube_devserver.objects.field_selectors import read_terms
from kube_devserver.objects.kinds import EVENTS, NEW_EVENTS
from kube_devserver.objects.selectors import EVERYTHING, Selection, field_selector, label_selector
from kube_devserver.storage.history import HISTORY, HISTORY_BYTES
from kube_devserver.storage.store import Store
from kube_devserver.storage.watch_cache import Watcher

PODS, MAPS = ("", "pods"), ("", "configmaps")


def body_of(name: str, namespace: str = "d", size: int = 0, **labels: str) -> dict[str, Any]:
    """A small object, or a large one."""
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"x": "x" * size}}


@pytest.fixture
def store() -> Iterator[Store]:
    """A store in memory."""
    made = Store(None)
    yield made
    made.close()


def told(watcher: Watcher | None) -> list[tuple[str, str]]:
    """The type and name of each event in a watcher's queue."""
    assert watcher is not None
    return [(each.type, each.version.digest["metadata"]["name"]) for each in watcher.take()]


def test_history_is_bounded_in_bytes(store: Store) -> None:
    """Given large objects, when many are written, then a watch from an old version is refused."""
    for _ in range(400):
        store.put(MAPS, "d", "a", body_of("a", size=200_000))
    history = list(store.history.after(MAPS, 0))

    assert sum(len(change.now.raw) for change in history) <= HISTORY_BYTES
    assert 10 < len(history) < 400
    assert store.watch(MAPS, store.history.oldest - 1) is None
    assert len(told(store.watch(MAPS, store.history.oldest))) == len(history)


@pytest.mark.long
def test_history_is_bounded_in_events(store: Store) -> None:
    """Given small objects, when many are written, then a watch from an old version is refused."""
    for i in range(HISTORY * 5 // 4 + 10):
        store.put(
            MAPS,
            "d",
            "a",
            {"metadata": {"name": "a"} | ({"labels": {"a": "b"}} if i % 2 else {}), "data": {"i": str(i)}},
        )

    assert HISTORY <= len(store.history) <= HISTORY * 5 // 4


def test_a_slow_watcher_is_ended_when_the_history_forgets_its_events(store: Store) -> None:
    """Given a watcher that does not read, when history forgets its events, then it is ended as expired."""
    stuck, other = store.watch(MAPS, store.revision), store.watch(PODS, store.revision)
    for _ in range(400):
        store.put(MAPS, "d", "a", body_of("a", size=200_000))

    assert stuck is not None
    assert other is not None
    assert (stuck.behind, stuck.ended, []) == (True, True, told(stuck))
    assert not other.ended
    store.put(MAPS, "d", "a", body_of("a"))
    assert [] == told(stuck)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (EVERYTHING, ["a", "b", "c"]),
        (Selection(namespace="d"), ["a", "b"]),
        (Selection(namespace="d", name="a"), ["a"]),
        (Selection(name="c"), ["c"]),
        (Selection(namespace="none"), []),
        (Selection(test=label_selector("l=1")), ["b"]),
        (Selection(test=field_selector(MAPS, read_terms("metadata.name!=a"))), ["b", "c"]),
    ],
)
async def test_only_watchers_that_select_an_event_are_woken(
    store: Store, chosen: Selection, expected: list[str]
) -> None:
    """Given watchers of a namespace, a name and selectors, when an object changes, then only some are
    woken.
    """
    watcher = store.watch(MAPS, store.revision, chosen)
    assert watcher is not None
    waiting = asyncio.create_task(watcher.wait(60.0))
    await asyncio.sleep(0)
    for body in (body_of("a"), body_of("b", l="1"), body_of("c", "e")):
        store.put(MAPS, body["metadata"]["namespace"], body["metadata"]["name"], body)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert bool(expected) == waiting.done()
    assert [("ADDED", name) for name in expected] == told(watcher)
    waiting.cancel()


def test_a_kubelet_s_watch_sees_pods_added_and_deleted(store: Store) -> None:
    """Given a watch by node name, when a pod gets or loses the node, then it is added or deleted."""
    test = field_selector(PODS, read_terms("spec.nodeName=n"))
    watcher = store.watch(PODS, store.revision, Selection(node="n", test=test))
    for node in (None, "n", "n", "m"):
        body = {"metadata": {"name": "p", "namespace": "d"}, "spec": {"nodeName": node} if node else {}}
        store.put(PODS, "d", "p", body)

    assert [("ADDED", "p"), ("MODIFIED", "p"), ("DELETED", "p")] == told(watcher)


def test_history_is_filtered_by_selectors_in_both_groups(store: Store) -> None:
    """Given selectors, when a watch begins in the history, then labels and fields of both Event groups
    work.
    """
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "d"},
            "involvedObject": {"name": "x"},
             "message": "m"}  # fmt: skip
    after = store.revision
    store.put(EVENTS, "d", "e", event)
    store.put(MAPS, "d", "a", body_of("a", l="1"))
    store.put(MAPS, "d", "a", body_of("a", l="2"))
    new = store.watch(
        NEW_EVENTS, after, Selection(test=field_selector(NEW_EVENTS, read_terms("regarding.name=x")))
    )
    assert new is not None
    (first,) = new.take()

    assert ("m", "events.k8s.io/v1") == (first.version.body()["note"], first.version.body()["apiVersion"])
    assert [("ADDED", "a"), ("DELETED", "a")] == told(
        store.watch(MAPS, after, Selection(test=label_selector("l=1")))
    )
