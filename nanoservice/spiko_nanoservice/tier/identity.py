"""Pure: the names under which a pod appears: Spigo's instance name and the OpenTelemetry resource."""

from __future__ import annotations

from spiko_nanoservice.contract import ANYWHERE
from spiko_nanoservice.settings import Settings


def instance_name(tier: str, slot: int, zone: str, zones: tuple[str, ...]) -> str:
    """Return Spigo's name of an instance: its tier and its index, which counts over the region's zones.

    >>> instance_name("mysql", 1, "b", ("a", "b", "c")), instance_name("disk", 0, "*", ("a", "b", "c"))
    ('mysql04', 'disk00')
    """
    index = slot * len(zones) + zones.index(zone) if zone in zones else slot
    return f"{tier}{index:02d}"


def resource_of(settings: Settings) -> dict[str, str | int]:
    """Return the OpenTelemetry resource attributes of a pod.

    A pod without a region, zone or node name lacks that attribute.
    """
    found: dict[str, str | int] = {
        "service.name": settings.tier,
        "service.namespace": settings.architecture,
        "service.version": settings.version,
        "service.instance.id": settings.pod_uid,
        "k8s.namespace.name": settings.namespace,
        "k8s.pod.name": settings.pod_name,
        "k8s.pod.uid": settings.pod_uid,
        "spiko.architecture": settings.architecture,
        "spiko.tier": settings.tier,
        "spiko.package": settings.package,
    }
    if settings.node_name:
        found["k8s.node.name"] = settings.node_name
    if settings.region != ANYWHERE:
        found["cloud.region"] = settings.region
    if settings.zone != ANYWHERE:
        found["cloud.availability_zone"] = settings.zone
    return found
