"""Namespaces: each has its default service account; one that is deleted goes when everything in it has gone."""

from __future__ import annotations

from collections.abc import Iterable

from spiko_local.apiserver.store import DELETED, Event, Kind
from spiko_local.apiserver.verbs import Target
from spiko_local.controllers.work import NAMESPACES, Key, Work

ACCOUNTS = ("", "serviceaccounts")
MANAGER = "kube-controller-manager"


class Namespaces:
    """The controller of namespaces."""

    watches: tuple[Kind, ...] = ()

    def __init__(self, work: Work) -> None:
        self._work = work

    def keys(self, event: Event) -> Iterable[Key]:
        """A namespace, or that of something that has gone."""
        if event.kind == NAMESPACES:
            return [(event.entry.body["metadata"]["name"],)] if event.type != DELETED else ()
        if event.namespace and event.type == DELETED:
            return [(event.namespace,)]
        return ()

    def sync(self, key: Key) -> None:
        """Give it its account, or go on deleting it."""
        body = self._work.body(NAMESPACES, "", key[0])
        if body is None:
            return
        if not body["metadata"].get("deletionTimestamp"):
            if self._work.body(ACCOUNTS, key[0], "default") is None:
                self._work.create(ACCOUNTS, key[0], {"metadata": {"name": "default"}}, MANAGER)
            return
        left = False
        for kind in self._work.store.kinds():
            if self._work.verbs.catalog.stored(kind) is None:
                continue
            for entry in self._work.store.entries(kind, key[0]):
                if not entry.body["metadata"].get("deletionTimestamp"):
                    self._work.delete(kind, entry.body, propagationPolicy="Background")
                left = left or self._work.store.get(kind, key[0], entry.body["metadata"]["name"]) is not None
        if left:
            return
        store = self._work.store
        current = self._work.verbs.get(Target(self._work.resource(NAMESPACES), "", key[0])).body
        if current.get("spec", {}).get("finalizers"):
            others = [name for name in current["spec"]["finalizers"] if name != "kubernetes"]
            current = store.put(
                NAMESPACES, "", key[0], current | {"spec": {"finalizers": others} if others else {}}
            ).body
        if not current.get("spec", {}).get("finalizers") and not current["metadata"].get("finalizers"):
            store.remove(NAMESPACES, "", key[0])
