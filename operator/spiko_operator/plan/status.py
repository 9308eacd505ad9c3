"""Pure: the observed conditions of an Architecture, except Ready."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from spiko_nanoservice.contract import Revision
from spiko_operator.api.reasons import Reason
from spiko_operator.plan.conditions import (
    ACCEPTED,
    APPLIED,
    PODS_VERIFIED,
    PROGRAMMED,
    STATE_VERIFIED,
    ZONES,
    Observation,
)
from spiko_operator.plan.nodes import Node, closed_zones, labeled_zones, open_zones
from spiko_operator.plan.objects import truncate
from spiko_operator.plan.topology import Topology


class Rejection(NamedTuple):
    """Why a spec is not accepted: the condition's reason, and a message for people."""

    reason: str
    message: str


@dataclass(frozen=True)
class EurekaReport:
    """The report of one eureka.

    Args:
        revision: of its configuration; None before the first.
        pods: how many are registered.
        acked: how many of them act on the configuration.
        complete: whether the eureka is connected to every other eureka of its region.
    """

    revision: Revision | None
    pods: int
    acked: int
    complete: bool = True


def accepted(rejections: Sequence[Rejection], in_effect: bool) -> Observation:
    """Observe whether the spec is accepted.

    Args:
        rejections: why not; the first one gives the reason.
        in_effect: whether an earlier spec is in effect.
    """
    if not rejections:
        return Observation(ACCEPTED, "True", Reason.VALID, "spec accepted")
    effect = "the last accepted spec stays in effect" if in_effect else "no spec is in effect"
    message = "; ".join(rejection.message for rejection in rejections)
    return Observation(ACCEPTED, "False", rejections[0].reason, truncate(f"{effect}: {message}"))


def applied(refused: Sequence[str]) -> Observation:
    """Observe whether the API server accepted every object; `refused` has a message for each refusal."""
    if not refused:
        return Observation(APPLIED, "True", Reason.ALL_APPLIED, "all objects applied")
    more = f"; and {len(refused) - 3} more" if len(refused) > 3 else ""
    return Observation(APPLIED, "False", Reason.REFUSED, truncate(f"{'; '.join(refused[:3])}{more}"))


def highest_unknown(sent: Revision, reports: Sequence[EurekaReport]) -> Revision | None:
    """Return the highest revision of the eurekas that is above the last one that was sent, or None."""
    held = [report.revision for report in reports if report.revision is not None and report.revision > sent]
    return max(held, default=None)


def state_verified(rebuilt: bool) -> Observation:
    """Observe whether the state was rebuilt since the last change of the spec: it was lost or changed."""
    if not rebuilt:
        return Observation(STATE_VERIFIED, "True", Reason.SIGNATURE_VALID, "the state has a valid signature")
    text = (
        "the state was missing or did not have the operator's signature, and was rebuilt from the spec and "
        "the Deployments; check who may write ConfigMaps; the next change of the spec clears this condition"
    )
    return Observation(STATE_VERIFIED, "False", Reason.STATE_REBUILT, text)


def pods_verified(unknown: Iterable[tuple[str, str]]) -> Observation:
    """Observe whether every registered pod is known to the API server; `unknown` has UID and address."""
    found = [f"{uid!r} at {address}" for uid, address in sorted(unknown)]
    if not found:
        return Observation(PODS_VERIFIED, "True", Reason.ALL_PODS_KNOWN, "every registered pod is known")
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    text = (
        f"registered at eurekas, but not known to the API server: {', '.join(found[:3])}{more}; a client has "
        "the join key of this Architecture: check who may read its Secret, and raise SPIKO_KEY_EPOCH twice"
    )
    return Observation(PODS_VERIFIED, "False", Reason.UNKNOWN_POD, truncate(text))


def unknown_revision(held: Revision) -> Observation:
    """Observe that a eureka has a configuration that this operator did not send."""
    done = "it is replaced" if held.next() else "no higher revision exists; delete the eureka pods"
    text = f"a eureka has configuration {held}, which this operator did not send: {done}"
    return Observation(PROGRAMMED, "False", Reason.UNKNOWN_REVISION, text)


