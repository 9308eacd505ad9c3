"""Pure: which pods a Service selects, from an exact index of their labels.

A cluster of 1,000 pods resolves names all the time, and a scan of all pods for each question was most of the
kubelet's CPU. Every running pod is therefore filed under each of its labels. A question reads the smallest of
the sets that its selector names, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from spiko_local.objects import Object

SUFFIXES = (".svc.cluster.local", ".svc")


@dataclass(frozen=True)
class Endpoint:
    """A running pod as Services see it. `labels` is a copy, because the pod's object may change in place."""

    namespace: str
    address: str
    ready: bool
    labels: Mapping[str, str] = field(default_factory=dict)


class EndpointIndex:
    """Running pods by namespace and label. Callers keep it up to date with `put` and `remove`."""

    def __init__(self) -> None:
        self._endpoints: dict[str, Endpoint] = {}
        self._by_label: dict[tuple[str, str, str], set[str]] = {}

    def put(self, uid: str, endpoint: Endpoint) -> None:
        """Add a pod, or replace what is known of it.

        Args:
            uid: of the pod.
            endpoint: as it is now.
        """
        known = self._endpoints.get(uid)
        if known == endpoint:
            return
        before = _keys(known) if known is not None else set()
        after = _keys(endpoint)
        self._drop(uid, before - after)
        for key in after - before:
            self._by_label.setdefault(key, set()).add(uid)
        self._endpoints[uid] = endpoint

    def remove(self, uid: str) -> None:
        """Remove a pod that no longer runs; an unknown one is ignored."""
        known = self._endpoints.pop(uid, None)
        if known is not None:
            self._drop(uid, _keys(known))

    def addresses(self, namespace: str, service: Object) -> list[str]:
        """Return the addresses of a Service's pods, sorted.

        Args:
            namespace: of the Service.
            service: the object. A Service without a selector has no addresses. One with
                publishNotReadyAddresses also has those of pods that are not ready.
        """
        spec = service["spec"]
        wanted = [(namespace, key, value) for key, value in (spec.get("selector") or {}).items()]
        sets = sorted((self._by_label.get(key, set()) for key in wanted), key=len)
        if not sets:
            return []
        smallest, *others = sets
        early = bool(spec.get("publishNotReadyAddresses"))
        found = (self._endpoints[uid] for uid in smallest if all(uid in other for other in others))
        return sorted(endpoint.address for endpoint in found if endpoint.ready or early)

    def _drop(self, uid: str, keys: set[tuple[str, str, str]]) -> None:
        for key in keys:
            filed = self._by_label[key]
            filed.discard(uid)
            if not filed:
                del self._by_label[key]


def _keys(endpoint: Endpoint) -> set[tuple[str, str, str]]:
    return {(endpoint.namespace, key, value) for key, value in endpoint.labels.items()}


def split_name(name: str, namespace: str) -> tuple[str, str]:
    """Split a cluster name into the Service's name and namespace.

    >>> split_name("lamp-eureka.shop.svc.cluster.local", "default"), split_name("lamp-eureka", "default")
    (('lamp-eureka', 'shop'), ('lamp-eureka', 'default'))
    """
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    service, _, found = name.partition(".")
    return service, found or namespace
