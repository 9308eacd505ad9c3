"""Pure: conditions and counts of the status, and the events for changed conditions.

Conditions follow the Kubernetes API conventions and KEP-1623: each is an observation, and `lastTransitionTime` moves with its status
only. A status write costs as much as the whole object, so figures that change all the time are not in it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from spiko_operator.plan import names
from spiko_operator.plan.actions import Emit
from spiko_operator.plan.objects import Object, truncate
from spiko_operator.plan.topology import Topology

ACCEPTED, APPLIED, PROGRAMMED, READY, ZONES = "Accepted", "Applied", "Programmed", "Ready", "ZonesLabeled"
MOST_NOT_READY = 32  # entries


@dataclass(frozen=True)
class Observation:
    """One condition without its time. `status` is True, False or Unknown."""

    type: str
    status: str
    reason: str
    message: str


class Rejection(NamedTuple):
    """Why a spec is not accepted: the condition's reason, and a message for people."""

    reason: str
    message: str


@dataclass(frozen=True)
class EurekaReport:
    """What one eureka reports: its configuration, its pods, how many act on it, and whether it hears every other eureka of its region."""

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
        return Observation(ACCEPTED, "True", "Valid", "spec accepted")
    effect = "the last accepted spec stays in effect" if running else "nothing runs"
    message = "; ".join(rejection.message for rejection in rejections)
    return Observation(ACCEPTED, "False", rejections[0].reason, truncate(f"{effect}: {message}"))


def applied(refused: Sequence[str]) -> Observation:
    """Observe whether the API server accepted every object; `refused` has a message for each one that it refused."""
    if not refused:
        return Observation(APPLIED, "True", "AllApplied", "all objects applied")
    more = f"; and {len(refused) - 3} more" if len(refused) > 3 else ""
    return Observation(APPLIED, "False", "Refused", truncate(f"{'; '.join(refused[:3])}{more}"))


def programmed(revision: str, eurekas: int, pods: int, reports: Sequence[EurekaReport]) -> Observation:
    """Observe whether every eureka has the configuration and every pod acts on it.

    Args:
        revision: of the configuration.
        eurekas: how many there must be.
        pods: how many are Ready, and so have registered: a report that counts fewer is outdated.
        reports: the last one of each connected eureka.
    """
    current = [report for report in reports if report.revision == revision]
    if len(current) < eurekas:
        return Observation(
            PROGRAMMED, "False", "Pending", f"{len(current)} of {eurekas} eurekas have configuration {revision}"
        )
    if not all(report.complete for report in current):
        return Observation(PROGRAMMED, "False", "Pending", "not all eurekas are connected to each other yet")
    if (counted := sum(report.pods for report in current)) < pods:
        return Observation(PROGRAMMED, "False", "Pending", f"eurekas report {counted} of {pods} pods")
    if any(report.acked < report.pods for report in current):
        return Observation(
            PROGRAMMED, "False", "Pending", f"not every pod has acknowledged configuration {revision} yet"
        )
    return Observation(PROGRAMMED, "True", "AllPodsAcknowledged", f"every pod acts on configuration {revision}")


def zones_labeled(topology: Topology, node_zones: Mapping[str, Sequence[str]], reassigned: bool) -> Observation:
    """Observe whether the topology's zones are those of nodes.

    Args:
        topology: in effect.
        node_zones: region -> zones, from the labels of the nodes that exist.
        reassigned: whether an earlier topology was lost.
    """
    lost = "; state and annotations were lost: zones were reassigned, pods may have moved" if reassigned else ""
    if logical := [zone.name for zone in topology.zones if zone.logical]:
        text = "no node is labeled with these zones; pods are spread on a best-effort basis"
        return Observation(ZONES, "False", "LogicalZones", truncate(f"{text}: {', '.join(logical)}{lost}"))
    missing = [z.name for r in topology.regions for z in r.zones if z.name not in node_zones.get(r.name, ())]
    if missing:
        text = "no node is labeled with these zones; their pods stay Pending"
        return Observation(ZONES, "False", "ZonesWithoutNodes", truncate(f"{text}: {', '.join(missing)}{lost}"))
    used = {region.name: {zone.name for zone in region.zones} for region in topology.regions}
    others = [zone for name, zones in used.items() for zone in node_zones.get(name, ()) if zone not in zones]
    if others:
        text = "nodes also have these zones; add them to spec.topology to use them"
        return Observation(ZONES, "True", "MoreZones", truncate(f"{text}: {', '.join(others)}{lost}"))
    return Observation(ZONES, "True", "Labeled", f"every zone is the label of a node{lost}")


