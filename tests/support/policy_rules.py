"""What NetworkPolicies allow, by the rules of networking.k8s.io/v1, independently of the planner."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True)
class Peer:
    """One end of a connection: a pod with its labels and namespace, or an address outside the cluster."""

    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str = "shops"
    address: str = ""


def is_allowed(
    policies: Iterable[Object], source: Peer, target: Peer, port: int, protocol: str = "TCP"
) -> bool:
    """Return whether a connection is allowed at both of its ends; an end outside the cluster allows all."""
    policies = list(policies)
    return _end_allows(policies, "Egress", source, target, port, protocol) and _end_allows(
        policies, "Ingress", target, source, port, protocol
    )


def _end_allows(
    policies: list[Object], direction: str, own: Peer, other: Peer, port: int, protocol: str
) -> bool:
    selecting = [
        policy
        for policy in policies
        if not own.address
        and policy["metadata"]["namespace"] == own.namespace
        and direction in policy["spec"]["policyTypes"]
        and _matches(policy["spec"]["podSelector"], own.labels)
    ]
    rules = [
        (policy["metadata"]["namespace"], rule)
        for policy in selecting
        for rule in policy["spec"].get(direction.lower(), ())
    ]
    return not selecting or any(
        _rule_allows(rule, namespace, other, port, protocol) for namespace, rule in rules
    )


def _rule_allows(rule: Object, namespace: str, other: Peer, port: int, protocol: str) -> bool:
    peers = rule.get("from", rule.get("to"))
    ports = rule.get("ports")
    open_port = ports is None or any(each["port"] == port and each["protocol"] == protocol for each in ports)
    return open_port and (peers is None or any(_is_peer(peer, namespace, other) for peer in peers))


def _is_peer(peer: Object, namespace: str, other: Peer) -> bool:
    if "ipBlock" in peer:
        block = ip_network(peer["ipBlock"]["cidr"])
        return bool(other.address) and ip_address(other.address) in block
    if other.address:
        return False
    if "namespaceSelector" in peer:
        in_namespace = _matches(peer["namespaceSelector"], {"kubernetes.io/metadata.name": other.namespace})
    else:
        in_namespace = other.namespace == namespace
    return in_namespace and _matches(peer.get("podSelector", {}), other.labels)


def _matches(selector: Object, labels: Mapping[str, str]) -> bool:
    for expression in selector.get("matchExpressions", ()):
        if expression["operator"] != "In" or labels.get(expression["key"]) not in expression["values"]:
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
