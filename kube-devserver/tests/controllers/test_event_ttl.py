"""Events are deleted an hour after their last write."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kube_devserver.api.verbs import Verbs
from kube_devserver.controllers.event_ttl import EventTtl
from kube_devserver.controllers.workqueue import Workqueue
from kube_devserver.objects.kinds import EVENTS
from kube_devserver.objects.resource_registry import Registry
from kube_devserver.storage.store import Store


def event(minutes_ago: float, **more: Any) -> dict[str, Any]:
    """An Event whose last write is some time ago."""
    made = (datetime.now(UTC) - timedelta(minutes=minutes_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata = {"name": "e", "namespace": "default", "creationTimestamp": made}
    return {"apiVersion": "v1", "kind": "Event", "metadata": metadata} | more


NOW = {"lastTimestamp": "now"}
LONG_AGO = {"lastTimestamp": None, "series": {"lastObservedTime": "2026-01-01T00:00:00.000001Z"}}


@pytest.mark.parametrize(
    ("minutes", "more", "is_there"),
    [(50, {}, True), (61, {}, False), (61, NOW, True), (10_000, LONG_AGO, False)],
)
async def test_an_event_is_deleted_an_hour_after_its_last_write(
    minutes: float, more: dict[str, Any], is_there: bool
) -> None:
    """Given Events of several ages, also from before a restart, when time passes, then each is deleted in
    time.
    """
    store = Store(None)
    if more is NOW:
        more = {"lastTimestamp": datetime.now(UTC).isoformat()}
    store.put(EVENTS, "default", "e", event(minutes, **more))
    revision = store.revision
    work = Workqueue(Verbs(store, Registry(), lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")))
    work.add(EventTtl(work))
    work.start()
    running = asyncio.create_task(work.run())
    for _ in range(50):  # what is due goes in the first turns, whatever a turn takes
        await asyncio.sleep(0.001)
    running.cancel()
    left, at = store.get(EVENTS, "default", "e"), store.revision
    store.close()

    assert is_there == (left is not None)
    assert is_there == (revision == at)
