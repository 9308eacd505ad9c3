"""Pure: all object names, label keys and annotation keys.

Names and selector labels never change after the first release: a changed selector would require new
Deployments.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

PREFIX = "spiko.dev/"  # of all label and annotation keys
ARCHITECTURE = "spiko.dev/architecture"
TIER = "spiko.dev/tier"
PACKAGE = "spiko.dev/package"
VERSION = "spiko.dev/version"
REGION = "spiko.dev/region"
ZONE = "spiko.dev/zone"
TOPOLOGY_ANNOTATION = "spiko.dev/topology"  # copy of the state's topology, used if the state is lost
DESIRED_ANNOTATION = "spiko.dev/desired"  # digest of the object that was applied last

MANAGED_BY = "app.kubernetes.io/managed-by"

OPERATOR_KEY_SECRET = "spiko-operator-key"  # in the operator's namespace
LEASE = "spiko-operator"  # in the operator's namespace
READ_SECRET = "spiko-read"  # one per namespace

EUREKA = "eureka"  # the reserved tier name
FIELD_MANAGER = "spiko-operator"

HTTP_PORT = 8080
EUREKA_PORT = 7070

MOST_ZONES = 96  # 6 regions of 16 zones
SERVICE_LIMIT = 63
# A ReplicaSet appends 11 characters; its name must fit into a label of 63.
DEPLOYMENT_LIMIT = 52


def derived(limit: int, *parts: str) -> str:
    """Return the parts joined to a lower-case object name; a name over the limit ends in a hash.

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
    """Return the name of the state ConfigMap."""
    return f"{architecture}-state"


def keys_name(architecture: str) -> str:
    """Return the name of the Secret with the keys of an Architecture."""
    return f"{architecture}-keys"


def service_name(architecture: str, tier: str) -> str:
    """Return the name of a tier's headless Service and of its disruption budget."""
    return derived(SERVICE_LIMIT, architecture, tier)


def deployment_name(architecture: str, tier: str, version: str, place: str) -> str:
    """Return the name of the Deployment of one version in one place.

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
    """Return the name of a zone's eureka Deployment and Service; without a zone, of the Service of all.

    >>> eureka_name("lamp", 2), eureka_name("lamp")
    ('lamp-eureka-z2', 'lamp-eureka')
    """
    return f"{architecture}-{EUREKA}" if zone_index is None else f"{architecture}-{EUREKA}-z{zone_index}"


def pod_selector(architecture: str) -> str:
    """Return the label selector of the pods of all tiers. kubectl does not read `!=` in a Scale.

    >>> pod_selector("lamp")
    'spiko.dev/architecture=lamp,spiko.dev/tier notin (eureka)'
    """
    return f"{ARCHITECTURE}={architecture},{TIER} notin ({EUREKA})"


def needed_names(architecture: str, tiers: Iterable[str]) -> frozenset[str]:
    """Return the names of the Services of an Architecture and of all eurekas that it may have.

    Two Architectures whose Services have different names have no names in common: all other names are derived
    from these.

    >>> sorted(needed_names("shop", ["cart-db"]) & needed_names("shop-cart", ["db"]))
    ['shop-cart-db']
    """
    found = {service_name(architecture, tier) for tier in tiers}
    found |= {eureka_name(architecture, index) for index in range(MOST_ZONES)}
    return frozenset(found | {eureka_name(architecture)})


def may_share(one: str, other: str) -> bool:
    """Whether two Architectures can need the same name: the name of one begins with that of the other.

    >>> may_share("shop", "shop-cart"), may_share("shop-cart", "shop"), may_share("shop", "shopper")
    (True, True, False)
    """
    return one.startswith(f"{other}-") or other.startswith(f"{one}-")
