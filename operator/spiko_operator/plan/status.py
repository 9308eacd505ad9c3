"""Pure: from what was found to conditions, counts and the events that a change of them deserves.

Conditions follow the Kubernetes API conventions and KEP-1623: each is an observation, `lastTransitionTime` moves with the status only. A status
write costs as much as the whole object, so nothing that merely ticks is in it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spiko_operator.plan import names
from spiko_operator.plan.actions import Emit
from spiko_operator.plan.topology import Topology

Object = dict[str, Any]

ACCEPTED, APPLIED, PROGRAMMED, READY, ZONES = "Accepted", "Applied", "Programmed", "Ready", "ZonesLabelled"
MOST_NOT_READY = 32
MOST_MESSAGE = 1024


@dataclass(frozen=True)
class Observation:
    """One condition without its time. `status` is True, False or Unknown."""

    type: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True)
class Acknowledged:
    """What one eureka says of its configuration. `complete`: it hears every other eureka of its region."""

    revision: str
    pods: int
    acked: int
    complete: bool = True


def accepted(faults: Sequence[tuple[str, str]], ran: bool) -> Observation:
    """Whether the spec is carried out; `faults` are (reason, message), the first gives the reason. `ran` is whether an earlier one is in force."""
    if not faults:
        return Observation(ACCEPTED, "True", "Valid", "the spec is carried out")
    message = "; ".join(text for _, text in faults)
    return Observation(
        ACCEPTED,
        "False",
        faults[0][0],
        _short(f"{'the last accepted spec stays in force' if ran else 'nothing runs'}: {message}"),
    )


def applied(refused: Sequence[str]) -> Observation:
    """Whether the API server has taken every object; `refused` says of each other one what it said."""
    if not refused:
        return Observation(APPLIED, "True", "AllApplied", "the API server has taken every object")
    more = f"; and {len(refused) - 3} more" if len(refused) > 3 else ""
    return Observation(APPLIED, "False", "Refused", _short(f"{'; '.join(refused[:3])}{more}"))


def programmed(revision: str, eurekas: int, pods: int, heard: Sequence[Acknowledged]) -> Observation:
    """Whether every eureka has the configuration and every pod acts on it.

    Args:
        revision: in force.
        eurekas: how many there must be.
        pods: how many are Ready, and so have registered: a word that counts fewer is old.
        heard: the eurekas' last words.
    """
    current = [word for word in heard if word.revision == revision]
    if len(current) < eurekas:
        return Observation(
            PROGRAMMED, "False", "Pending", f"{len(current)} of {eurekas} eurekas have configuration {revision}"
        )
    if not all(word.complete for word in current):
        return Observation(PROGRAMMED, "False", "Pending", "the eurekas do not all hear of each other yet")
    if (counted := sum(word.pods for word in current)) < pods:
        return Observation(PROGRAMMED, "False", "Pending", f"the eurekas have told of {counted} of {pods} pods")
    if any(word.acked < word.pods for word in current):
        return Observation(PROGRAMMED, "False", "Pending", f"not every pod has acknowledged configuration {revision}")
    return Observation(PROGRAMMED, "True", "AllPodsAcknowledged", f"every pod acts on configuration {revision}")


def zones_labelled(topology: Topology, labelled: Mapping[str, Sequence[str]], chosen_anew: bool) -> Observation:
    """Whether zones are those of nodes.

    Args:
        topology: in force.
        labelled: region -> zones of the nodes there are.
        chosen_anew: whether what was chosen first is lost.
    """
    lost = (
        "; memory and annotations were lost: the zones were chosen anew, pods may sit elsewhere" if chosen_anew else ""
    )
    if logical := [zone.name for zone in topology.zones if zone.logical]:
        text = f"no node carries these zones, pods are only spread softly: {', '.join(logical)}{lost}"
        return Observation(ZONES, "False", "LogicalZones", _short(text))
    missing = [z.name for r in topology.regions for z in r.zones if z.name not in labelled.get(r.name, ())]
    if missing:
        text = f"no node carries these zones, their pods wait for one: {', '.join(missing)}{lost}"
        return Observation(ZONES, "False", "ZonesWithoutNodes", _short(text))
    used = {region.name: {zone.name for zone in region.zones} for region in topology.regions}
    others = [zone for name, zones in used.items() for zone in labelled.get(name, ()) if zone not in zones]
    if others:
        text = (
            f"nodes carry other zones as well, to be used they must stand in spec.topology: {', '.join(others)}{lost}"
        )
        return Observation(ZONES, "True", "MoreZones", _short(text))
    return Observation(ZONES, "True", "Labelled", f"every zone is a label of nodes{lost}")


@dataclass(frozen=True)
class Readiness:
    """Counts over the Deployments of tiers."""

    tiers: int
    tiers_ready: int
    pods: int
    pods_ready: int
    not_ready: tuple[Object, ...]

    def observation(self) -> Observation:
        """The Ready condition."""
        if not self.not_ready and self.pods_ready == self.pods:
            return Observation(READY, "True", "AllTiersReady", f"{self.tiers} tiers, {self.pods} pods")
        lacking = ", ".join(f"{n['tier']} {n['ready']}/{n['desired']}" for n in self.not_ready[:8])
        return Observation(
            READY,
            "False",
            "PodsMissing",
            _short(f"{self.tiers_ready} of {self.tiers} tiers are ready; lacking: {lacking}"),
        )


def readiness(
    wanted: Iterable[Object], found: Mapping[tuple[str, str], Object], changing: Container[str] = ()
) -> Readiness:
    """Compare Deployments wanted with their observed status; a stale status counts as not ready, and so does that of one that is just being changed.

    Args:
        wanted: Deployments.
        found: what there is, by kind and name.
        changing: names of Deployments whose status is about what they were before.
    """
    lacking: dict[str, bool] = {}
    not_ready: list[Object] = []
    pods = pods_ready = 0
    for body in wanted:
        labels = body["metadata"]["labels"]
        tier = labels[names.TIER]
        desired = body["spec"]["replicas"]
        seen = found.get(("Deployment", body["metadata"]["name"]), {})
        status = seen.get("status", {})
        fresh = status.get("observedGeneration", 0) >= seen.get("metadata", {}).get("generation", 1)
        fresh = fresh and body["metadata"]["name"] not in changing
        ready = min(desired, status.get("readyReplicas", 0)) if fresh else 0
        updated = status.get("updatedReplicas", 0) >= desired
        short = ready < desired or not updated or not fresh
        lacking[tier] = lacking.get(tier, False) or short
        if tier != names.EUREKA:
            pods, pods_ready = pods + desired, pods_ready + ready
        if short and len(not_ready) < MOST_NOT_READY:
            place = "/".join(labels[key] for key in (names.REGION, names.ZONE) if key in labels)
            version = labels.get(names.VERSION, "")
            not_ready.append({"tier": tier, "version": version, "place": place, "ready": ready, "desired": desired})
    tiers = {tier: short for tier, short in lacking.items() if tier != names.EUREKA}
    return Readiness(len(tiers), sum(not short for short in tiers.values()), pods, pods_ready, tuple(not_ready))


def merge_conditions(
    before: Sequence[Object], observed: Sequence[Observation], generation: int, now: str
) -> list[Object]:
    """The condition list with its times; the order of `observed` is kept."""
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
    """An event for every condition whose status or reason is another than before; steps on the way up need none."""
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
    """A merge patch of the status: fields that differ; None for those that are gone."""
    patch = {key: value for key, value in after.items() if before.get(key) != value}
    return patch | {key: None for key in before if key not in after}


def _short(text: str) -> str:
    return text if len(text) <= MOST_MESSAGE else text[: MOST_MESSAGE - 1] + "…"
