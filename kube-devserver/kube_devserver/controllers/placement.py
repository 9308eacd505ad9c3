"""Pure: which node a pod goes to. Filters first, each with the words that a scheduler says; then the emptiest of what is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from kube_devserver.objects.decoding import parse_quantity
from kube_devserver.objects.selectors import matches_selector

Body = dict[str, Any]
Counted = tuple[Body, Counter[str]]  # a spread constraint, and how many pods like the one are where
UNSCHEDULABLE = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


@dataclass(frozen=True)
class Group:
    """Pods of a node that are alike to a scheduler."""

    namespace: str
    labels: tuple[tuple[str, str], ...]
    owner: str
    going: bool


class Load:
    """The pods of one node, counted once: a placement reads groups and sums, not pods."""

    def __init__(self) -> None:
        self._pods: dict[tuple[str, str], tuple[Group, Mapping[str, Decimal]]] = {}
        self.groups: Counter[Group] = Counter()
        self.requests: dict[str, Decimal] = {}

    def put(self, pod: Body) -> None:
        """A pod has come, or changed."""
        metadata = pod["metadata"]
        self.pop(pod)
        group = Group(
            metadata.get("namespace", ""), tuple(sorted((metadata.get("labels") or {}).items())), _owner(pod),
            bool(metadata.get("deletionTimestamp")),
        )  # fmt: skip
        requests = _requests(pod)
        self._pods[_name(pod)] = group, requests
        self.groups[group] += 1
        for name, amount in requests.items():
            self.requests[name] = self.requests.get(name, Decimal(0)) + amount

    def pop(self, pod: Body) -> None:
        """A pod has gone; one that was not there does no harm."""
        known = self._pods.pop(_name(pod), None)
        if known is None:
            return
        group, requests = known
        self.groups[group] -= 1
        if not self.groups[group]:
            del self.groups[group]
        for name, amount in requests.items():
            self.requests[name] -= amount

    def __len__(self) -> int:
        """How many pods."""
        return len(self._pods)


def _name(pod: Body) -> tuple[str, str]:
    return pod["metadata"].get("namespace", ""), pod["metadata"]["name"]


def _owner(pod: Body) -> str:
    return next((str(o["uid"]) for o in pod["metadata"].get("ownerReferences") or () if o.get("controller")), "")


@dataclass(frozen=True)
class Room:
    """One node and the pods that are on it."""

    node: Body
    load: Load

    @property
    def labels(self) -> Mapping[str, str]:
        """The node's."""
        return self.node["metadata"].get("labels") or {}

    @property
    def name(self) -> str:
        """The node's."""
        return str(self.node["metadata"]["name"])


_amount = lru_cache(4096)(parse_quantity)  # there are few, and each is read for every placement


def tolerates(tolerations: Sequence[Body], taint: Body) -> bool:
    """Whether one of some tolerations puts up with a taint."""
    for each in tolerations:
        if each.get("effect") and each["effect"] != taint["effect"]:
            continue
        if each.get("operator", "Equal") == "Exists":
            if not each.get("key") or each["key"] == taint["key"]:
                return True
        elif each.get("key") == taint["key"] and each.get("value", "") == taint.get("value", ""):
            return True
    return False


def choose(pod: Body, rooms: Sequence[Room]) -> tuple[str | None, str]:
    """A node's name, or None and why not."""
    reasons: Counter[str] = Counter()
    fitting = []
    for room in rooms:
        reason = obstacle(pod, room)
        if reason:
            reasons[reason] += 1
        else:
            fitting.append(room)
    constraints = [(each, _count(each, pod, rooms)) for each in pod["spec"].get("topologySpreadConstraints") or ()]
    fitting, crowded = _spread(constraints, fitting)
    if crowded:
        reasons["node(s) didn't match pod topology spread constraints"] += crowded
    if not fitting:
        said = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
        return None, f"0/{len(rooms)} nodes are available{': ' + said if said else ''}."
    return min(fitting, key=lambda room: (_preference(pod, room, constraints), room.name)).name, ""


def obstacle(pod: Body, room: Room) -> str:
    """Why a pod cannot be on a node; empty if it can."""
    spec, node = pod["spec"], room.node
    tolerations = spec.get("tolerations") or ()
    taints = list(node.get("spec", {}).get("taints") or ())
    if node.get("spec", {}).get("unschedulable"):
        taints.append(UNSCHEDULABLE)
    for taint in taints:
        if taint["effect"] in ("NoSchedule", "NoExecute") and not tolerates(tolerations, taint):
            if taint["key"] == UNSCHEDULABLE["key"]:
                return "node(s) were unschedulable"
            value = taint.get("value", "")
            return f"node(s) had untolerated taint {{{taint['key']}: {value}}}"
    if not (spec.get("nodeSelector") or {}).items() <= room.labels.items() or not _affine(spec, room):
        return "node(s) didn't match Pod's node affinity/selector"
    return _resources(pod, room)


