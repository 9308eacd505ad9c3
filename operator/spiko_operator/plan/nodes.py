"""Pure: which nodes the pods of an Architecture may be scheduled to, by labels, taints and tolerations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from spiko_operator.plan.objects import Object, labels_of
from spiko_operator.plan.topology import REGION_LABEL, ZONE_LABEL, from_labels

CORDON = "node.kubernetes.io/unschedulable"
# Kubernetes adds and removes these by itself as a node's health changes. They say nothing about a zone, which
# is chosen for good.
_PASSING = frozenset(
    {
        *(f"node.kubernetes.io/{key}" for key in ("not-ready", "unreachable", "network-unavailable")),
        *(f"node.kubernetes.io/{resource}-pressure" for resource in ("memory", "disk", "pid")),
        "node.cloudprovider.kubernetes.io/uninitialized",
    }
)


@dataclass(frozen=True)
class Taint:
    """A taint with the effect NoSchedule or NoExecute: pods that do not tolerate it stay away."""

    key: str
    effect: str
    value: str = ""

    def __str__(self) -> str:
        if self.key == CORDON:
            return "cordoned"
        return f"{self.key}{'=' if self.value else ''}{self.value}:{self.effect}"


@dataclass(frozen=True)
class Node:
    """The labels of a node, and the taints that keep pods away from it."""

    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()


def read_node(body: Object) -> Node:
    """Return a node; a cordoned one has the taint that Kubernetes gives it, also before it has it."""
    spec = body.get("spec") or {}
    taints = {
        Taint(taint["key"], taint["effect"], taint.get("value") or "")
        for taint in spec.get("taints") or ()
        if taint["effect"] in ("NoSchedule", "NoExecute") and taint["key"] not in _PASSING
    }
    if spec.get("unschedulable"):
        taints.add(Taint(CORDON, "NoSchedule"))
    return Node(labels_of(body), tuple(sorted(taints, key=str)))


def labeled_zones(nodes: Iterable[Node]) -> dict[str, list[str]]:
    """Return region -> zones of all nodes."""
    return from_labels(node.labels for node in nodes)


def open_zones(nodes: Iterable[Node], tolerations: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """Return region -> zones of the nodes to which pods with these tolerations may be scheduled."""
    return labeled_zones(node for node in nodes if not _repelling(node, tolerations))


def closed_zones(
    nodes: Sequence[Node], tolerations: Sequence[Mapping[str, str]]
) -> dict[tuple[str, str], str]:
    """Return what keeps pods away from each zone without an open node, by region and zone.

    >>> gpu = Node({REGION_LABEL: "r", ZONE_LABEL: "a"}, (Taint("gpu", "NoSchedule"),))
    >>> closed_zones([gpu], []), closed_zones([gpu], [{"key": "gpu", "operator": "Exists"}])
    ({('r', 'a'): 'gpu:NoSchedule'}, {})
    """
    reasons: dict[tuple[str, str], set[str]] = {}
    opened: set[tuple[str, str]] = set()
    for node in nodes:
        place = node.labels.get(REGION_LABEL, ""), node.labels.get(ZONE_LABEL, "")
        repelling = _repelling(node, tolerations)
        if not repelling:
            opened.add(place)
        reasons.setdefault(place, set()).update(str(taint) for taint in repelling)
    return {place: ", ".join(sorted(found)) for place, found in reasons.items() if place not in opened}


def _repelling(node: Node, tolerations: Sequence[Mapping[str, str]]) -> list[Taint]:
    return [taint for taint in node.taints if not any(_tolerates(each, taint) for each in tolerations)]


def _tolerates(toleration: Mapping[str, str], taint: Taint) -> bool:
    """Whether a toleration matches a taint, as the scheduler decides."""
    if toleration.get("effect") not in (None, "", taint.effect):
        return False
    key, exists = toleration.get("key") or "", toleration.get("operator") == "Exists"
    if not key:
        return exists
    return key == taint.key and (exists or (toleration.get("value") or "") == taint.value)