@dataclass(frozen=True)
class Readiness:
    """Counts over the Deployments of all tiers; eurekas count in `not_ready` only."""

    tiers: int
    tiers_ready: int
    pods: int
    pods_ready: int
    not_ready: tuple[Object, ...]

    def observation(self) -> Observation:
        """Observe the Ready condition."""
        if not self.not_ready and self.pods_ready == self.pods:
            return Observation(READY, "True", "AllTiersReady", f"{self.tiers} tiers, {self.pods} pods")
        lacking = ", ".join(f"{n['tier']} {n['ready']}/{n['desired']}" for n in self.not_ready[:8])
        return Observation(
            READY,
            "False",
            "PodsMissing",
            truncate(f"{self.tiers_ready} of {self.tiers} tiers are ready; not ready: {lacking}"),
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
    pods = pods_ready = 0
    for body in desired:
        rollout = _rollout(body, found.get(("Deployment", body["metadata"]["name"]), {}), changing)
        if rollout.tier != names.EUREKA:
            tiers[rollout.tier] = tiers.get(rollout.tier, True) and rollout.complete
            pods, pods_ready = pods + rollout.desired, pods_ready + rollout.ready
        if not rollout.complete and len(not_ready) < MOST_NOT_READY:
            not_ready.append(rollout.entry(body["metadata"]["labels"]))
    return Readiness(len(tiers), sum(tiers.values()), pods, pods_ready, tuple(not_ready))


class _Rollout(NamedTuple):
    tier: str
    desired: int
    ready: int
    complete: bool

    def entry(self, labels: Mapping[str, str]) -> Object:
        """Return the entry of `status.notReady`."""
        place = "/".join(labels[key] for key in (names.REGION, names.ZONE) if key in labels)
        version = labels.get(names.VERSION, "")
        return {"tier": self.tier, "version": version, "place": place, "ready": self.ready, "desired": self.desired}


def _rollout(body: Object, existing: Object, changing: Container[str]) -> _Rollout:
    desired = int(body["spec"]["replicas"])
    status = existing.get("status", {})
    fresh = status.get("observedGeneration", 0) >= existing.get("metadata", {}).get("generation", 1)
    fresh = fresh and body["metadata"]["name"] not in changing
    ready = min(desired, int(status.get("readyReplicas", 0))) if fresh else 0
    updated = status.get("updatedReplicas", 0) >= desired
    return _Rollout(body["metadata"]["labels"][names.TIER], desired, ready, fresh and updated and ready >= desired)


def merge_conditions(
    before: Sequence[Object], observed: Sequence[Observation], generation: int, now: str
) -> list[Object]:
    """Return the condition list with its times, in the order of `observed`."""
    known = {condition["type"]: condition for condition in before}
    merged = []
    for o in observed:
        old = known.get(o.type)
        since = old["lastTransitionTime"] if old and old["status"] == o.status else now
        merged.append(
            {
                "type": o.type,
                "status": o.status,
                "reason": o.reason,
                "message": o.message,
                "observedGeneration": generation,
                "lastTransitionTime": since,
            }
        )
    return merged


def events_of(before: Sequence[Object], observed: Sequence[Observation]) -> list[Emit]:
    """Return an event for every condition whose status or reason changed; steps on the way up need none."""
    known = {condition["type"]: condition for condition in before}
    found = []
    for o in observed:
        old = known.get(o.type)
        if old is not None and (old["status"], old["reason"]) == (o.status, o.reason):
            continue
        if o.status == "True":
            if old is not None or o.type != APPLIED:
                found.append(Emit("Normal", o.type if o.type != ZONES else o.reason, o.message))
        elif o.type in (ACCEPTED, APPLIED, ZONES) or (old is not None and o.type == READY):
            found.append(Emit("Warning", "ReadyLost" if o.type == READY else o.reason, o.message))
    return found


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> Object:
    """Return a merge patch of the status: the fields that differ; None for those to remove."""
    patch = {key: value for key, value in after.items() if before.get(key) != value}
    return patch | {key: None for key in before if key not in after}
