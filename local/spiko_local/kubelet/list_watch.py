"""List and watch: the whole collection first, then its events; a list again when the watch breaks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from spiko_local.api_client import ApiClient
from spiko_local.backoff import Backoff
from spiko_local.errors import ApiError
from spiko_local.objects import Object

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 3.0
log = logging.getLogger("spiko.kubelet")


async def list_and_watch(
    api: ApiClient, path: str, listed: Callable[[list[Object]], None], changed: Callable[[Object], None]
) -> None:
    """Follow a collection until cancelled. Whatever happens between two watches shows in the next list.

    Objects come without managedFields, which are half of a pod and are of no use here.

    Args:
        api: an open client.
        path: of the collection.
        listed: called with all objects, first and after every interruption.
        changed: called with every watch event but bookmarks.
    """
    backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
    while True:
        try:
            found = await api.call("GET", path)
            listed([_trim(item) for item in found["items"]])
            version = found["metadata"]["resourceVersion"]
            while True:
                async for event in api.watch(path, version):
                    backoff.reset()
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK":
                        _trim(event["object"])
                        changed(event)
        except ApiError as error:
            pause_s = backoff.next_s()
            log.info("%s; retrying in %.1f s", error, pause_s)
            await asyncio.sleep(pause_s)


def _trim(body: Object) -> Object:
    body["metadata"].pop("managedFields", None)
    return body
