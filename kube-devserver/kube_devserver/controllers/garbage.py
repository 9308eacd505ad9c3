"""The garbage collector: it deletes objects whose owners are gone, and owners in the foreground after their
dependents.

After pkg/controller/garbagecollector of k8s.io/kubernetes: an object's owners are solid (they exist),
dangling (they do not) or waiting (they are being deleted in the foreground). One solid owner keeps the
object, and references to the others are removed. Without a solid owner the object is deleted.
"""

from __future__ import annotations

from collections.abc import Iterable

from kube_devserver.api.deletion import FOREGROUND, ORPHAN
from kube_devserver.controllers.workqueue import Key, Workqueue
from kube_devserver.objects.conditions import is_terminating
from kube_devserver.objects.kinds import EVENTS, Body, Kind
from kube_devserver.storage.store import Event
from kube_devserver.storage.watch_cache import DELETED

MANAGER = "kube-controller-manager"
UNKNOWN_S = 30.0  # until an owner whose kind is not served is looked up again
MOST_GONE = 5000
Place = tuple[str, str, str, str]  # group, plural, namespace, name


class Garbage:
    """The controller of ownership. A key is the place of an object."""

    watches: tuple[Kind, ...] = ()

    def __init__(self, work: Workqueue) -> None:
        self._work = work
        self._existing: dict[str, Place] = {}  # objects by UID
        self._owned: dict[str, dict[Place, None]] = {}  # dependents by the UID of an owner, oldest first
        self._gone: dict[str, None] = {}  # UIDs of deleted owners, whose kind may not be served any more

    def keys(self, event: Event) -> Iterable[Key]:
        """An object with owners; the dependents of a deleted object; the owner that waited for an object."""
        if event.kind == EVENTS:
            return ()
        metadata = event.entry.body["metadata"]
        place: Place = (*event.kind, metadata.get("namespace", ""), metadata["name"])
        uid = metadata.get("uid", "")
        owners = _owners(metadata) if event.type != DELETED else {}
        before = _owners(event.before.body["metadata"]) if event.before is not None else {}
        for gone in before.keys() - owners.keys():
            self._disown(gone, place)
        freed = [owner for owner, blocks in before.items() if blocks and not owners.get(owner)]
        found: list[Key] = [self._existing[owner] for owner in freed if owner in self._existing]
        if event.type == DELETED:
            self._existing.pop(uid, None)
            dependents = list(self._owned.pop(uid, ()))
            if dependents:
                self._gone[uid] = None
                if len(self._gone) > MOST_GONE:
                    del self._gone[next(iter(self._gone))]
            return found + dependents
        self._existing[uid] = place
        for owner in owners:
            self._owned.setdefault(owner, {})[place] = None
        finalizers = set(metadata.get("finalizers") or ())
        is_held = metadata.get("deletionTimestamp") and {FOREGROUND, ORPHAN} & finalizers
        if owners or is_held:
            found.append(place)
        if _waits(metadata) and (event.before is None or not _waits(event.before.body["metadata"])):
            found += self._owned.get(uid, ())
        return found

    def _disown(self, owner: str, place: Place) -> None:
        dependents = self._owned.get(owner, {})
        dependents.pop(place, None)
        if not dependents:
            self._owned.pop(owner, None)

    def sync(self, key: Key) -> None:
        """Reconcile one object."""
        kind: Kind = (key[0], key[1])
        if self._work.verbs.registry.stored(kind) is None:
            return
        body = self._work.get(kind, key[2], key[3])
        if body is None:
            return
        metadata = body["metadata"]
        if _waits(metadata):
            self._wait(kind, body)
        elif metadata.get("deletionTimestamp"):
            if ORPHAN in (metadata.get("finalizers") or ()):
                self._orphan_dependents(body)
                self._finish(kind, body, ORPHAN)
        elif metadata.get("ownerReferences"):
            self._collect(key, kind, body)

    # ------------------------------------------------------------------ an object that has owners

    def _collect(self, key: Key, kind: Kind, body: Body) -> None:
        """Delete an object without a solid owner, or remove its references to other owners."""
        references = body["metadata"]["ownerReferences"]
        states = [self._state(reference, key[2]) for reference in references]
        if "unknown" in states:
            self._work.enqueue_after(UNKNOWN_S, self, key)
        elif "solid" in states:
            kept = [each for each, state in zip(references, states, strict=True) if state == "solid"]
            if len(kept) < len(references):
                self._set_owners(kind, body, kept)
        elif "waiting" in states and (dependents := self._dependents(body)):
            if any(_waits(each["metadata"]) for _, each in dependents):  # a cycle would wait for itself
                unblocked = [each | {"blockOwnerDeletion": False} for each in references]
                body = self._set_owners(kind, body, unblocked)
            self._work.delete(kind, body, propagationPolicy="Foreground")
        else:
            finalizers = body["metadata"].get("finalizers") or ()
            usual = "Foreground" if FOREGROUND in finalizers else "Background"
            policy = "Orphan" if ORPHAN in finalizers else usual
            self._work.delete(kind, body, propagationPolicy=policy)

    def _state(self, reference: Body, namespace: str) -> str:
        """The state of an owner; "unknown" if its kind is not served, or it cannot own an object of this
        namespace.
        """
        if reference["uid"] in self._gone:
            return "dangling"
        resource = self._work.verbs.registry.by_kind(reference["apiVersion"], reference["kind"])
        if resource is None or (resource.namespaced and not namespace):
            return "unknown"
        owner = self._work.get(resource.key, namespace if resource.namespaced else "", reference["name"])
        if owner is None or owner["metadata"]["uid"] != reference["uid"]:
            return "dangling"
        return "waiting" if _waits(owner["metadata"]) else "solid"

    # ------------------------------------------------------------------ an object that has dependents

    def _dependents(self, owner: Body) -> list[tuple[Kind, Body]]:
        found = []
        for group, plural, namespace, name in list(self._owned.get(owner["metadata"]["uid"], ())):
            body = self._work.get((group, plural), namespace, name)
            if body is not None:
                found.append(((group, plural), body))
        return found

    def _wait(self, kind: Kind, owner: Body) -> None:
        """Remove an owner that no dependent blocks any more; until then requeue those that do."""
        uid, blocked = owner["metadata"]["uid"], False
        for each, body in self._dependents(owner):
            if _owners(body["metadata"]).get(uid):
                blocked = True
                if not is_terminating(body):
                    metadata = body["metadata"]
                    self._work.enqueue(self, (*each, metadata.get("namespace", ""), metadata["name"]))
        if not blocked:
            self._finish(kind, owner, FOREGROUND)

    def _orphan_dependents(self, owner: Body) -> None:
        uid = owner["metadata"]["uid"]
        for kind, body in self._dependents(owner):
            self._set_owners(kind, body, [o for o in body["metadata"]["ownerReferences"] if o["uid"] != uid])

    # ------------------------------------------------------------------ writing

    def _set_owners(self, kind: Kind, body: Body, references: list[Body]) -> Body:
        """Replace an object's owner references."""
        return self._work.update(
            kind, body | {"metadata": _with(body["metadata"], "ownerReferences", references)}, MANAGER
        )

    def _finish(self, kind: Kind, body: Body, finalizer: str) -> None:
        current = self._work.get(kind, body["metadata"].get("namespace", ""), body["metadata"]["name"])
        if current is None or current["metadata"]["uid"] != body["metadata"]["uid"]:
            return
        kept = [name for name in current["metadata"].get("finalizers") or () if name != finalizer]
        left = _with(current["metadata"], "finalizers", kept)
        self._work.update(kind, current | {"metadata": left}, MANAGER)


def _with(metadata: Body, name: str, values: list[Body] | list[str]) -> Body:
    """Metadata with one list replaced, or removed if it is empty."""
    found = {key: value for key, value in metadata.items() if key != name}
    return found | ({name: values} if values else {})


def _owners(metadata: Body) -> dict[str, bool]:
    """The UIDs of owners, and whether their deletion waits for this object."""
    return {r["uid"]: bool(r.get("blockOwnerDeletion")) for r in metadata.get("ownerReferences") or ()}


def _waits(metadata: Body) -> bool:
    """Whether an object is being deleted in the foreground."""
    return bool(metadata.get("deletionTimestamp")) and FOREGROUND in (metadata.get("finalizers") or ())
