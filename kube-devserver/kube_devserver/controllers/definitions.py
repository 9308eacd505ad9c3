"""CustomResourceDefinitions: serve what they define, report it in their status, and delete the objects of a
deleted one.

A definition is served when no other definition of its group and no built-in kind has its names. A definition
that is not valid, stored by an earlier release, is not served, and its status says why.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kube_devserver.controllers.workqueue import Key, Workqueue
from kube_devserver.custom.definition_validation import accept_names, shape_faults
from kube_devserver.objects.conditions import condition_of, is_terminating, set_condition
from kube_devserver.objects.kinds import DEFINITIONS, Body, Kind
from kube_devserver.objects.resource_registry import CLEANUP, Resource
from kube_devserver.storage.store import Event
from kube_devserver.storage.watch_cache import DELETED

MANAGER = "kube-apiserver"
NO_NAMES: Body = {"kind": "", "plural": ""}


@dataclass(frozen=True)
class Accepted:
    """The names that a definition has.

    Args:
        group: of the definition.
        names: that are accepted.
        reason: why some are not; empty if all are.
        message: for people, with the reason.
    """

    group: str
    names: Body
    reason: str = ""
    message: str = ""


class Definitions:
    """The controller of custom kinds."""

    watches: tuple[Kind, ...] = ()  # definitions, and the kinds that they define

    def __init__(self, work: Workqueue) -> None:
        self._work = work
        self._accepted: dict[str, Accepted] = {}  # by the definition's name
        self._broken: dict[str, str] = {}  # messages, by the definition's name

    def serve_all(self) -> None:
        """Serve the definitions that were stored before a restart; accepted names stay accepted."""
        bodies = self._work.list_all(DEFINITIONS)
        for body in bodies:
            names = body.get("status", {}).get("acceptedNames") or {}
            self._accepted[body["metadata"]["name"]] = Accepted(body["spec"].get("group", ""), names)
        for body in bodies:
            self._serve(body)

    def keys(self, event: Event) -> Iterable[Key]:
        """The definition; the others of its group if it was deleted; that of a deleted object."""
        if event.kind == DEFINITIONS:
            body, name = event.entry.body, event.entry.body["metadata"]["name"]
            if event.type == DELETED:
                self._work.verbs.registry.remove(name)
                self._broken.pop(name, None)
                gone = self._accepted.pop(name, None)
                return [(other,) for other, e in self._accepted.items() if gone and e.group == gone.group]
            if event.before is None or event.before.body["spec"] != body["spec"]:
                self._serve(body)
            return [(name,)]
        if event.type == DELETED and "." in event.kind[0]:
            return [(f"{event.kind[1]}.{event.kind[0]}",)]
        return ()

    def _serve(self, body: Body) -> None:
        """Serve a definition if it is valid and its names are free."""
        name, spec, registry = body["metadata"]["name"], body["spec"], self._work.verbs.registry
        faults = shape_faults(spec)
        self._broken.pop(name, None)
        if faults:
            self._broken[name] = "; ".join(f"{fault.field}: {fault.text}" for fault in faults)
            self._accepted[name] = Accepted(spec.get("group", ""), NO_NAMES)
            registry.remove(name)
            return
        accepted = self._accepted[name] = self._accept(name, spec)
        if not accepted.reason or condition_of(body, "Established").get("status") == "True":
            if all(accepted.names.get(each) for each in ("plural", "kind")):
                registry.define(body | {"spec": spec | {"names": accepted.names}})
        else:
            registry.remove(name)

    def _accept(self, name: str, spec: Body) -> Accepted:
        """Accept the names that no other definition and no built-in kind has."""
        group = spec["group"]
        others = [e.names for other, e in self._accepted.items() if other != name and e.group == group]
        others += [_names_of(r) for r in self._work.verbs.registry.built_in(group)]
        known = self._accepted.get(name, Accepted(group, NO_NAMES)).names
        return Accepted(group, *accept_names(spec["names"], known, others))

    def sync(self, key: Key) -> None:
        """Update a definition's status, or continue its deletion."""
        body = self._work.get(DEFINITIONS, "", key[0])
        if body is None:
            return
        if is_terminating(body):
            self._delete_objects(body)
            return
        if (accepted := self._accepted.get(key[0])) is not None and accepted.reason:
            self._serve(body)  # its names may be free now
        status: Body = dict(body.get("status") or {})
        conditions = list(status.get("conditions") or ())
        for wanted in self._conditions(body):
            conditions = set_condition(conditions, wanted, self._work.verbs.now())
        status["conditions"] = [{k: v for k, v in c.items() if k != "lastUpdateTime"} for c in conditions]
        status["acceptedNames"] = NO_NAMES | self._accepted[key[0]].names
        stored = [v["name"] for v in body["spec"].get("versions") or () if v.get("storage") and "name" in v]
        versions = list(status.get("storedVersions") or ())
        status["storedVersions"] = [*versions, *(name for name in stored if name not in versions)]
        self._work.write_status(DEFINITIONS, body, status, MANAGER)

    def _conditions(self, body: Body) -> list[Body]:
        """The conditions of a definition."""
        name = body["metadata"]["name"]
        if name in self._broken:
            return [_condition("Established", False, "Invalid", self._broken[name])]
        accepted = self._accepted[name]
        if accepted.reason:
            found = [_condition("NamesAccepted", False, accepted.reason, accepted.message)]
            if condition_of(body, "Established").get("status") != "True":
                found.append(_condition("Established", False, "NotAccepted", "not all names are accepted"))
        else:
            text = "the initial names have been accepted"
            found = [
                _condition("NamesAccepted", True, "NoConflicts", "no conflicts found"),
                _condition("Established", True, "InitialNamesAccepted", text),
            ]
        return found

    def _delete_objects(self, body: Body) -> None:
        """Delete all objects of the kind unless it is built in, then remove the finalizer."""
        if CLEANUP not in (body["metadata"].get("finalizers") or ()):
            return
        kind = (body["spec"].get("group", ""), body["spec"].get("names", {}).get("plural", ""))
        resource = self._work.verbs.registry.stored(kind)
        if resource is None or resource.custom is not None:
            for entry in self._work.store.entries(kind):
                metadata = entry.body["metadata"]
                if resource is None:  # an invalid definition has no schema to delete by
                    self._work.store.remove(kind, metadata.get("namespace", ""), metadata["name"])
                elif not metadata.get("deletionTimestamp"):
                    self._work.delete(kind, entry.body)
            if self._work.store.entries(kind):
                return
            self._work.store.end_watches(kind)
        finalizers = [name for name in body["metadata"]["finalizers"] if name != CLEANUP]
        metadata = body["metadata"] | {"finalizers": finalizers}
        self._work.update(DEFINITIONS, body | {"metadata": metadata}, MANAGER)


def _names_of(resource: Resource) -> Body:
    return {
        "plural": resource.plural,
        "singular": resource.singular,
        "shortNames": list(resource.short_names),
        "kind": resource.kind,
        "listKind": f"{resource.kind}List",
    }


def _condition(kind: str, status: bool, reason: str, message: str) -> Body:
    return {"type": kind, "status": str(status), "reason": reason, "message": message}
