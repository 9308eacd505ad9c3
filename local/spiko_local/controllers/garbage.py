"""The garbage collector: what nobody owns any more goes; an owner that is deleted in the foreground goes last; orphans are let loose."""

from __future__ import annotations

from collections.abc import Iterable

from spiko_local.apiserver.store import DELETED, Body, Event, Kind
from spiko_local.controllers.work import EVENTS, Key, Work

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
MANAGER = "kube-controller-manager"
Place = tuple[str, str, str, str]  # group, plural, namespace, name


class Garbage:
    """The controller of ownership. A key is a place of an object."""

    watches: tuple[Kind, ...] = ()

    def __init__(self, work: Work) -> None:
        self._work = work
        self._alive: dict[str, Place] = {}  # objects by UID
        self._owned: dict[
            str, dict[Place, None]
        ] = {}  # dependents by the UID of an owner, in the order of their coming

    def keys(self, event: Event) -> Iterable[Key]:
        """An object whose owners may be gone; the dependents of one that is; the owner of a dependent that is."""
        if event.kind == EVENTS:
            return ()
        metadata = event.entry.body["metadata"]
        place: Place = (*event.kind, metadata.get("namespace", ""), metadata["name"])
        uid = metadata.get("uid", "")
        before = event.before.body["metadata"].get("ownerReferences") or () if event.before is not None else ()
        owners = {o["uid"] for o in metadata.get("ownerReferences") or ()}
        found: list[Key] = []
        for gone in {o["uid"] for o in before} - (owners if event.type != DELETED else set()):
            self._owned.get(gone, {}).pop(place, None)
        if event.type == DELETED:
            self._alive.pop(uid, None)
            found += list(self._owned.pop(uid, ()))
            found += [self._alive[owner] for owner in owners if owner in self._alive]
            return found
        self._alive[uid] = place
        for owner in owners:
            self._owned.setdefault(owner, {})[place] = None
        if owners:
            found.append(place)
        if metadata.get("deletionTimestamp") and {FOREGROUND, ORPHAN} & set(metadata.get("finalizers") or ()):
            found.append(place)
        if (
            event.before is not None
            and not event.before.body["metadata"].get("deletionTimestamp")
            and metadata.get("deletionTimestamp")
        ):
            found += [self._alive[owner] for owner in owners if owner in self._alive]
        return found

    def sync(self, key: Key) -> None:
        """See to one object."""
        kind: Kind = (key[0], key[1])
        if self._work.verbs.catalog.stored(kind) is None:
            return
        body = self._work.body(kind, key[2], key[3])
        if body is None:
            return
        finalizers = body["metadata"].get("finalizers") or []
        if body["metadata"].get("deletionTimestamp"):
            if ORPHAN in finalizers:
                self._let_loose(body)
                self._finish(kind, body, ORPHAN)
            elif FOREGROUND in finalizers:
                self._delete_dependents(kind, body)
            return
        references = body["metadata"].get("ownerReferences") or []
        if references and not any(self._lives(reference, key[2]) for reference in references):
            self._work.delete(kind, body, propagationPolicy=None if FOREGROUND not in finalizers else "Foreground")

    def _lives(self, reference: Body, namespace: str) -> bool:
        place = self._alive.get(reference["uid"])
        return place is not None and place[2] in ("", namespace)

    def _dependents(self, owner: Body) -> list[tuple[Kind, Body]]:
        found = []
        for group, plural, namespace, name in list(self._owned.get(owner["metadata"]["uid"], ())):
            body = self._work.body((group, plural), namespace, name)
            if body is not None:
                found.append(((group, plural), body))
        return found

    def _delete_dependents(self, kind: Kind, owner: Body) -> None:
        uid = owner["metadata"]["uid"]
        waiting = False
        for each, body in self._dependents(owner):
            references = [o for o in body["metadata"]["ownerReferences"] if o["uid"] == uid]
            waiting = waiting or any(o.get("blockOwnerDeletion") for o in references)
            others = [
                o
                for o in body["metadata"]["ownerReferences"]
                if o["uid"] != uid and self._lives(o, body["metadata"].get("namespace", ""))
            ]
            if not body["metadata"].get("deletionTimestamp") and not others:
                policy = "Foreground" if any(o.get("blockOwnerDeletion") for o in references) else "Background"
                self._work.delete(each, body, propagationPolicy=policy if each != ("", "pods") else "Background")
        if not waiting or not any(
            o.get("blockOwnerDeletion") and o["uid"] == uid
            for _, body in self._dependents(owner) for o in body["metadata"].get("ownerReferences") or ()
        ):  # fmt: skip
            self._finish(kind, owner, FOREGROUND)

    def _let_loose(self, owner: Body) -> None:
        uid = owner["metadata"]["uid"]
        for kind, body in self._dependents(owner):
            kept = [o for o in body["metadata"]["ownerReferences"] if o["uid"] != uid]
            metadata = {k: v for k, v in body["metadata"].items() if k != "ownerReferences"} | (
                {"ownerReferences": kept} if kept else {}
            )
            self._work.update(kind, body | {"metadata": metadata}, MANAGER)

    def _finish(self, kind: Kind, body: Body, finalizer: str) -> None:
        current = self._work.body(kind, body["metadata"].get("namespace", ""), body["metadata"]["name"])
        if current is None or current["metadata"]["uid"] != body["metadata"]["uid"]:
            return
        kept = [name for name in current["metadata"].get("finalizers") or () if name != finalizer]
        metadata = {k: v for k, v in current["metadata"].items() if k != "finalizers"} | (
            {"finalizers": kept} if kept else {}
        )
        self._work.update(kind, current | {"metadata": metadata}, MANAGER)
