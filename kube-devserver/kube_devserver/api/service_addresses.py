"""The cluster addresses of Services. Clients use names, so any free address will do; node ports are not
assigned.
"""

from __future__ import annotations

import random

from kube_devserver.objects.kinds import SERVICES, Body
from kube_devserver.storage.store import Store

_FIELDS = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")
_WITH_NODE_PORTS = ("NodePort", "LoadBalancer")


def assign_address(store: Store, source: random.Random, body: Body) -> None:
    """Give a Service a cluster address, in place, unless it has one or needs none.

    Args:
        store: the other Services.
        source: of randomness.
        body: the Service.
    """
    spec = body["spec"]
    if spec.get("type") == "ExternalName":
        return
    if not spec.get("clusterIP"):
        taken = {entry.body["spec"].get("clusterIP") for entry in store.each(SERVICES)}
        draws = (source.randrange(2, 65_000) for _ in iter(int, 1))
        addresses = (f"10.96.{n >> 8}.{n & 255}" for n in draws)
        spec["clusterIP"] = next(address for address in addresses if address not in taken)
    spec.setdefault("clusterIPs", [spec["clusterIP"]])
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")


def keep_address(new: Body, old: Body) -> Body:
    """An updated spec with the address that the Service has, unless its new type has none."""
    spec, kind = dict(new), new.get("type")
    if "ExternalName" not in (kind, old.get("type")):
        for name in _FIELDS:
            if not spec.get(name) and old.get(name):
                spec[name] = old[name]
    if kind not in _WITH_NODE_PORTS and spec.get("externalTrafficPolicy") == old.get("externalTrafficPolicy"):
        spec.pop("externalTrafficPolicy", None)
    if kind == "ExternalName":
        for name in (*_FIELDS, "internalTrafficPolicy"):
            if spec.get(name) == old.get(name):
                spec.pop(name, None)
    return spec
