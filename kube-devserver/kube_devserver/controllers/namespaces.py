"""Namespaces: each gets its default service account and the cluster's authority, and is deleted after its
contents.
"""

from __future__ import annotations

from collections.abc import Iterable

from kube_devserver.controllers.workqueue import Key, Workqueue
from kube_devserver.objects.conditions import is_terminating
from kube_devserver.objects.kinds import CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS, Kind
from kube_devserver.storage.store import Event
from kube_devserver.storage.watch_cache import DELETED

SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
AUTHORITY = "kube-root-ca.crt"
ABOUT = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such"
    " as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across"
    " distributions of Kubernetes clusters."
)
MANAGER = "kube-controller-manager"


class Namespaces:
    """The controller of namespaces.

    Args:
        work: the queue.
        authority: the certificate that every namespace gets, PEM.
    """

    watches: tuple[Kind, ...] = ()

    def __init__(self, work: Workqueue, authority: str) -> None:
        self._work, self._authority = work, authority

    def keys(self, event: Event) -> Iterable[Key]:
        """A namespace, or the namespace of an object that was deleted."""
        if event.kind == NAMESPACES:
            name = event.entry.body["metadata"]["name"]
            return [(name,)] if event.type != DELETED or name in SYSTEM_NAMESPACES else ()
        if event.namespace and (event.type == DELETED or event.entry.body["metadata"]["name"] == AUTHORITY):
            return [(event.namespace,)]
        return ()

    def sync(self, key: Key) -> None:
        """Complete a namespace, or continue its deletion."""
        body = self._work.get(NAMESPACES, "", key[0])
        if body is None:
            if key[0] in SYSTEM_NAMESPACES:
                self._work.create(NAMESPACES, "", {"metadata": {"name": key[0]}}, "kube-apiserver")
        elif not is_terminating(body):
            self._complete(key[0])
        elif not self._delete_contents(key[0]):
            self._finish(key[0])

    def _complete(self, name: str) -> None:
        if self._work.get(SERVICE_ACCOUNTS, name, "default") is None:
            self._work.create(SERVICE_ACCOUNTS, name, {"metadata": {"name": "default"}}, MANAGER)
        data = {"ca.crt": self._authority}
        known = self._work.get(CONFIG_MAPS, name, AUTHORITY)
        if known is None:
            metadata = {"name": AUTHORITY, "annotations": {"kubernetes.io/description": ABOUT}}
            self._work.create(CONFIG_MAPS, name, {"metadata": metadata, "data": data}, MANAGER)
        elif known.get("data") != data:
            self._work.update(CONFIG_MAPS, known | {"data": data}, MANAGER)

    def _delete_contents(self, name: str) -> bool:
        """Delete every object of a namespace; returns whether some still exist."""
        is_left = False
        for kind in self._work.store.kinds():
            if self._work.verbs.registry.stored(kind) is None:
                continue
            for entry in self._work.store.entries(kind, name):
                if not is_terminating(entry.body):
                    self._work.delete(kind, entry.body, propagationPolicy="Background")
                is_left = is_left or self._work.get(kind, name, entry.body["metadata"]["name"]) is not None
        return is_left

    def _finish(self, name: str) -> None:
        store = self._work.store
        current = self._work.get(NAMESPACES, "", name)
        assert current is not None
        if current.get("spec", {}).get("finalizers"):
            others = [each for each in current["spec"]["finalizers"] if each != "kubernetes"]
            spec = {"finalizers": others} if others else {}
            current = store.put(NAMESPACES, "", name, current | {"spec": spec}).body
        if not current.get("spec", {}).get("finalizers") and not current["metadata"].get("finalizers"):
            store.remove(NAMESPACES, "", name)
