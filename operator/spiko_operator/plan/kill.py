"""Pure: which pod a `kill` ends, and what its evidence adds up to. Where a kill is decided: `choose_victim`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spiko_operator.api.fault import FaultSpec, Victim
from spiko_operator.plan import names

Object = dict[str, Any]
Draw = Callable[[int], int]  # n -> 0..n-1; seeded by the fault


@dataclass(frozen=True)
class NoVictim:
    """Why nobody is chosen; `reason` is a condition's."""

    reason: str
    message: str


def is_ready(pod: Object) -> bool:
    """Ready, and not on its way out."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def choose_victim(spec: FaultSpec, pods: Sequence[Object], draw: Draw) -> Victim | NoVictim:
    """The pod to end.

    Of a tier it is drawn from the ready pods in the order of their names, so the same seed and pods give the same victim. A named pod must
    belong to the architecture, ready or not.

    Args:
        spec: the fault's.
        pods: those labelled with the architecture's name.
        draw: the seeded random source.
    """
    kill = spec.kill
    if kill.pod is not None:
        named = next((pod for pod in pods if pod["metadata"]["name"] == kill.pod), None)
        if named is None:
            return NoVictim("PodNotFound", f"spec.kill.pod: {kill.pod!r} is no pod of architecture {spec.architecture}")
        return _victim(named)
    tier = [pod for pod in pods if (pod["metadata"].get("labels") or {}).get(names.TIER) == kill.tier]
    ready = sorted((pod for pod in tier if is_ready(pod)), key=lambda pod: str(pod["metadata"]["name"]))
    if not ready:
        known = sorted({str(pod["metadata"]["labels"].get(names.TIER)) for pod in pods})
        if not tier:
            return NoVictim(
                "TierNotFound", f"spec.kill.tier: {kill.tier!r} has no pods; there are {', '.join(known) or 'none'}"
            )
        return NoVictim("NoReadyPod", f"spec.kill.tier: none of the {len(tier)} pods of {kill.tier!r} is ready")
    return _victim(ready[draw(len(ready))])


def _victim(pod: Object) -> Victim:
    metadata = pod["metadata"]
    labels = metadata.get("labels") or {}
    owner = next((o for o in metadata.get("ownerReferences") or () if o["kind"] == "ReplicaSet"), None)
    return Victim(
        pod=metadata["name"],
        uid=metadata["uid"],
        tier=labels.get(names.TIER, ""),
        version=labels.get(names.VERSION, ""),
        place="/".join(labels[key] for key in (names.REGION, names.ZONE) if key in labels),
        replica_set=owner["name"] if owner else None,
        state="Planned",
    )


def replacement(victim: Victim, before: frozenset[str], pods: Sequence[Object]) -> str | None:
    """The name of a ready pod of the victim's ReplicaSet that was not there before the act, or None."""
    for pod in pods:
        owners = pod["metadata"].get("ownerReferences") or ()
        mine = any(owner["kind"] == "ReplicaSet" and owner["name"] == victim.replica_set for owner in owners)
        if mine and pod["metadata"]["uid"] not in before and is_ready(pod):
            return str(pod["metadata"]["name"])
    return None


@dataclass
class Evidence:
    """What eurekas tell of one victim; milliseconds since the act. Fed by `hear`, read by `victim`.

    `holders` counts, per eureka, the callers that acknowledged a table with the victim in it; it is noticed when all counts are 0.
    """

    holders: dict[str, int] = field(default_factory=dict)
    callers: int = 0
    noticed_ms: int | None = None
    replaced_ms: int | None = None
    replaced_by: str | None = None
    hurt: int = 0

    def hear(self, message: Mapping[str, Any], acted: bool, since_ms: int) -> None:
        """Take one message: `holders` or `hurt`.

        Args:
            message: as the eureka sent it, with `eureka`.
            acted: whether the pod has been touched yet.
            since_ms: since the act.
        """
        if message["t"] == "hurt":
            if acted:
                self.hurt += sum(int(n) for n in message["errors"].values())
            return
        self.holders[str(message["eureka"])] = int(message["holders"])
        total = sum(self.holders.values())
        if not acted:
            self.callers = total
        elif total == 0 and self.noticed_ms is None:
            self.noticed_ms = since_ms

    @property
    def complete(self) -> bool:
        """Whether nothing more is awaited but late reports."""
        return self.noticed_ms is not None and self.replaced_ms is not None

    def victim(self, victim: Victim) -> Victim:
        """The victim with its evidence."""
        return victim.model_copy(
            update={
                "callers": self.callers,
                "noticed_milliseconds": self.noticed_ms,
                "replaced_milliseconds": self.replaced_ms,
                "replaced_by": self.replaced_by,
                "requests_hurt": self.hurt,
            }
        )


def summarise(victim: Victim) -> str:
    """One line for people.

    >>> summarise(Victim(pod="p", uid="u", tier="t", version="1.0.0", place="r/z", state="Refused"))
    'p: eviction refused by a disruption budget'
    """
    if victim.state == "Refused":
        return f"{victim.pod}: eviction refused by a disruption budget"
    if victim.state == "Gone":
        return f"{victim.pod}: had gone by itself"
    if victim.state == "Planned":
        return f"{victim.pod}: chosen"
    noticed = (
        f"noticed after {victim.noticed_milliseconds} ms"
        if victim.noticed_milliseconds is not None
        else "not seen noticed"
    )
    replaced = (
        f"replaced after {victim.replaced_milliseconds} ms"
        if victim.replaced_milliseconds is not None
        else "not seen replaced"
    )
    return f"{victim.pod}: killed, {noticed}, {replaced}, {victim.requests_hurt or 0} requests hurt"
