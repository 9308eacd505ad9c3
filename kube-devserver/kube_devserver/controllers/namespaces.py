"""Namespaces: each has its default service account and the certificate of the cluster's authority; one that is deleted goes when everything
in it has gone; the system's are made again.
"""

from __future__ import annotations

from collections.abc import Iterable

from kube_devserver.api.options import Target
from kube_devserver.controllers.workqueue import NAMESPACES, Key, Work
from kube_devserver.storage.store import Event, Kind
from kube_devserver.storage.watch_cache import DELETED

ACCOUNTS, CONFIG_MAPS = ("", "serviceaccounts"), ("", "configmaps")
SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
AUTHORITY = "kube-root-ca.crt"
ABOUT = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or"
    " kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters."
)
MANAGER = "kube-controller-manager"


class Namespaces:
    """The controller of namespaces.

    Args:
        work: to read and write.
        authority: the certificate that every namespace gets, PEM.
    """

    watches: tuple[Kind, ...] = ()

    def __init__(self, work: Work, authority: str) -> None:
        self._work, self._authority = work, authority

    def keys(self, event: Event) -> Iterable[Key]:
        """A namespace, or that of something that has gone."""
        if event.kind == NAMESPACES:
            name = event.entry.body["metadata"]["name"]
            return [(name,)] if event.type != DELETED or name in SYSTEM_NAMESPACES else ()
        if event.namespace and (event.type == DELETED or event.entry.body["metadata"]["name"] == AUTHORITY):
            return [(event.namespace,)]
        return ()

    def sync(self, key: Key) -> None:
        """Give it its account, or go on deleting it."""
        body = self._work.body(NAMESPACES, "", key[0])
        if body is None:
            if key[0] in SYSTEM_NAMESPACES:
                self._work.create(NAMESPACES, "", {"metadata": {"name": key[0]}}, "kube-apiserver")
            return
        if not body["metadata"].get("deletionTimestamp"):
            if self._work.body(ACCOUNTS, key[0], "default") is None:
                self._work.create(ACCOUNTS, key[0], {"metadata": {"name": "default"}}, MANAGER)
            data = {"ca.crt": self._authority}
            known = self._work.body(CONFIG_MAPS, key[0], AUTHORITY)
            if known is None:
                metadata = {"name": AUTHORITY, "annotations": {"kubernetes.io/description": ABOUT}}
                self._work.create(CONFIG_MAPS, key[0], {"metadata": metadata, "data": data}, MANAGER)
            elif known.get("data") != data:
                self._work.update(CONFIG_MAPS, known | {"data": data}, MANAGER)
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
