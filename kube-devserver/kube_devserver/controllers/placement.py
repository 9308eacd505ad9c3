"""Pure: the node for a pod: filters first, each with the scheduler's message, then the emptiest of the nodes
left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from kube_devserver.controllers.index import SelectorIndex
from kube_devserver.objects.conditions import labels_of, owner_of
from kube_devserver.objects.decoding import parse_quantity
from kube_devserver.objects.kinds import Body
from kube_devserver.objects.schema import canonical
from kube_devserver.objects.selectors import matches_selector

Counted = tuple[Body, Counter[str]]  # a spread constraint, and the number of matching pods by topology value
MOST_SELECTORS = 10_000  # whose counts a node's load keeps
UNSCHEDULABLE = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_amount = lru_cache(4096)(parse_quantity)  # there are few distinct ones, and each is read for every placement


@dataclass(frozen=True)
class Group:
    """Pods of a node that a scheduler cannot tell apart."""

    namespace: str
    labels: tuple[tuple[str, str], ...]
    owner: str
    is_terminating: bool


class Load:
    """The pods of one node, counted in groups, so that a placement reads groups and sums instead of pods."""

    def __init__(self) -> None:
        self._pods: dict[tuple[str, str], tuple[Group, Mapping[str, Decimal]]] = {}
        self._groups: Counter[Group] = Counter()
        self._by_label: dict[tuple[str, str, str], dict[Group, None]] = {}
        self._by_owner: Counter[str] = Counter()
        # Counts of the selectors that were asked about; a change updates those that select its pod.
        self._asked = SelectorIndex()
        self._matching: dict[tuple[str, str], int] = {}
        self.requests: dict[str, Decimal] = {}

    def put(self, pod: Body) -> None:
        """Add a pod, or replace it."""
        group, requests = _group_of(pod), _requests(pod)
        if self._pods.get(_name(pod)) == (group, requests):
            return
        self.remove(pod)
        self._pods[_name(pod)] = group, requests
        self._count(group, 1)
        for name, amount in requests.items():
            self.requests[name] = self.requests.get(name, Decimal(0)) + amount

    def remove(self, pod: Body) -> None:
        """Remove a pod if it is there."""
        known = self._pods.pop(_name(pod), None)
        if known is None:
            return
        group, requests = known
        self._count(group, -1)
        for name, amount in requests.items():
            self.requests[name] -= amount

    def _count(self, group: Group, change: int) -> None:
        self._groups[group] += change
        self._by_owner[group.owner] += change
        if not group.is_terminating:
            for name in self._asked.selecting(group.namespace, dict(group.labels)):
                self._matching[name] += change
        if not self._by_owner[group.owner]:
            del self._by_owner[group.owner]
        if change > 0:
            for key, value in group.labels:
                self._by_label.setdefault((group.namespace, key, value), {})[group] = None
        elif not self._groups[group]:
            del self._groups[group]
            for key, value in group.labels:
                place = (group.namespace, key, value)
                del self._by_label[place][group]
                if not self._by_label[place]:
                    del self._by_label[place]

    def count_matching(self, namespace: str, selector: Body) -> int:
        """The number of pods that a selector matches and that are not being deleted."""
        name = (namespace, canonical(selector).decode())
        if name not in self._matching:
            if len(self._matching) >= MOST_SELECTORS:
                self._asked, self._matching = SelectorIndex(), {}
            self._matching[name] = self._sum_matching(namespace, selector)
            self._asked.put(name, selector)
        return self._matching[name]

    def _sum_matching(self, namespace: str, selector: Body) -> int:
        labels = selector.get("matchLabels") or {}
        groups: Collection[Group] = self._groups
        if labels:
            groups = min([self._by_label.get((namespace, *pair), {}) for pair in labels.items()], key=len)
        return sum(
            self._groups[group]
            for group in groups
            if group.namespace == namespace
            and not group.is_terminating
            and matches_selector(selector, dict(group.labels))
        )

    def count_owned(self, owner: str) -> int:
        """The number of pods of one controller."""
        return self._by_owner[owner] if owner else 0

    def __len__(self) -> int:
        """The number of pods."""
        return len(self._pods)


def _name(pod: Body) -> tuple[str, str]:
    return pod["metadata"].get("namespace", ""), pod["metadata"]["name"]


def _group_of(pod: Body) -> Group:
    metadata = pod["metadata"]
    labels = tuple(sorted((metadata.get("labels") or {}).items()))
    return Group(metadata.get("namespace", ""), labels, _owner(pod), bool(metadata.get("deletionTimestamp")))


def _owner(pod: Body) -> str:
    return str((owner_of(pod) or {}).get("uid", ""))


@dataclass(frozen=True)
class Candidate:
    """A node and its pods."""

    node: Body
    load: Load

    @property
    def labels(self) -> Mapping[str, str]:
        """The node's labels."""
        return labels_of(self.node)

    @property
    def name(self) -> str:
        """The node's name."""
        return str(self.node["metadata"]["name"])


def choose(pod: Body, candidates: Sequence[Candidate]) -> tuple[str | None, str]:
    """The name of the best node; or None, and the reason why no node fits."""
    reasons: Counter[str] = Counter()
    fitting = []
    for candidate in candidates:
        reason = obstacle(pod, candidate)
        if reason:
            reasons[reason] += 1
        else:
            fitting.append(candidate)
    spreads = pod["spec"].get("topologySpreadConstraints") or ()
    constraints = [(each, _count(each, pod, candidates)) for each in spreads]
    fitting, crowded = _spread(constraints, fitting)
    if crowded:
        reasons["node(s) didn't match pod topology spread constraints"] += crowded
    if not fitting:
        shown = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
        return None, f"0/{len(candidates)} nodes are available{': ' + shown if shown else ''}."
    return min(fitting, key=lambda each: (_rank(pod, each, constraints), each.name)).name, ""