def programmed(
    revision: Revision,
    eurekas: int,
    pods: int,
    reports: Sequence[EurekaReport],
    first: int = 0,
) -> Observation:
    """Observe whether every eureka has the configuration and every pod acts on it.

    Args:
        revision: of the configuration.
        eurekas: how many there must be.
        pods: how many are Ready, and therefore registered: a report that counts fewer is outdated.
        reports: the last report of each connected eureka.
        first: how many must have been Ready for the first start; 0 once the Architecture was started. Pods
            become Ready one after another, and the condition must not come and go with each of them.
    """
    current = [report for report in reports if report.revision == revision]
    if len(current) < eurekas:
        pending = f"{len(current)} of {eurekas} eurekas have configuration {revision}"
    elif not all(report.complete for report in current):
        pending = "not all eurekas are connected to each other yet"
    elif pods < first:
        pending = f"not all {first} pods are Ready for the first time yet"
    elif (counted := sum(report.pods for report in current)) < pods:
        pending = f"eurekas report {counted} of {pods} pods"
    elif any(report.acked < report.pods for report in current):
        pending = f"not every pod has acknowledged configuration {revision} yet"
    else:
        acknowledged = f"every pod acts on configuration {revision}"
        return Observation(PROGRAMMED, "True", Reason.ALL_PODS_ACKNOWLEDGED, acknowledged)
    return Observation(PROGRAMMED, "False", Reason.PENDING, pending)


def zones_labeled(
    topology: Topology, nodes: Sequence[Node], tolerations: Sequence[Mapping[str, str]], reassigned: bool
) -> Observation:
    """Observe whether every zone of the topology is the zone of a node.

    Args:
        topology: in effect.
        nodes: that exist.
        tolerations: of the pods, `spec.runtime.tolerations`.
        reassigned: whether an earlier topology was lost and this one was chosen instead.
    """
    usable, labeled = open_zones(nodes, tolerations), labeled_zones(nodes)
    if logical := [zone.name for zone in topology.zones if zone.logical]:
        text = "no node is labeled with these zones; pods are spread on a best-effort basis"
        if labeled and not usable:
            text = f"all labeled nodes are cordoned or have taints, and {text}"
        return _zones("False", Reason.LOGICAL_ZONES, text, logical, reassigned)
    used = [(region.name, zone.name) for region in topology.regions for zone in region.zones]
    if missing := [zone for region, zone in used if zone not in labeled.get(region, ())]:
        text = "no node is labeled with these zones; their pods stay Pending"
        return _zones("False", Reason.ZONES_WITHOUT_NODES, text, missing, reassigned)
    closed = closed_zones(nodes, tolerations)
    # A node that is cordoned for an upgrade keeps its labels and its pods, so the condition stays True.
    if shut := [f"{place[1]} ({closed[place]})" for place in used if place in closed]:
        text = "nodes of these zones are cordoned or have taints; new pods of these zones stay Pending"
        return _zones("True", Reason.ZONES_UNSCHEDULABLE, text, shut, reassigned)
    regions = {region.name for region in topology.regions}
    if others := [z for name in usable if name in regions for z in usable[name] if (name, z) not in used]:
        text = "nodes also have these zones; add them to spec.topology to use them"
        return _zones("True", Reason.MORE_ZONES, text, others, reassigned)
    return _zones("True", Reason.LABELED, "every zone is the label of a node", (), reassigned)


def _zones(status: str, reason: Reason, text: str, places: Sequence[str], reassigned: bool) -> Observation:
    lost = "state and annotations were lost: zones were reassigned, pods may have moved" if reassigned else ""
    listed = f": {', '.join(places)}" if places else ""
    return Observation(ZONES, status, reason, truncate(f"{text}{listed}{'; ' if lost else ''}{lost}"))
