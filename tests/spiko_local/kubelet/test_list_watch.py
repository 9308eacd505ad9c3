"""Following a collection: what listeners get."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from spiko_local.kubelet.list_watch import list_and_watch
from spiko_local.objects import Object
from tests.support.kubelets import until


def body(name: str, version: str) -> Object:
    """An object as an API server has it."""
    return {"metadata": {"name": name, "resourceVersion": version, "managedFields": [{"manager": "m"}]}}


class TwoEvents:
    """Has one object, and a watch with a change of it and a bookmark."""

    async def call(self, method: str, path: str) -> Object:
        """Return the list."""
        return {"items": [body("a", "1")], "metadata": {"resourceVersion": "1"}}

    async def watch(self, path: str, version: str) -> AsyncIterator[Object]:
        """Report the events, then nothing."""
        yield {"type": "MODIFIED", "object": body("a", "2")}
        yield {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "3"}}}
        yield {"type": "MODIFIED", "object": body("a", "4")}
        await asyncio.Event().wait()


async def test_objects_come_without_managed_fields() -> None:
    """Given a list and events, then listeners get all but the bookmark, without managedFields."""
    listed: list[Object] = []
    events: list[Object] = []
    api: Any = TwoEvents()
    following = asyncio.create_task(list_and_watch(api, "/x", listed.extend, events.append))
    await until(lambda: len(events) == 2)
    following.cancel()

    assert [{"name": "a", "resourceVersion": "1"}] == [each["metadata"] for each in listed]
    assert ["2", "4"] == [event["object"]["metadata"]["resourceVersion"] for event in events]
    assert not any("managedFields" in event["object"]["metadata"] for event in events)
