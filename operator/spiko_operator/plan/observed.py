"""Pure: the observed state that a reconcile pass depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from spiko_operator.plan.health import Verdicts
from spiko_operator.plan.objects import Object, controller_of
from spiko_operator.plan.status import EurekaReport

ObjectKey = tuple[str, str]  # kind, name


@dataclass(frozen=True)
class Observed:
    """Everything that a reconcile pass depends on.

    Args:
        architecture: the object.
        objects: the objects labeled with the architecture's name.
        foreign: other objects that have a name which the architecture needs.
        live_uids: UIDs of all Architectures that exist.
        node_zones: region -> zones, from the nodes' labels.
        reports: the last reports of the connected eurekas.
        image: the operator's default nanoservice image.
        now: the time, in the format of Kubernetes.
        applied: digest of the last apply of objects that were not changed since: any difference is then the
            API server's normalization.
        refused: the objects that the API server refused in this pass, with its messages.
        health: whether requests are answered and spans exported.
    """

    architecture: Object
    objects: Mapping[ObjectKey, Object]
    foreign: Mapping[ObjectKey, Object]
    live_uids: frozenset[str]
    node_zones: Mapping[str, list[str]]
    reports: tuple[EurekaReport, ...]
    image: str
    now: str
    applied: Mapping[ObjectKey, str] = field(default_factory=dict)
    refused: tuple[str, ...] = ()
    health: Verdicts = field(default_factory=Verdicts)

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
