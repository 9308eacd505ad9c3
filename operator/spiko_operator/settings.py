"""The settings of the operator, from environment variables that are read once, at start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from ipaddress import ip_address, ip_network
from typing import Literal

from spiko_nanoservice.contract.handshake import MOST_EPOCH
from spiko_operator.api.architecture import ENDPOINT_PATTERN, MOST_ENDPOINT
from spiko_operator.errors import SettingsError
from spiko_operator.plan.limits import Limits
from spiko_operator.plan.network_policies import PolicySettings
from spiko_operator.plan.workloads import IMAGE_REPOSITORY

SERVICE_ACCOUNT_NAMESPACE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
Reach = Literal["direct", "proxy"]
MOST = 1_000_000  # of any limit
_NAMESPACE = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"


@dataclass(frozen=True)
class Settings:
    """All settings.

    Args:
        image: default nanoservice image of Architectures (SPIKO_IMAGE).
        reach: how the operator connects to eurekas (SPIKO_REACH): `direct` to the address of the pod, or
            `proxy` through the API server, for an operator outside the cluster.
        kubeconfig: path of a kubeconfig (KUBECONFIG); None inside a cluster.
        resync_s: seconds between full lists (SPIKO_RESYNC_SECONDS).
        namespaces: the only namespaces to watch (SPIKO_NAMESPACES, separated by commas); empty for all.
            Permissions in these namespaces suffice; without permission to list nodes, zones are logical.
        http_listen: address and port of the HTTP server for probes and metrics (SPIKO_HTTP_LISTEN), such as
            0.0.0.0:8081; None for no server.
        own_namespace: where the operator's key is kept (SPIKO_OPERATOR_NAMESPACE); by default the namespace
            of the service account, or `default` outside a cluster.
        leader_election: whether to write only while holding the Lease `spiko-operator` in that namespace
            (SPIKO_LEADER_ELECTION, true or false); without it, at most one operator may run.
        key_epoch: epoch of all keys (SPIKO_KEY_EPOCH): raise it by one to replace them; eurekas also accept
            the keys of the epoch before.
        limits: what Architectures may ask for: SPIKO_MAX_PODS_PER_ARCHITECTURE,
            SPIKO_MAX_OBJECTS_PER_ARCHITECTURE, and SPIKO_MAX_PODS and SPIKO_MAX_OBJECTS of all Architectures
            together; SPIKO_ALLOWED_IMAGES, SPIKO_ALLOWED_TOLERATIONS and SPIKO_ALLOWED_COLLECTORS, patterns
            separated by commas; empty for all.
        policies: with SPIKO_NETWORK_POLICIES=true, every Architecture gets NetworkPolicies; the API server's
            proxy connects from SPIKO_API_SERVER_BLOCKS, CIDR blocks separated by commas, by default any
            address; pods in SPIKO_PROMETHEUS_NAMESPACE may scrape. None without them.
        default_collector: OTLP endpoint of Architectures whose spec names none (SPIKO_DEFAULT_COLLECTOR);
            empty for none. SPIKO_ALLOWED_COLLECTORS does not apply to it.
        disruption_budgets: whether tiers have disruption budgets (SPIKO_DISRUPTION_BUDGETS: true or false).
        allow_delete: whether Faults and monkeys may delete pods (SPIKO_ALLOW_DELETE: true or false). The
            operator then needs the right to delete pods, which evictions do not need.
    """

    image: str
    reach: Reach
    kubeconfig: str | None
    resync_s: float
    namespaces: tuple[str, ...] = ()
    http_listen: tuple[str, int] | None = None
    own_namespace: str = "default"
    leader_election: bool = True
    key_epoch: int = 1
    limits: Limits = field(default_factory=Limits)
    policies: PolicySettings | None = None
    default_collector: str = ""
    disruption_budgets: bool = True
    allow_delete: bool = False


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings from the environment.

    Raises:
        SettingsError: a value is not valid.
    """
    reach = environ.get("SPIKO_REACH", "direct")
    if reach not in ("direct", "proxy"):
        raise SettingsError(f"SPIKO_REACH: {reach!r}: must be direct or proxy")
    resync = _number(environ, "SPIKO_RESYNC_SECONDS", 60, 3600)
    namespaces = tuple(
        dict.fromkeys(name.strip() for name in environ.get("SPIKO_NAMESPACES", "").split(",") if name.strip())
    )
    for name in namespaces:
        if not re.fullmatch(_NAMESPACE, name):
            raise SettingsError(
                f"SPIKO_NAMESPACES: {name!r}: not a valid namespace name; use a comma-separated list "
                "without patterns"
            )
    own_namespace = environ.get("SPIKO_OPERATOR_NAMESPACE") or _service_account_namespace()
    return Settings(
        image=environ.get("SPIKO_IMAGE", f"{IMAGE_REPOSITORY}:{version('spiko')}"),
        reach="proxy" if reach == "proxy" else "direct",
        kubeconfig=environ.get("KUBECONFIG") or None,
        resync_s=float(resync),
        namespaces=namespaces,
        http_listen=_address(environ, "SPIKO_HTTP_LISTEN"),
        own_namespace=own_namespace,
        leader_election=_boolean(environ, "SPIKO_LEADER_ELECTION", default=True),
        key_epoch=_number(environ, "SPIKO_KEY_EPOCH", 1, MOST_EPOCH),
        limits=_limits(environ),
        policies=_policies(environ, own_namespace),
        default_collector=_collector(environ),
        disruption_budgets=_boolean(environ, "SPIKO_DISRUPTION_BUDGETS", default=True),
        allow_delete=_boolean(environ, "SPIKO_ALLOW_DELETE", default=False),
    )