def _affine(spec: Body, room: Room) -> bool:
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    return required is None or any(_term(term, room) for term in required.get("nodeSelectorTerms") or ())


def _term(term: Body, room: Room) -> bool:
    fields = [{**each, "key": "name"} for each in term.get("matchFields") or ()]
    expressions = term.get("matchExpressions") or ()
    if not fields and not expressions:
        return False
    return all(_matches(each, room.labels) for each in expressions) and all(
        _matches(each, {"name": room.name}) for each in fields
    )


def _matches(each: Body, labels: Mapping[str, str]) -> bool:
    value = labels.get(each["key"])
    values: Sequence[str] = each.get("values") or ()
    match each["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    if value is None or not value.lstrip("-").isdigit():
        return False
    return int(value) > int(values[0]) if each["operator"] == "Gt" else int(value) < int(values[0])


def _resources(pod: Body, room: Room) -> str:
    allocatable = room.node.get("status", {}).get("allocatable") or {}
    if "pods" in allocatable and len(room.load) + 1 > _amount(allocatable["pods"]):
        return "Too many pods"
    wanted = _requests(pod)
    for name, amount in wanted.items():
        if amount and name in allocatable:
            if room.load.requests.get(name, Decimal(0)) + amount > _amount(allocatable[name]):
                return f"Insufficient {name}"
        elif amount and name not in ("cpu", "memory", "ephemeral-storage"):
            return f"Insufficient {name}"
    return ""


def _requests(pod: Body) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for container in pod["spec"].get("containers", ()):
        for name, amount in (container.get("resources", {}).get("requests") or {}).items():
            found[name] = found.get(name, Decimal(0)) + _amount(amount)
    return found


def _count(constraint: Body, pod: Body, rooms: Sequence[Room]) -> Counter[str]:
    """Pods like this one by the value of the topology's label, zero where there are none."""
    key = constraint["topologyKey"]
    found: Counter[str] = Counter()
    selector = dict(constraint.get("labelSelector") or {})
    own = pod["metadata"].get("labels") or {}
    shared = {k: own[k] for k in constraint.get("matchLabelKeys") or () if k in own}
    if shared:
        selector["matchLabels"] = (selector.get("matchLabels") or {}) | shared
    for room in rooms:
        if (
            key in room.labels
            and _affine(pod["spec"], room)
            and (pod["spec"].get("nodeSelector") or {}).items() <= room.labels.items()
        ):
            found[room.labels[key]] += sum(
                count for group, count in room.load.groups.items()
                if group.namespace == pod["metadata"].get("namespace", "") and not group.going
                and matches_selector(selector, dict(group.labels))
            )  # fmt: skip
    return found


def _spread(constraints: Sequence[Counted], fitting: list[Room]) -> tuple[list[Room], int]:
    """Rooms that keep every hard spread constraint, and how many do not."""
    kept = fitting
    for constraint, counts in constraints:
        if constraint.get("whenUnsatisfiable", "DoNotSchedule") != "DoNotSchedule":
            continue
        key, least = constraint["topologyKey"], min(counts.values(), default=0)
        kept = [
            room
            for room in kept
            if key in room.labels and counts[room.labels[key]] + 1 - least <= constraint["maxSkew"]
        ]
    return kept, len(fitting) - len(kept)


def _preference(pod: Body, room: Room, constraints: Sequence[Counted]) -> tuple[int, int, int, int]:
    """Lower is better: wishes of the pod, then an even spread, then few pods."""
    wishes = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(
        "preferredDuringSchedulingIgnoredDuringExecution"
    ) or ()
    liked = sum(each["weight"] for each in wishes if _term(each["preference"], room))
    avoided = sum(t["effect"] == "PreferNoSchedule" and not tolerates(pod["spec"].get("tolerations") or (), t)
                  for t in room.node.get("spec", {}).get("taints") or ())  # fmt: skip
    crowd = 0
    for constraint, counts in constraints:
        if constraint["topologyKey"] in room.labels:
            crowd += counts[room.labels[constraint["topologyKey"]]]
    owner = _owner(pod)
    same = sum(count for group, count in room.load.groups.items() if group.owner == owner) if owner else 0
    return avoided - liked, crowd, same, len(room.load)
