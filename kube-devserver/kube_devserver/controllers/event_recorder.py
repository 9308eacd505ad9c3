"""Events about objects. After client-go's correlator: repeated ones are counted, similar ones combined, many
dropped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol, TypeVar

from kube_devserver.api.verbs import Verbs
from kube_devserver.api_errors import StatusError
from kube_devserver.objects.kinds import EVENTS, Body, Kind
from kube_devserver.storage.store import Store

MOST_KNOWN = 5000
MOST_SIMILAR, SIMILAR_S = 10, 600.0  # events that differ in their message only, before they are combined
BURST, REFILL_S = 25, 300.0  # events about one object, and the seconds after which one more is allowed
log = logging.getLogger("kube_devserver.controllers")

Group = tuple[str, ...]
_Value = TypeVar("_Value")


class Writer(Protocol):
    """Reads and writes Events."""

    verbs: Verbs
    store: Store
    now: Callable[[], datetime]

    def get(self, kind: Kind, namespace: str, name: str) -> Body | None:
        """One object; None if it does not exist."""
        ...

    def create(self, kind: Kind, namespace: str, body: Body, manager: str) -> Body:
        """Create an object."""
        ...

    def update(self, kind: Kind, body: Body, manager: str, subresource: str = "") -> Body:
        """Replace an object."""
        ...


class EventRecorder:
    """Writes Events.

    Args:
        writer: reads and writes objects.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._names: dict[Group, tuple[str, str]] = {}  # namespace and name of the last Event of a group
        # Messages of a group, and the time of the last one.
        self._similar: dict[Group, tuple[set[str], float]] = {}
        self._tokens: dict[
            tuple[str, str], tuple[float, float]
        ] = {}  # left for a component and an object, and since when

    def record(self, about: Body, kind: str, reason: str, message: str, component: str) -> None:
        """Write an Event.

        Args:
            about: the object.
            kind: Normal or Warning.
            reason: one word.
            message: for people.
            component: that reports it.
        """
        metadata, writer = about["metadata"], self._writer
        involved = {key: about[key] for key in ("kind", "apiVersion")} | {
            key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion") if key in metadata
        }
        message, group = self._correlate((metadata.get("uid", ""), kind, reason, component), message)
        if not message:
            return
        namespace, now = metadata.get("namespace") or "default", writer.verbs.now()
        known = self._names.get(group)
        body = writer.get(EVENTS, *known) if known is not None else None
        if body is not None:
            changed = {"count": body.get("count", 1) + 1, "lastTimestamp": now, "message": message}
            writer.update(EVENTS, body | changed, component)
            return
        event = {
            "metadata": {"name": f"{metadata['name']}.{writer.store.revision:016x}"},
            "involvedObject": involved,
            "type": kind, "reason": reason, "message": message, "count": 1,
            "firstTimestamp": now, "lastTimestamp": now,
            "source": {"component": component}, "reportingComponent": component,
        }  # fmt: skip
        try:
            made = writer.create(EVENTS, namespace, event, component)
            self._names.pop(group, None)
            self._names[group] = (namespace, made["metadata"]["name"])
            self._forget_names()
        except StatusError as error:
            log.debug("event about %s: %s", metadata["name"], error)  # the namespace is being deleted

    def _forget_names(self) -> None:
        """Drop the names of Events that are gone."""
        _cap(self._names, lambda name: self._writer.get(EVENTS, *name) is None)

    def _correlate(self, group: Group, message: str) -> tuple[str, Group]:
        """The message to write (an empty one drops the Event), and the group that is counted together."""
        now_s = self._writer.now().timestamp()
        source = (group[0], group[-1])
        tokens, since_s = self._tokens.pop(source, (float(BURST), now_s))
        tokens = min(float(BURST), tokens + (now_s - since_s) / REFILL_S)
        self._tokens[source] = (max(0.0, tokens - 1.0), now_s)
        messages, last_s = self._similar.pop(group, (set(), now_s))
        if now_s - last_s > SIMILAR_S:
            messages = set()
        if len(messages) < MOST_SIMILAR:
            messages.add(message)
        self._similar[group] = (messages, now_s)
        _cap(self._tokens, lambda left: left[0] + (now_s - left[1]) / REFILL_S >= BURST)
        _cap(self._similar, lambda last: now_s - last[1] > SIMILAR_S)
        if tokens < 1.0:
            return "", group
        if len(messages) < MOST_SIMILAR:
            return message, (*group, message)
        return f"(combined from similar events): {message}", group


def _cap(known: dict[Any, _Value], is_over: Callable[[_Value], bool]) -> None:
    """Drop the entries that were used longest ago, if they are too many or have no effect any more."""
    while known and (len(known) > MOST_KNOWN or is_over(known[next(iter(known))])):
        del known[next(iter(known))]
