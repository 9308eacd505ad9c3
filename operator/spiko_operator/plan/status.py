"""Pure: the observed conditions of an Architecture, and the counts over its Deployments."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from spiko_operator.api.reasons import Reason
from spiko_operator.plan import names
from spiko_operator.plan.conditions import ACCEPTED, APPLIED, PROGRAMMED, READY, ZONES, Observation
from spiko_operator.plan.objects import Object, truncate
from spiko_operator.plan.topology import Topology

MOST_NOT_READY = 32  # entries


class Rejection(NamedTuple):
    """Why a spec is not accepted: the condition's reason, and a message for people."""

    reason: str
    message: str


@dataclass(frozen=True)
class EurekaReport:
    """The report of one eureka.

    Args:
        revision: of its configuration.
        pods: how many are registered.
        acked: how many of them act on the configuration.
        complete: whether the eureka is connected to every other eureka of its region.
    """

    revision: str
    pods: int
    acked: int
    complete: bool = True


def accepted(rejections: Sequence[Rejection], running: bool) -> Observation:
    """Observe whether the spec is accepted.

    Args:
        rejections: why not; the first one gives the reason.
        running: whether an earlier spec is in effect.
    """
    if not rejections:
        return Observation(ACCEPTED, "True", Reason.VALID, "spec accepted")
    effect = "the last accepted spec stays in effect" if running else "nothing runs"
    message = "; ".join(rejection.message for rejection in rejections)
    return Observation(ACCEPTED, "False", rejections[0].reason, truncate(f"{effect}: {message}"))


def applied(refused: Sequence[str]) -> Observation:
    """Observe whether the API server accepted every object; `refused` has a message for each refusal."""
    if not refused:
        return Observation(APPLIED, "True", Reason.ALL_APPLIED, "all objects applied")
    more = f"; and {len(refused) - 3} more" if len(refused) > 3 else ""
    return Observation(APPLIED, "False", Reason.REFUSED, truncate(f"{'; '.join(refused[:3])}{more}"))


def programmed(revision: str, eurekas: int, pods: int, reports: Sequence[EurekaReport]) -> Observation:
    """Observe whether every eureka has the configuration and every pod acts on it.

    Args:
        revision: of the configuration.
        eurekas: how many there must be.
        pods: how many are Ready, and therefore registered: a report that counts fewer is outdated.
        reports: the last report of each connected eureka.
    """
    current = [report for report in reports if report.revision == revision]
    if len(current) < eurekas:
        pending = f"{len(current)} of {eurekas} eurekas have configuration {revision}"
    elif not all(report.complete for report in current):
        pending = "not all eurekas are connected to each other yet"
    elif (counted := sum(report.pods for report in current)) < pods:
        pending = f"eurekas report {counted} of {pods} pods"
    elif any(report.acked < report.pods for report in current):
        pending = f"not every pod has acknowledged configuration {revision} yet"
    else:
        acknowledged = f"every pod acts on configuration {revision}"
        return Observation(PROGRAMMED, "True", Reason.ALL_PODS_ACKNOWLEDGED, acknowledged)
    return Observation(PROGRAMMED, "False", Reason.PENDING, pending)


def zones_labeled(
    topology: Topology, node_zones: Mapping[str, Sequence[str]], reassigned: bool
) -> Observation:
    """Observe whether every zone of the topology is the zone of a node.

    Args:
        topology: in effect.
        node_zones: region -> zones, from the labels of the nodes that exist.
        reassigned: whether an earlier topology was lost and this one was chosen instead.
    """
    lost = (
        ("; state and annotations were lost: zones were reassigned, pods may have moved")
        if reassigned
        else ""
    )
    if logical := [zone.name for zone in topology.zones if zone.logical]:
        text = "no node is labeled with these zones; pods are spread on a best-effort basis"
        return Observation(
            ZONES, "False", Reason.LOGICAL_ZONES, truncate(f"{text}: {', '.join(logical)}{lost}")
        )
    missing = [z.name for r in topology.regions for z in r.zones if z.name not in node_zones.get(r.name, ())]
    if missing:
        text = "no node is labeled with these zones; their pods stay Pending"
        return Observation(
            ZONES, "False", Reason.ZONES_WITHOUT_NODES, truncate(f"{text}: {', '.join(missing)}{lost}")
        )
    used = {region.name: {zone.name for zone in region.zones} for region in topology.regions}
    others = [zone for name, zones in used.items() for zone in node_zones.get(name, ()) if zone not in zones]
    if others:
        text = "nodes also have these zones; add them to spec.topology to use them"
        return Observation(ZONES, "True", Reason.MORE_ZONES, truncate(f"{text}: {', '.join(others)}{lost}"))
    return Observation(ZONES, "True", Reason.LABELED, f"every zone is the label of a node{lost}")