def has_network_policies(environ: Mapping[str, str]) -> bool:
    """Whether SPIKO_NETWORK_POLICIES is true; `read_settings` refuses other values than true and false."""
    return environ.get("SPIKO_NETWORK_POLICIES") == "true"


def _policies(environ: Mapping[str, str], own_namespace: str) -> PolicySettings | None:
    if not _boolean(environ, "SPIKO_NETWORK_POLICIES", default=False):
        return None
    blocks = _patterns(environ, "SPIKO_API_SERVER_BLOCKS")
    for block in blocks:
        try:
            ip_network(block)
        except ValueError as error:
            text = f"SPIKO_API_SERVER_BLOCKS: {error}; use CIDR blocks such as 10.0.0.0/24"
            raise SettingsError(text) from None
    namespace = environ.get("SPIKO_PROMETHEUS_NAMESPACE", "")
    if namespace and not re.fullmatch(_NAMESPACE, namespace):
        raise SettingsError(f"SPIKO_PROMETHEUS_NAMESPACE: {namespace!r}: not a valid namespace name")
    return PolicySettings(own_namespace, blocks or PolicySettings.api_server_blocks, namespace)


def _service_account_namespace() -> str:
    try:
        with open(SERVICE_ACCOUNT_NAMESPACE, encoding="utf-8") as file:
            return file.read().strip() or "default"
    except OSError:
        return "default"


def _limits(environ: Mapping[str, str]) -> Limits:
    default = Limits()
    return Limits(
        pods=_number(environ, "SPIKO_MAX_PODS_PER_ARCHITECTURE", default.pods),
        objects=_number(environ, "SPIKO_MAX_OBJECTS_PER_ARCHITECTURE", default.objects),
        all_pods=_number(environ, "SPIKO_MAX_PODS", default.all_pods),
        all_objects=_number(environ, "SPIKO_MAX_OBJECTS", default.all_objects),
        images=_patterns(environ, "SPIKO_ALLOWED_IMAGES"),
        tolerations=_patterns(environ, "SPIKO_ALLOWED_TOLERATIONS"),
        collectors=_patterns(environ, "SPIKO_ALLOWED_COLLECTORS"),
    )


def _number(environ: Mapping[str, str], name: str, default: int, most: int = MOST) -> int:
    text = environ.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,7}", text) or not 1 <= int(text) <= most:
        raise SettingsError(f"{name}: {text!r}: must be an integer from 1 to {most}")
    return int(text)


def _boolean(environ: Mapping[str, str], name: str, default: bool) -> bool:
    text = environ.get(name) or str(default).lower()
    if text not in ("true", "false"):
        raise SettingsError(f"{name}: {text!r}: must be true or false")
    return text == "true"


def _collector(environ: Mapping[str, str]) -> str:
    url = environ.get("SPIKO_DEFAULT_COLLECTOR", "")
    if url and (len(url) > MOST_ENDPOINT or not re.fullmatch(ENDPOINT_PATTERN, url)):
        raise SettingsError(
            f"SPIKO_DEFAULT_COLLECTOR: {url!r}: must be http://HOST:PORT or https://HOST:PORT with a port "
            f"from 1 to 65535, optionally with a path, of at most {MOST_ENDPOINT} characters"
        )
    return url


def _address(environ: Mapping[str, str], name: str) -> tuple[str, int] | None:
    text = environ.get(name)
    if not text:
        return None
    host, _, port = text.rpartition(":")
    try:
        address = ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
    except ValueError:
        address = None
    if address is None or not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 1 << 16:
        raise SettingsError(
            f"{name}: {text!r}: must be an IP address and a port, such as 0.0.0.0:8081 or [::]:8081"
        )
    return str(address), int(port)


def _patterns(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(pattern.strip() for pattern in environ.get(name, "").split(",") if pattern.strip())
