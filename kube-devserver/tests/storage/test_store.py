"""The store's memory: what watches can go back to, what those hold that do not read, and who is woken."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from kube_devserver.objects.field_selectors import read_terms
from kube_devserver.objects.kinds import EVENTS, NEW_EVENTS
from kube_devserver.objects.selectors import EVERYTHING, Selection, field_selector, label_selector
from kube_devserver.storage.store import HISTORY, HISTORY_BYTES, Store
from kube_devserver.storage.watch_cache import Watcher

PODS, MAPS = ("", "pods"), ("", "configmaps")


def body_of(name: str, namespace: str = "d", size: int = 0, **labels: str) -> dict[str, Any]:
    """A small object, or a large one."""
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"x": "x" * size}}


@pytest.fixture
def store() -> Iterator[Store]:
    """One that keeps nothing on a disk."""
    made = Store(None)
    yield made
    made.close()


def told(watcher: Watcher | None) -> list[tuple[str, str]]:
    """What waits for a watcher: type and name."""
    assert watcher is not None
    return [(each.type, each.version.digest["metadata"]["name"]) for each in watcher.take()]


def test_history_is_bounded_in_bytes(store: Store) -> None:
    """Of large objects it goes back less far; who wants more is told so."""
    for _ in range(400):
        store.put(MAPS, "d", "a", body_of("a", size=200_000))
    history = store._history

    assert sum(len(change.now.raw) for change in history) <= HISTORY_BYTES
    assert 10 < len(history) < 400
    assert store.watch(MAPS, store.oldest - 1) is None
    assert len(told(store.watch(MAPS, store.oldest))) == len(history)


def test_history_is_bounded_in_events(store: Store) -> None:
    """Of small ones, too."""
    for i in range(HISTORY * 5 // 4 + 10):
        store.put(
            MAPS,
            "d",
            "a",
            {"metadata": {"name": "a"} | ({"labels": {"a": "b"}} if i % 2 else {}), "data": {"i": str(i)}},
        )

    assert HISTORY <= len(store._history) <= HISTORY * 5 // 4


def test_a_watcher_that_does_not_read_holds_no_more_than_history_does(store: Store) -> None:
    """When what waits for it is forgotten it is let go, and told that it is behind."""
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
async def test_only_those_whom_it_concerns_are_woken(store: Store, chosen: Selection, expected: list[str]) -> None:
    """By namespace, name and selectors, before anything is put into a queue."""
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


def test_pods_of_a_node_are_told_of_as_they_come_and_go(store: Store) -> None:
    """A kubelet's watch: a pod that is put on the node is new, one that is taken off is deleted."""
    test = field_selector(PODS, read_terms("spec.nodeName=n"))
    watcher = store.watch(PODS, store.revision, Selection(node="n", test=test))
    for node in (None, "n", "n", "m"):
        body = {"metadata": {"name": "p", "namespace": "d"}, "spec": {"nodeName": node} if node else {}}
        store.put(PODS, "d", "p", body)

    assert [("ADDED", "p"), ("MODIFIED", "p"), ("DELETED", "p")] == told(watcher)


def test_history_is_told_by_selectors_and_under_both_names(store: Store) -> None:
    """What a watch goes back to has labels and fields, though not the objects; and Events have two spellings."""
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "d"}, "involvedObject": {"name": "x"},
             "message": "m"}  # fmt: skip
    after = store.revision
    store.put(EVENTS, "d", "e", event)
    store.put(MAPS, "d", "a", body_of("a", l="1"))
    store.put(MAPS, "d", "a", body_of("a", l="2"))
    new = store.watch(NEW_EVENTS, after, Selection(test=field_selector(NEW_EVENTS, read_terms("regarding.name=x"))))
    assert new is not None
    (first,) = new.take()

    assert ("m", "events.k8s.io/v1") == (first.version.body()["note"], first.version.body()["apiVersion"])
    assert [("ADDED", "a"), ("DELETED", "a")] == told(store.watch(MAPS, after, Selection(test=label_selector("l=1"))))
