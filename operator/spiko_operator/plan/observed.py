"""Pure: the observed state that a reconcile pass depends on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from spiko_operator.plan.health import Verdicts
from spiko_operator.plan.limits import Limits, Size
from spiko_operator.plan.network_policies import PolicySettings
from spiko_operator.plan.nodes import Node
from spiko_operator.plan.objects import Object, controller_of
from spiko_operator.plan.pod_causes import Causes
from spiko_operator.plan.registrations import Registration
from spiko_operator.plan.status import EurekaReport

ObjectKey = tuple[str, str]  # kind, name


@dataclass(frozen=True)
class Reservation:
    """What this operator accepted for an Architecture, which the API server may not show yet.

    Args:
        generation: of the Architecture whose spec was accepted; 0 if its latest spec was rejected.
        names: that the spec in effect needs, from `names.needed_names`.
        size: of the spec in effect.
    """

    generation: int
    names: frozenset[str]
    size: Size


@dataclass(frozen=True)
class Observed:
    """Everything that a reconcile pass depends on.

    Args:
        architecture: the object.
        objects: the objects labeled with the architecture's name.
        foreign: other objects that have a name which the architecture needs.
        live_uids: UIDs of all Architectures that exist.
        nodes: all nodes; empty without permission to list them.
        reports: the last reports of the connected eurekas.
        image: the operator's default nanoservice image.
        now: the time, in the format of Kubernetes.
        state_key: signs the state of this Architecture.
        applied: digest of the last apply of objects that were not changed since: any difference is then the
            API server's normalization.
        refused: the objects that the API server refused in this pass, with its messages.
        unknown_pods: registrations at eurekas that the API server contradicts.
        neighbors: the other Architectures of the namespace.
        reserved: UID -> what this operator accepted for that Architecture.
        limits: settings of the operator.
        others: size of all other Architectures of the operator.
        health: whether requests are answered and spans exported.
        policies: settings for NetworkPolicies; None for no policies.
        collector: the endpoint of Architectures whose spec names none; empty for none.
        has_budgets: whether tiers have disruption budgets.
        causes: why pods are not Ready, if that was looked up.
    """

    architecture: Object
    objects: Mapping[ObjectKey, Object]
    foreign: Mapping[ObjectKey, Object]
    live_uids: frozenset[str]
    nodes: tuple[Node, ...]
    reports: tuple[EurekaReport, ...]
    image: str
    now: str
    state_key: bytes = field(repr=False)
    applied: Mapping[ObjectKey, str] = field(default_factory=dict)
    refused: tuple[str, ...] = ()
    unknown_pods: frozenset[Registration] = frozenset()
    neighbors: tuple[Object, ...] = ()
    reserved: Mapping[str, Reservation] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    others: Size = field(default_factory=Size)
    health: Verdicts = field(default_factory=Verdicts)
    policies: PolicySettings | None = None
    collector: str = ""
    has_budgets: bool = True
    causes: Causes = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the Architecture."""
        name: str = self.architecture["metadata"]["name"]
        return name

    @property
    def namespace(self) -> str:
        """Namespace of the Architecture."""
        namespace: str = self.architecture["metadata"]["namespace"]
        return namespace

    def owns(self, body: Object) -> bool:
        """Whether the Architecture is the controller of an object, by UID."""
        owner = controller_of(body)
        return owner is not None and owner["uid"] == self.architecture["metadata"]["uid"]


def total_size(architectures: Iterable[Object], reserved: Mapping[str, Reservation]) -> Size:
    """Return the size of all these Architectures together.

    Of those that this operator has not planned yet, after its start, the pods in the status count.
    """
    total = Size()
    for architecture in architectures:
        kept = reserved.get(architecture["metadata"]["uid"])
        summary = (architecture.get("status") or {}).get("summary") or {}
        pods = str(summary.get("pods", "")).rpartition("/")[2]
        total += kept.size if kept is not None else Size(int(pods) if pods.isdecimal() else 0)
    return total
