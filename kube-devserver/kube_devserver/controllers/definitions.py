"""CustomResourceDefinitions: serve what they define, say so in their status, and clear up behind one that is deleted.

A definition is served when its names are free: nobody else in its group has them, and no built-in kind. One that is broken, from a file of an
earlier release, is passed over and says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kube_devserver.controllers.workqueue import DEFINITIONS, Key, Work, condition_of, set_condition
from kube_devserver.custom.definition_validation import accept_names, approval, shape_faults
from kube_devserver.objects.resource_registry import CLEANUP
from kube_devserver.storage.store import Body, Event, Kind
from kube_devserver.storage.watch_cache import DELETED

MANAGER = "kube-apiserver"
NO_NAMES: Body = {"kind": "", "plural": ""}


@dataclass(frozen=True)
class Accepted:
    """What a definition has been given.

    Args:
        group: of it.
        names: that it has.
        reason: why not all; empty if it has all.
        message: of that.
    """

    group: str
    names: Body
    reason: str = ""
    message: str = ""


class Definitions:
    """The controller of custom kinds."""

    watches: tuple[Kind, ...] = ()  # its own, and those that it defines while it clears up

    def __init__(self, work: Work) -> None:
        self._work = work
        self._accepted: dict[str, Accepted] = {}  # by the definition's name
        self._broken: dict[str, str] = {}  # why

    def serve_all(self) -> None:
        """Serve what was defined before a restart; who had its names keeps them."""
        bodies = self._work.bodies(DEFINITIONS)
        for body in bodies:
            names = body.get("status", {}).get("acceptedNames") or {}
            self._accepted[body["metadata"]["name"]] = Accepted(body["spec"].get("group", ""), names)
        for body in bodies:
            self._serve(body)

    def keys(self, event: Event) -> Iterable[Key]:
        """A definition; with those of its group, if it goes; or that of an object that is gone."""
        if event.kind == DEFINITIONS:
            body, name = event.entry.body, event.entry.body["metadata"]["name"]
            if event.type == DELETED:
                self._work.verbs.catalog.forget(name)
                self._broken.pop(name, None)
                gone = self._accepted.pop(name, None)
                return [(other,) for other, each in self._accepted.items() if gone and each.group == gone.group]
            if event.before is None or event.before.body["spec"] != body["spec"]:
                self._serve(body)
            return [(name,)]
        if event.type == DELETED and "." in event.kind[0]:
            return [(f"{event.kind[1]}.{event.kind[0]}",)]
        return ()

    def _serve(self, body: Body) -> None:
        """Serve a definition if it can be served."""
        name, spec, catalog = body["metadata"]["name"], body["spec"], self._work.verbs.catalog
        faults = shape_faults(spec)
        self._broken.pop(name, None)
        if faults:
            self._broken[name] = "; ".join(f"{fault.field}: {fault.text}" for fault in faults)
            self._accepted[name] = Accepted(spec.get("group", ""), NO_NAMES)
            catalog.forget(name)
            return
        given = self._accepted[name] = self._accept(name, spec)
        if not given.reason or condition_of(body, "Established").get("status") == "True":
            if all(given.names.get(each) for each in ("plural", "kind")):
                catalog.define(body | {"spec": spec | {"names": given.names}})
        else:
            catalog.forget(name)

    def _accept(self, name: str, spec: Body) -> Accepted:
        """The names that nobody else has."""
        group = spec["group"]
        others = [each.names for other, each in self._accepted.items() if other != name and each.group == group]
        others += [
            {"plural": r.plural, "singular": r.singular, "shortNames": list(r.short_names), "kind": r.kind, "listKind": f"{r.kind}List"}
            for r in self._work.verbs.catalog.built_in(group)
        ]  # fmt: skip
        known = self._accepted.get(name, Accepted(group, NO_NAMES)).names
        return Accepted(group, *accept_names(spec["names"], known, others))

    def sync(self, key: Key) -> None:
        """Bring one definition's status up to date, or go on deleting it."""
        body = self._work.body(DEFINITIONS, "", key[0])
        if body is None:
            return
        if body["metadata"].get("deletionTimestamp"):
            self._clear(body)
            return
        if (given := self._accepted.get(key[0])) is not None and given.reason:
            self._serve(body)  # its names may be free by now
        status: Body = dict(body.get("status") or {})
        conditions = list(status.get("conditions") or ())
        for wanted in self._conditions(body):
            conditions = set_condition(conditions, wanted, self._work.verbs.now())
        status["conditions"] = [{k: v for k, v in c.items() if k != "lastUpdateTime"} for c in conditions]
        status["acceptedNames"] = NO_NAMES | self._accepted[key[0]].names
        stored = [each["name"] for each in body["spec"].get("versions") or () if each.get("storage") and "name" in each]
        versions = list(status.get("storedVersions") or ())
        status["storedVersions"] = [*versions, *(name for name in stored if name not in versions)]
        self._work.write_status(DEFINITIONS, body, status, MANAGER)

    def _conditions(self, body: Body) -> list[Body]:
        """What a definition says of itself."""
        name = body["metadata"]["name"]
        if name in self._broken:
            return [_condition("Established", False, "Invalid", self._broken[name])]
        given = self._accepted[name]
        if given.reason:
            found = [_condition("NamesAccepted", False, given.reason, given.message)]
            if condition_of(body, "Established").get("status") != "True":
                found.append(_condition("Established", False, "NotAccepted", "not all names are accepted"))
        else:
            found = [
                _condition("NamesAccepted", True, "NoConflicts", "no conflicts found"),
                _condition("Established", True, "InitialNamesAccepted", "the initial names have been accepted"),
            ]
        approved, text = approval(body)
        if text:
            reason = "ApprovedAnnotation" if text.startswith("approved") else "UnapprovedAnnotation"
            reason = reason if approved else "MissingAnnotation"
            is_good = reason == "ApprovedAnnotation"
            found.append(_condition("KubernetesAPIApprovalPolicyConformant", is_good, reason, text))
        return found

    def _clear(self, body: Body) -> None:
        """Delete all objects of the kind; then let the definition go. Objects of a built-in kind are none of its business."""
        if CLEANUP not in (body["metadata"].get("finalizers") or ()):
            return
        kind = (body["spec"].get("group", ""), body["spec"].get("names", {}).get("plural", ""))
        resource = self._work.verbs.catalog.stored(kind)
        if resource is None or resource.custom is not None:
            for entry in self._work.store.entries(kind):
                metadata = entry.body["metadata"]
                if resource is None:  # it was broken, and nothing can be asked of it
                    self._work.store.remove(kind, metadata.get("namespace", ""), metadata["name"])
                elif not metadata.get("deletionTimestamp"):
                    self._work.delete(kind, entry.body)
            if self._work.store.entries(kind):
                return
            self._work.store.end_watches(kind)
        finalizers = [name for name in body["metadata"]["finalizers"] if name != CLEANUP]
        self._work.update(DEFINITIONS, body | {"metadata": body["metadata"] | {"finalizers": finalizers}}, MANAGER)


def _condition(kind: str, status: bool, reason: str, message: str) -> Body:
    return {"type": kind, "status": str(status), "reason": reason, "message": message}
