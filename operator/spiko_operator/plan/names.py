"""Every object name, label key and annotation key; they are made here and nowhere else.

Names and selector labels are final from the first release: a changed selector would mean new Deployments.
"""

from __future__ import annotations

import hashlib

ARCHITECTURE = "spiko.dev/architecture"
TIER = "spiko.dev/tier"
PACKAGE = "spiko.dev/package"
VERSION = "spiko.dev/version"
REGION = "spiko.dev/region"
ZONE = "spiko.dev/zone"
TOPOLOGY_ANNOTATION = "spiko.dev/topology"  # a copy of the memory's topology, used if the memory is lost

EUREKA = "eureka"  # the reserved tier name
FIELD_MANAGER = "spiko-operator"

HTTP_PORT = 8080
EUREKA_PORT = 7070

SERVICE_LIMIT = 63
DEPLOYMENT_LIMIT = 52  # a ReplicaSet adds 11: the pod's host name and its label stay whole


def derived(limit: int, *parts: str) -> str:
    """Join parts to an object name in lower case; one that would be too long ends in a hash of the whole.

    Args:
        limit: longest name allowed, characters.
        parts: non-empty, the architecture's name first.

    >>> derived(63, "lamp", "rds-mysql")
    'lamp-rds-mysql'
    >>> derived(20, "lamp", "averylongtiername", "1-0-0")
    'lamp-averyl-2290702f'

    """
    whole = "-".join(parts)
    if len(whole) <= limit:
        return whole.lower()
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"{whole[: limit - 9].rstrip('-').lower()}-{digest}"


def state_name(architecture: str) -> str:
    """Name of the ConfigMap that remembers topology, accepted spec and revisions."""
    return f"{architecture}-state"


def service_name(architecture: str, tier: str) -> str:
    """Name of a tier's headless Service and of its disruption budget."""
    return derived(SERVICE_LIMIT, architecture, tier)


def deployment_name(architecture: str, tier: str, version: str, place: str) -> str:
    """Name of the Deployment of one version in one place.

    Args:
        architecture: its name.
        tier: spelled as in the spec.
        version: such as 1.2.3.
        place: `z<n>` for a zone, `r<n>` for a region without zones, empty outside any region.

    >>> deployment_name("lamp", "rds-mysql", "1.0.0", "z1")
    'lamp-rds-mysql-1-0-0-z1'
    >>> deployment_name("lamp", "www", "1.0.0", "")
    'lamp-www-1-0-0'

    """
    parts = [architecture, tier, version.replace(".", "-")]
    return derived(DEPLOYMENT_LIMIT, *parts, *([place] if place else []))


def eureka_name(architecture: str, zone_index: int | None = None) -> str:
    """Name of the eureka Deployment and Service of one zone, or of the Service of them all.

    >>> eureka_name("lamp", 2), eureka_name("lamp")
    ('lamp-eureka-z2', 'lamp-eureka')
    """
    return f"{architecture}-{EUREKA}" if zone_index is None else f"{architecture}-{EUREKA}-z{zone_index}"
