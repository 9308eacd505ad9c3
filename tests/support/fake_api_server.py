"""A cluster in memory for the planner: it executes the actions of passes, with UIDs and versions, and can
stop at any write.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from typing import Any

from spiko_operator.errors import ClusterError, Refused
from spiko_operator.plan.actions import (
    Action,
    Apply,
    CreateState,
    Delete,
    Emit,
    ReplaceState,
    Requeue,
    SetStatus,
)
from spiko_operator.plan.health import Verdicts
from spiko_operator.plan.names import ARCHITECTURE, FIELD_MANAGER
from spiko_operator.plan.nodes import Node
from spiko_operator.plan.objects import controller_of
from spiko_operator.plan.observed import Observed
from spiko_operator.plan.reconcile import ReconcilePlan, plan
from spiko_operator.plan.status import EurekaReport
from spiko_operator.plan.topology import REGION_LABEL, ZONE_LABEL

Object = dict[str, Any]
Key = tuple[str, str]
STATE_KEY = b"k" * 32
NODES = [{REGION_LABEL: "r", ZONE_LABEL: f"r{z}"} for z in "abc"]


class Cut(ClusterError):
    """The operator was stopped here."""


class FakeCluster:
    """The objects of one namespace."""

    def __init__(self, nodes: Sequence[dict[str, str] | Node] | None = None) -> None:
        self.objects: dict[Key, Object] = {}
        self.events: list[Emit] = []
        self.log: list[str] = []
        self.living: set[str] = set()
        self.writes_left: int | None = None
        self.last_plan: ReconcilePlan | None = None
        self.image = "spiko/nanoservice:1"  # of the operator
        self.reports: tuple[EurekaReport, ...] = ()
        self.unknown_pods: frozenset[tuple[str, str]] = frozenset()
        self.health = Verdicts()
        self.collector = ""  # of the operator, for Architectures that name none
        self.nodes: Sequence[dict[str, str] | Node] = NODES if nodes is None else nodes
        self._numbers = itertools.count(1)

    def put(self, body: Object) -> Object:
        """Create or replace an object, as a user does."""
        key = (body["kind"], body["metadata"]["name"])
        before = self.objects.get(key)
        body = copy.deepcopy(body)
        metadata = body["metadata"]
        metadata["namespace"] = "default"
        metadata["uid"] = before["metadata"]["uid"] if before else f"uid-{next(self._numbers)}"
        metadata["resourceVersion"] = str(next(self._numbers))
        changed = before is None or before.get("spec") != body.get("spec")
        metadata["generation"] = (before["metadata"]["generation"] if before else 0) + changed
        if before and "status" in before and "status" not in body:
            body["status"] = before["status"]
        self.objects[key] = body
        if body["kind"] == "Architecture":
            self.living.add(metadata["uid"])
        return body

    def get_ready(self, most: int = 10_000) -> None:
        """Make the eurekas and at most so many pods of the tiers Ready."""
        for (kind, name), body in self.objects.items():
            if kind == "Deployment":
                n = body["spec"]["replicas"] if "-eureka-" in name else min(body["spec"]["replicas"], most)
                most -= n * ("-eureka-" not in name)
                body["status"] = {
                    "observedGeneration": body["metadata"]["generation"],
                    "readyReplicas": n,
                    "updatedReplicas": n,
                    "availableReplicas": n,
                }

    def observe(self, name: str) -> Observed:
        """Return the observed state of an Architecture."""
        ours = {
            k: v for k, v in self.objects.items() if v["metadata"].get("labels", {}).get(ARCHITECTURE) == name
        }
        others = {
            k: v for k, v in self.objects.items() if k not in ours and k[0] not in ("Architecture", "Fault")
        }
        architecture = self.objects["Architecture", name]
        return Observed(
            architecture,
            ours,
            others,
            frozenset(self.living),
            tuple(node if isinstance(node, Node) else Node(node) for node in self.nodes),
            self.reports,
            self.image,
            "2026-01-01T00:00:00Z",
            STATE_KEY,
            unknown_pods=self.unknown_pods,
            neighbors=tuple(
                body for (kind, n), body in self.objects.items() if kind == "Architecture" and n != name
            ),
            health=self.health,
            collector=self.collector,
        )

    def reconcile(self, name: str) -> list[Action]:
        """Run one pass; raise Cut at the last allowed write."""
        self.last_plan = plan(self.observe(name))
        for action in self.last_plan.actions:
            self.execute(name, action)
        return [action for action in self.last_plan.actions if not isinstance(action, Requeue)]

    def settle(self, name: str, rounds: int = 12) -> None:
        """Run passes until there are no actions, with pods becoming Ready in between."""
        for _ in range(rounds):
            if not self.reconcile(name):
                return
            self.get_ready()
        raise AssertionError(f"no rest after {rounds} rounds: {self.last_plan}")

    def execute(self, name: str, action: Action) -> None:
        """Execute one action of a pass.

        Raises:
            Refused: an apply would give an object a second controller.
            Cut: at the last allowed write.
        """
        if isinstance(action, Emit):
            self.events.append(action)
            return
        if isinstance(action, Requeue):
            return
        if self.writes_left is not None:
            if self.writes_left == 0:
                raise Cut("killed")
            self.writes_left -= 1
        match action:
            case CreateState(body) | ReplaceState(body) | Apply(body):
                key = (body["kind"], body["metadata"]["name"])
                self._check_controller(key, body)
                body = body | {"metadata": body["metadata"] | {"managedFields": [{"manager": FIELD_MANAGER}]}}
                self.log.append(f"{'update' if key in self.objects else 'create'} {key[0]}/{key[1]}")
                self.put(body)
            case Delete(kind, _, victim, uid):
                if self.objects.get((kind, victim), {}).get("metadata", {}).get("uid") == uid:
                    self.log.append(f"delete {kind}/{victim}")
                    del self.objects[kind, victim]
            case SetStatus(status):
                body = self.objects["Architecture", name]
                merged = {**body.get("status", {}), **status}
                body["status"] = {k: v for k, v in merged.items() if v is not None}

    def _check_controller(self, key: Key, body: Object) -> None:
        """Refuse a second controller as the API server does, unless the first one is gone."""
        held = controller_of(self.objects.get(key, {"metadata": {}}))
        wanted = controller_of(body)
        if held and wanted and held["uid"] != wanted["uid"] and held["uid"] in self.living:
            raise Refused(f"{key[0]} {key[1]}: Only one reference can have Controller set to true")

    def summary(self) -> dict[Key, Any]:
        """Return the objects without UIDs, versions and times, for the comparison of final states."""
        return {
            key: (body.get("spec"), body["metadata"].get("labels"), body.get("data"))
            for key, body in self.objects.items()
        }

    def condition(self, name: str, kind: str) -> Object:
        """Return one condition of the Architecture."""
        conditions = self.objects["Architecture", name].get("status", {}).get("conditions", ())
        return next((c for c in conditions if c["type"] == kind), {})