# ------------------------------------------------------------------ filters


def obstacle(pod: Body, candidate: Candidate) -> str:
    """Why a pod cannot run on a node; empty if it can."""
    spec, node = pod["spec"], candidate.node
    tolerations = spec.get("tolerations") or ()
    taints = list(node.get("spec", {}).get("taints") or ())
    if node.get("spec", {}).get("unschedulable"):
        taints.append(UNSCHEDULABLE)
    for taint in taints:
        if taint["effect"] in ("NoSchedule", "NoExecute") and not tolerates(tolerations, taint):
            if taint["key"] == UNSCHEDULABLE["key"]:
                return "node(s) were unschedulable"
            return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"
    if not _is_selected(spec, candidate):
        return "node(s) didn't match Pod's node affinity/selector"
    return _missing_resource(pod, candidate)


def tolerates(tolerations: Sequence[Body], taint: Body) -> bool:
    """Whether one of the tolerations matches a taint."""
    for each in tolerations:
        if each.get("effect") and each["effect"] != taint["effect"]:
            continue
        if each.get("operator", "Equal") == "Exists":
            if not each.get("key") or each["key"] == taint["key"]:
                return True
        elif each.get("key") == taint["key"] and each.get("value", "") == taint.get("value", ""):
            return True
    return False


def _is_selected(spec: Body, candidate: Candidate) -> bool:
    """Whether a node has the labels that a pod's node selector and affinity require."""
    if not (spec.get("nodeSelector") or {}).items() <= candidate.labels.items():
        return False
    required = _node_affinity(spec).get(_REQUIRED)
    terms = (required or {}).get("nodeSelectorTerms") or ()
    return required is None or any(_matches_term(term, candidate) for term in terms)


def _node_affinity(spec: Body) -> Body:
    return (spec.get("affinity") or {}).get("nodeAffinity") or {}


def _matches_term(term: Body, candidate: Candidate) -> bool:
    fields = [{**each, "key": "name"} for each in term.get("matchFields") or ()]
    expressions = term.get("matchExpressions") or ()
    if not fields and not expressions:
        return False
    name = {"name": candidate.name}
    return all(_matches(each, candidate.labels) for each in expressions) and all(
        _matches(each, name) for each in fields
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


def _missing_resource(pod: Body, candidate: Candidate) -> str:
    allocatable, load = candidate.node.get("status", {}).get("allocatable") or {}, candidate.load
    if "pods" in allocatable and len(load) + 1 > _amount(allocatable["pods"]):
        return "Too many pods"
    for name, amount in _requests(pod).items():
        if amount and name in allocatable:
            if load.requests.get(name, Decimal(0)) + amount > _amount(allocatable[name]):
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


# ------------------------------------------------------------------ spread and preference


def _count(constraint: Body, pod: Body, candidates: Sequence[Candidate]) -> Counter[str]:
    """The number of pods that a spread constraint matches, by topology value, with zeros."""
    key = constraint["topologyKey"]
    found: Counter[str] = Counter()
    selector = dict(constraint.get("labelSelector") or {})
    own = labels_of(pod)
    shared = {k: own[k] for k in constraint.get("matchLabelKeys") or () if k in own}
    if shared:
        selector["matchLabels"] = (selector.get("matchLabels") or {}) | shared
    namespace = pod["metadata"].get("namespace", "")
    for candidate in candidates:
        if key in candidate.labels and _is_selected(pod["spec"], candidate):
            found[candidate.labels[key]] += candidate.load.count_matching(namespace, selector)
    return found


def _spread(constraints: Sequence[Counted], fitting: list[Candidate]) -> tuple[list[Candidate], int]:
    """The nodes that keep every hard spread constraint, and the number of those that do not."""
    kept = fitting
    for constraint, counts in constraints:
        if constraint.get("whenUnsatisfiable", "DoNotSchedule") != "DoNotSchedule":
            continue
        key, least = constraint["topologyKey"], min(counts.values(), default=0)
        most = constraint["maxSkew"] + least - 1
        kept = [each for each in kept if key in each.labels and counts[each.labels[key]] <= most]
    return kept, len(fitting) - len(kept)


def _rank(pod: Body, candidate: Candidate, constraints: Sequence[Counted]) -> tuple[int, int, int, int]:
    """Lower is better: preferences, an even spread, few pods of the controller, few pods."""
    preferences = _node_affinity(pod["spec"]).get(_PREFERRED) or ()
    liked = sum(each["weight"] for each in preferences if _matches_term(each["preference"], candidate))
    tolerations = pod["spec"].get("tolerations") or ()
    avoided = sum(
        taint["effect"] == "PreferNoSchedule" and not tolerates(tolerations, taint)
        for taint in candidate.node.get("spec", {}).get("taints") or ()
    )
    crowd = sum(
        counts[candidate.labels[constraint["topologyKey"]]]
        for constraint, counts in constraints
        if constraint["topologyKey"] in candidate.labels
    )
    return avoided - liked, crowd, candidate.load.count_owned(_owner(pod)), len(candidate.load)