@dataclass(frozen=True)
class Readiness:
    """Counts over the Deployments of all tiers; eurekas count in `not_ready` only."""

    tiers: int
    tiers_ready: int
    pods: int
    pods_ready: int
    not_ready: tuple[Object, ...]
    paused: tuple[str, ...] = ()  # names of Deployments that another client paused

    def observation(self) -> Observation:
        """Observe the Ready condition."""
        if not self.not_ready and not self.paused and self.pods_ready == self.pods:
            return Observation(READY, "True", Reason.ALL_TIERS_READY, f"{self.tiers} tiers, {self.pods} pods")
        paused = f"paused Deployments: {', '.join(self.paused[:8])}; " if self.paused else ""
        lacking = ", ".join(f"{n['tier']} {n['ready']}/{n['desired']}" for n in self.not_ready[:8])
        return Observation(
            READY,
            "False",
            Reason.PODS_MISSING,
            truncate(f"{self.tiers_ready} of {self.tiers} tiers are ready; {paused}not ready: {lacking}"),
        )


def readiness(
    desired: Iterable[Object], found: Mapping[tuple[str, str], Object], changing: Container[str] = ()
) -> Readiness:
    """Compare the Deployments with their observed status; an outdated status counts as not ready.

    Args:
        desired: the Deployments.
        found: the observed objects, by kind and name.
        changing: names of Deployments that this pass changes: their status describes what they were before.
    """
    tiers: dict[str, bool] = {}  # tier -> whether all its Deployments are complete
    not_ready: list[Object] = []
    paused: list[str] = []
    pods = pods_ready = 0
    for body in desired:
        existing = found.get(("Deployment", body["metadata"]["name"]), {})
        if existing.get("spec", {}).get("paused"):
            paused.append(body["metadata"]["name"])
        rollout = _rollout(body, existing, changing)
        if rollout.tier != names.EUREKA:
            tiers[rollout.tier] = tiers.get(rollout.tier, True) and rollout.complete
            pods, pods_ready = pods + rollout.desired, pods_ready + rollout.ready
        if not rollout.complete and len(not_ready) < MOST_NOT_READY:
            not_ready.append(rollout.entry(body["metadata"]["labels"]))
    return Readiness(len(tiers), sum(tiers.values()), pods, pods_ready, tuple(not_ready), tuple(paused))


class _Rollout(NamedTuple):
    tier: str
    desired: int
    ready: int
    complete: bool

    def entry(self, labels: Mapping[str, str]) -> Object:
        """Return the entry of `status.notReady`."""
        place = "/".join(labels[key] for key in (names.REGION, names.ZONE) if key in labels)
        version = labels.get(names.VERSION, "")
        return {
            "tier": self.tier,
            "version": version,
            "place": place,
            "ready": self.ready,
            "desired": self.desired,
        }


def _rollout(body: Object, existing: Object, changing: Container[str]) -> _Rollout:
    desired = int(body["spec"]["replicas"])
    status = existing.get("status", {})
    fresh = status.get("observedGeneration", 0) >= existing.get("metadata", {}).get("generation", 1)
    fresh = fresh and body["metadata"]["name"] not in changing
    ready = min(desired, int(status.get("readyReplicas", 0))) if fresh else 0
    updated = status.get("updatedReplicas", 0) >= desired
    return _Rollout(
        body["metadata"]["labels"][names.TIER], desired, ready, fresh and updated and ready >= desired
    )
