"""Events go an hour after they were last written, as on a cluster whose kube-apiserver has its default `--event-ttl`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from kube_devserver.controllers.workqueue import EVENTS, Key, Work
from kube_devserver.storage.store import Body, Event, Kind
from kube_devserver.storage.watch_cache import DELETED

TTL = timedelta(hours=1)


class Expiry:
    """The controller of old Events: a timer for each, and nothing written until one is due."""

    watches: tuple[Kind, ...] = (EVENTS,)

    def __init__(self, work: Work) -> None:
        self._work = work

    def keys(self, event: Event) -> Iterable[Key]:
        """An Event that was written: when it is due is looked at then."""
        if event.type == DELETED:
            return ()
        metadata = event.entry.body["metadata"]
        return [(metadata["namespace"], metadata["name"])]

    def sync(self, key: Key) -> None:
        """Remove one that is due; else come again."""
        body = self._work.body(EVENTS, *key)
        if body is None:
            return
        left = last_write(body, self._work.now()) + TTL - self._work.now()
        if left > timedelta():
            self._work.later(left.total_seconds(), self, key)
        else:
            self._work.store.remove(EVENTS, *key)


def last_write(body: Body, now: datetime) -> datetime:
    """When an Event was last written, as far as it says so itself: it outlives the process that saw it. Never in the future.

    >>> fields = {"creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": [{"time": "2026-01-01T00:00:09Z"}, {}]}
    >>> last_write({"metadata": fields, "lastTimestamp": None}, datetime.fromisoformat("2027-01-01T00:00:00Z")).second
    9
    """
    metadata, series = body["metadata"], body.get("series") or {}
    times = [
        metadata.get("creationTimestamp"),
        body.get("lastTimestamp"),
        body.get("eventTime"),
        series.get("lastObservedTime"),
    ]
    times += [entry.get("time") for entry in metadata.get("managedFields") or ()]
    return min(now, max((datetime.fromisoformat(each) for each in times if each), default=now))
