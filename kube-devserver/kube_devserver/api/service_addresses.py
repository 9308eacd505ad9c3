"""What a Service is given: a cluster address and node ports. Names are what matters here, so any free ones will do."""

from __future__ import annotations

import random

from kube_devserver.api_errors import Cause, wrong
from kube_devserver.storage.store import Body, Store

SERVICES = ("", "services")
FIRST_PORT, LAST_PORT = 30_000, 32_767
_ADDRESSES = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")
_WITH_PORTS = ("NodePort", "LoadBalancer")


def allot(store: Store, source: random.Random, body: Body) -> list[Cause]:
    """Give a Service what it has not, in place.

    Args:
        store: the other Services.
        source: of randomness.
        body: the Service.

    Returns:
        What it asks for that another has.
    """
    spec = body["spec"]
    if spec.get("type") == "ExternalName":
        return []
    others = [
        entry.body for entry in store.each(SERVICES) if entry.body["metadata"].get("uid") != body["metadata"].get("uid")
    ]
    if not spec.get("clusterIP"):
        taken = {other["spec"].get("clusterIP") for other in others}
        free = (f"10.96.{n >> 8}.{n & 255}" for n in iter(lambda: source.randrange(2, 65_000), 0))
        spec["clusterIP"] = next(address for address in free if address not in taken)
    spec.setdefault("clusterIPs", [spec["clusterIP"]])
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    return _allot_ports(spec, others, source) if _needs_ports(spec) else []


def _needs_ports(spec: Body) -> bool:
    if spec.get("type") == "LoadBalancer":
        return bool(spec.get("allocateLoadBalancerNodePorts", True))
    return spec.get("type") == "NodePort"


def _allot_ports(spec: Body, others: list[Body], source: random.Random) -> list[Cause]:
    taken = {port["nodePort"] for other in others for port in other["spec"].get("ports") or () if port.get("nodePort")}
    causes = []
    for i, port in enumerate(spec.get("ports") or ()):
        wanted, where = port.get("nodePort"), f"spec.ports[{i}].nodePort"
        if wanted is None:
            continue
        if not FIRST_PORT <= wanted <= LAST_PORT:
            why = f"provided port is not in the valid range. The range of valid ports is {FIRST_PORT}-{LAST_PORT}"
            causes.append(wrong(where, wanted, why))
        elif wanted in taken:
            causes.append(wrong(where, wanted, "provided port is already allocated"))
        taken.add(wanted)
    for port in spec.get("ports") or ():
        if port.get("nodePort") is None and len(taken) <= LAST_PORT - FIRST_PORT:
            draws = iter(lambda: source.randrange(FIRST_PORT, LAST_PORT + 1), 0)
            port["nodePort"] = next(number for number in draws if number not in taken)
            taken.add(port["nodePort"])
    return causes


def keep_allotted(new: Body, was: Body) -> Body:
    """An update's spec with what the Service has and the update does not mention, and without what its new type has no use for."""
    spec, kind = dict(new), new.get("type")
    ports = spec["ports"] = [dict(port) for port in new.get("ports") or ()]
    if "ExternalName" not in (kind, was.get("type")):
        for name in _ADDRESSES:
            if not spec.get(name) and was.get(name):
                spec[name] = was[name]
    known = (
        {port.get("name", ""): port.get("nodePort") for port in was.get("ports") or ()}
        if was.get("type") in _WITH_PORTS
        else {}
    )
    used = {port.get("nodePort") for port in ports} & set(known.values())
    for port in ports:
        before = known.get(port.get("name", ""))
        if kind in _WITH_PORTS and not port.get("nodePort") and before is not None and before not in used:
            port["nodePort"] = before
        elif kind not in _WITH_PORTS and before is not None and port.get("nodePort") == before:
            del port["nodePort"]
    if kind not in _WITH_PORTS and spec.get("externalTrafficPolicy") == was.get("externalTrafficPolicy"):
        spec.pop("externalTrafficPolicy", None)
    if kind == "ExternalName":
        for name in (*_ADDRESSES, "internalTrafficPolicy"):
            if spec.get(name) == was.get(name):
                spec.pop(name, None)
    if not ports:
        del spec["ports"]
    return spec
