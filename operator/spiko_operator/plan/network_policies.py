"""Pure: the NetworkPolicies of an Architecture: one for each tier, and one for the eurekas.

A pod that a policy selects may only do what a policy allows: every pod of an Architecture is selected, for
both directions, so that everything else is denied. Two things are allowed: the declared calls, and the
control flows of one table, `CONTROL_FLOWS`. Probes of the kubelet need no rule: Kubernetes never blocks
traffic between a pod and its node.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import ip_address

from spiko_nanoservice.contract import traits_of
from spiko_nanoservice.contract.otlp_endpoint import parse_otlp_endpoint
from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.plan import names
from spiko_operator.plan.objects import Object

OPERATOR_LABELS = {"app.kubernetes.io/name": "spiko-operator"}  # of the operator's pods, in the Helm chart
_NAMESPACE_LABEL = "kubernetes.io/metadata.name"  # which the API server adds to every namespace


class Side(Enum):
    """One end of a control flow."""

    TIERS = auto()
    EUREKAS = auto()
    OPERATOR = auto()
    API_SERVER = auto()  # where a connection through its proxy comes from
    PROMETHEUS = auto()
    DNS = auto()
    COLLECTOR = auto()


@dataclass(frozen=True)
class Flow:
    """A control flow. Port 0 is that of the collector."""

    source: Side
    target: Side
    port: int
    purpose: str
    protocols: tuple[str, ...] = ("TCP",)


CONTROL_FLOWS = (
    Flow(Side.TIERS, Side.EUREKAS, names.EUREKA_PORT, "register, report, and receive routes"),
    Flow(Side.EUREKAS, Side.EUREKAS, names.EUREKA_PORT, "exchange entries"),
    Flow(Side.OPERATOR, Side.EUREKAS, names.EUREKA_PORT, "configure, and inject faults"),
    Flow(Side.API_SERVER, Side.EUREKAS, names.EUREKA_PORT, "`spiko top`, `graph` and `run`; reach: proxy"),
    Flow(Side.PROMETHEUS, Side.EUREKAS, names.EUREKA_PORT, "scrape"),
    Flow(Side.PROMETHEUS, Side.TIERS, names.HTTP_PORT, "scrape"),
    Flow(Side.TIERS, Side.DNS, 53, "resolve names", ("UDP", "TCP")),
    Flow(Side.EUREKAS, Side.DNS, 53, "resolve names", ("UDP", "TCP")),
    Flow(Side.TIERS, Side.COLLECTOR, 0, "export spans"),
)


@dataclass(frozen=True)
class PolicySettings:
    """Settings of the operator for NetworkPolicies.

    Args:
        operator_namespace: namespace of the operator's pods.
        api_server_blocks: CIDR blocks from which the API server's proxy connects.
        prometheus_namespace: from which pods are scraped; empty for none.
    """

    operator_namespace: str
    api_server_blocks: tuple[str, ...] = ("0.0.0.0/0", "::/0")
    prometheus_namespace: str = ""


def build_network_policies(
    architecture: str, spec: ArchitectureSpec, endpoint: str, settings: PolicySettings
) -> dict[str, Object]:
    """Return the spec of each policy by the tier that it selects; the eurekas first.

    Args:
        architecture: name.
        spec: in effect.
        endpoint: URL of the collector in effect; empty for none.
        settings: of the operator.
    """
    port = parse_otlp_endpoint(endpoint).port if endpoint else 0
    rules = _Rules(architecture, _peers(architecture, endpoint, settings), port)
    callers = _callers(spec)
    found = {names.EUREKA: rules.policy(names.EUREKA, Side.EUREKAS, (), ())}
    for service in spec.services:
        called = {name for name in service.dependencies if name != names.EUREKA}
        if _replicates(spec, service.name):
            called.add(service.name)
        found[service.name] = rules.policy(service.name, Side.TIERS, callers[service.name], called)
    return found


def _callers(spec: ArchitectureSpec) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for service in spec.services:
        for dependency in service.dependencies:
            found[dependency].add(service.name)
        if _replicates(spec, service.name):
            found[service.name].add(service.name)
    return found


def _replicates(spec: ArchitectureSpec, tier: str) -> bool:
    """Whether instances of a tier send requests to each other: the nodes of a ring do."""
    service = next(service for service in spec.services if service.name == tier)
    packages = {service.package, *(version.package for version in service.versions or ())}
    traits = [traits_of(package.value) for package in packages if package is not None]
    return any(each is not None and each.ring for each in traits)


@dataclass(frozen=True)
class _Rules:
    """What the policies of one Architecture share.

    Args:
        architecture: name.
        peers: of each side; None for any address. A side without peers is left out.
        collector_port: 0 without a collector.
    """

    architecture: str
    peers: Mapping[Side, list[Object] | None]
    collector_port: int

    def policy(self, tier: str, side: Side, callers: Iterable[str], called: Iterable[str]) -> Object:
        """Return the spec of the policy of one tier; a rule without peers allows any address."""
        ingress, egress = self._calls("from", callers), self._calls("to", called)
        for flow in CONTROL_FLOWS:
            ports = [_port(flow.port or self.collector_port, protocol) for protocol in flow.protocols]
            if flow.target is side and (sources := self.peers.get(flow.source)):
                ingress.append({"from": sources, "ports": ports})
            if flow.source is side and flow.target in self.peers:
                targets = self.peers[flow.target]
                egress.append(({"to": targets} if targets else {}) | {"ports": ports})
        return {
            "podSelector": {"matchLabels": {names.ARCHITECTURE: self.architecture, names.TIER: tier}},
            "policyTypes": ["Ingress", "Egress"],
            **({"ingress": ingress} if ingress else {}),
            "egress": egress,
        }

    def _calls(self, direction: str, tiers: Iterable[str]) -> list[Object]:
        match = {"key": names.TIER, "operator": "In", "values": sorted(tiers)}
        selector = {"matchLabels": {names.ARCHITECTURE: self.architecture}, "matchExpressions": [match]}
        rule = {direction: [{"podSelector": selector}], "ports": [_port(names.HTTP_PORT)]}
        return [rule] if match["values"] else []


def _peers(architecture: str, endpoint: str, settings: PolicySettings) -> dict[Side, list[Object] | None]:
    """Return the peers of each side, as `_Rules` has them."""
    own = {names.ARCHITECTURE: architecture}
    found: dict[Side, list[Object] | None] = {
        Side.TIERS: [{"podSelector": {"matchLabels": own}}],
        Side.EUREKAS: [{"podSelector": {"matchLabels": own | {names.TIER: names.EUREKA}}}],
        Side.OPERATOR: [
            {
                "namespaceSelector": _namespace(settings.operator_namespace),
                "podSelector": {"matchLabels": dict(OPERATOR_LABELS)},
            }
        ],
        Side.API_SERVER: [{"ipBlock": {"cidr": block}} for block in settings.api_server_blocks],
        Side.DNS: None,  # the cluster's DNS has no address or label that all clusters share
    }
    if settings.prometheus_namespace:
        found[Side.PROMETHEUS] = [{"namespaceSelector": _namespace(settings.prometheus_namespace)}]
    if endpoint:
        found[Side.COLLECTOR] = _address_block(parse_otlp_endpoint(endpoint).host)
    return found


def _address_block(host: str) -> list[Object] | None:
    """Return the block of one address; None for a name, since a policy cannot select by name."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return [{"ipBlock": {"cidr": f"{address}/{address.max_prefixlen}"}}]


def _namespace(name: str) -> Object:
    return {"matchLabels": {_NAMESPACE_LABEL: name}}


def _port(port: int, protocol: str = "TCP") -> Object:
    return {"port": port, "protocol": protocol}
