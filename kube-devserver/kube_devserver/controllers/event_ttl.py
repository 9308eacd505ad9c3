"""Events are removed an hour after their last write, as kube-apiserver's default `--event-ttl`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from kube_devserver.controllers.workqueue import Key, Workqueue
from kube_devserver.objects.kinds import EVENTS, Body, Kind
from kube_devserver.storage.store import Event
from kube_devserver.storage.watch_cache import DELETED

TTL = timedelta(hours=1)


class EventTtl:
    """The controller of old Events: one timer for each, and no write before an Event is due."""

    watches: tuple[Kind, ...] = (EVENTS,)

    def __init__(self, work: Workqueue) -> None:
        self._work = work

    def keys(self, event: Event) -> Iterable[Key]:
        """An Event that was written."""
        if event.type == DELETED:
            return ()
        metadata = event.entry.body["metadata"]
        return [(metadata["namespace"], metadata["name"])]

    def sync(self, key: Key) -> None:
        """Remove an Event that is due; requeue another one."""
        body = self._work.get(EVENTS, *key)
        if body is None:
            return
        left = last_write(body, self._work.now()) + TTL - self._work.now()
        if left > timedelta():
            self._work.enqueue_after(left.total_seconds(), self, key)
        else:
            self._work.store.remove(EVENTS, *key)


def last_write(body: Body, now: datetime) -> datetime:
    """When an Event was last written, according to its own fields, which survive a restart; never in the
    future.

    >>> fields = {"creationTimestamp": "2026-01-01T00:00:00Z",
    ...           "managedFields": [{"time": "2026-01-01T00:00:09Z"}, {}]}
    >>> now = datetime.fromisoformat("2027-01-01T00:00:00Z")
    >>> last_write({"metadata": fields, "lastTimestamp": None}, now).second
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
