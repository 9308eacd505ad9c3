"""CustomResourceDefinitions: serve what they define, say so in their status, and clear up behind one that is deleted."""

from __future__ import annotations

from collections.abc import Iterable

from spiko_local.apiserver.catalog import CLEANUP
from spiko_local.apiserver.store import DELETED, Body, Event, Kind
from spiko_local.controllers.work import DEFINITIONS, Key, Work, set_condition

MANAGER = "kube-apiserver"


class Definitions:
    """The controller of custom kinds."""

    watches: tuple[Kind, ...] = ()  # its own, and those that it defines while it clears up

    def __init__(self, work: Work) -> None:
        self._work = work

    def serve_all(self) -> None:
        """Serve what was defined before a restart."""
        for body in self._work.bodies(DEFINITIONS):
            self._work.verbs.catalog.define(body)

    def keys(self, event: Event) -> Iterable[Key]:
        """A definition; or that of an object that is gone."""
        if event.kind == DEFINITIONS:
            body = event.entry.body
            if event.type == DELETED:
                self._work.verbs.catalog.forget(body["metadata"]["name"])
            elif event.before is None or event.before.body["spec"] != body["spec"]:
                self._work.verbs.catalog.define(body)
            return [(body["metadata"]["name"],)]
        if event.type == DELETED and "." in event.kind[0]:
            return [(f"{event.kind[1]}.{event.kind[0]}",)]
        return ()

    def sync(self, key: Key) -> None:
        """Bring one definition's status up to date, or go on deleting it."""
        body = self._work.body(DEFINITIONS, "", key[0])
        if body is None:
            return
        if body["metadata"].get("deletionTimestamp"):
            self._clear(body)
            return
        spec, now = body["spec"], self._work.verbs.now()
        status: Body = dict(body.get("status", {}))
        conditions = list(status.get("conditions") or ())
        for kind, reason, message in (
            ("NamesAccepted", "NoConflicts", "no conflicts found"),
            ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ):
            wanted = {"type": kind, "status": "True", "reason": reason, "message": message}
            conditions = set_condition(conditions, wanted, now)
        status["conditions"] = [{k: v for k, v in c.items() if k != "lastUpdateTime"} for c in conditions]
        status["acceptedNames"] = spec["names"]
        stored = next(v["name"] for v in spec["versions"] if v.get("storage"))
        versions = list(status.get("storedVersions") or ())
        status["storedVersions"] = versions if stored in versions else [*versions, stored]
        self._work.write_status(DEFINITIONS, body, status, MANAGER)

    def _clear(self, body: Body) -> None:
        """Delete all objects of the kind; then let the definition go."""
        if CLEANUP not in (body["metadata"].get("finalizers") or ()):
            return
        kind = (body["spec"]["group"], body["spec"]["names"]["plural"])
        entries = self._work.store.entries(kind)
        if self._work.verbs.catalog.stored(kind) is not None:
            for entry in entries:
                if not entry.body["metadata"].get("deletionTimestamp"):
                    self._work.delete(kind, entry.body)
        if not self._work.store.entries(kind):
            self._work.store.end_watches(kind)
            finalizers = [name for name in body["metadata"]["finalizers"] if name != CLEANUP]
            self._work.update(DEFINITIONS, body | {"metadata": body["metadata"] | {"finalizers": finalizers}}, MANAGER)
