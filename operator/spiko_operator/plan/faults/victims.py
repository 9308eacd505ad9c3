"""Pure: which pods a `kill` ends. Where a kill is decided: `choose_victims`. What came of it is in `evidence.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spiko_operator.api.fault import MOST_VICTIMS, FaultSpec, Kill, Victim
from spiko_operator.plan import names

Object = dict[str, Any]
Draw = Callable[[int], int]  # n -> 0..n-1; seeded by the fault
_SCOPE = (("version", names.VERSION), ("region", names.REGION), ("zone", names.ZONE))


@dataclass(frozen=True)
class NoVictim:
    """Why nobody is chosen; `reason` is a condition's."""

    reason: str
    message: str


@dataclass(frozen=True)
class Chosen:
    """Whom to end, in this order. `note` says what is not as the spec has it, or nothing; `ready` counts the pods in scope."""

    victims: tuple[Victim, ...]
    ready: int
    note: str = ""


def is_ready(pod: Object) -> bool:
    """Ready, and not on its way out."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def ready_of(pods: Sequence[Object], tier: str) -> list[Object]:
    """The ready pods of a tier in the order of their names: what is drawn from."""
    mine = [pod for pod in pods if is_ready(pod) and _label(pod, names.TIER) == tier]
    return sorted(mine, key=lambda pod: str(pod["metadata"]["name"]))


def choose_victims(spec: FaultSpec, pods: Sequence[Object], draw: Draw) -> Chosen | NoVictim:
    """The pods to end.

    Of a tier they are drawn without repetition from the ready pods in the order of their names, so the same seed and pods give the same
    victims in the same order, and a larger count only adds to a smaller one. Fewer ready pods than `count` are all taken, as other chaos
    tools do, and the note says so. A named pod must belong to the architecture, ready or not.

    Args:
        spec: the fault's.
        pods: those labelled with the architecture's name.
        draw: the seeded random source.
    """
    kill = spec.kill
    if kill.pod is not None:
        return _named(spec, kill.pod, pods)
    in_scope = _scope(kill, pods)
    if isinstance(in_scope, NoVictim):
        return in_scope
    ready = ready_of(in_scope, str(kill.tier))
    if not ready:
        return NoVictim("NoReadyPod", f"spec.kill: none of the {len(in_scope)} pods of {_describe(kill)} is ready")
    number, note = how_many(kill, len(ready))
    if number > MOST_VICTIMS:
        return NoVictim(
            "TooManyVictims",
            f"spec.kill.percent: {kill.percent} of {len(ready)} ready pods are {number} victims, at most {MOST_VICTIMS} go into one "
            "Fault: lower percent, narrow it by version, region or zone, or make several Faults",
        )
    left = list(ready)
    victims = tuple(victim_of(left.pop(draw(len(left)))) for _ in range(number))
    return Chosen(victims, len(ready), note)


def how_many(kill: Kill, ready: int) -> tuple[int, str]:
    """How many of so many ready pods, 1 or more, and what is to be said about it.

    >>> how_many(Kill(tier="web", percent=50), 5)
    (2, '')
    >>> how_many(Kill(tier="web", percent=1), 5)
    (1, '')
    """
    if kill.percent is not None:
        return max(1, ready * kill.percent // 100), ""
    count = kill.count or 1
    if count > ready:
        return (
            ready,
            f"spec.kill.count: {count}, but only {ready} are ready: all of them; scale the tier up to spare some",
        )
    return count, ""


def _named(spec: FaultSpec, name: str, pods: Sequence[Object]) -> Chosen | NoVictim:
    named = next((pod for pod in pods if pod["metadata"]["name"] == name), None)
    if named is None:
        return NoVictim("PodNotFound", f"spec.kill.pod: {name!r} is no pod of architecture {spec.architecture}")
    if spec.kill.method == "Crash" and _label(named, names.TIER) == names.EUREKA:
        text = f"spec.kill.method: Crash, but {name!r} is a eureka, which nobody could tell: use Delete with gracePeriodSeconds 0"
        return NoVictim("EurekaCannotCrash", text)
    return Chosen((victim_of(named),), 1)


def _scope(kill: Kill, pods: Sequence[Object]) -> list[Object] | NoVictim:
    """The tier's pods in scope, at least one; else which field names nobody, and what there is."""
    found = [pod for pod in pods if _label(pod, names.TIER) == kill.tier]
    if not found:
        known = _values(pods, names.TIER)
        return NoVictim("TierNotFound", f"spec.kill.tier: {kill.tier!r} has no pods; there are {known}")
    for field, label in _SCOPE:
        wanted = getattr(kill, field)
        if wanted is None:
            continue
        narrower = [pod for pod in found if _label(pod, label) == wanted]
        if not narrower:
            text = f"spec.kill.{field}: {kill.tier!r} has no pod in {field} {wanted!r} here; there are {_values(found, label)}"
            return NoVictim(f"{field.capitalize()}NotFound", text)
        found = narrower
    return found


def _describe(kill: Kill) -> str:
    parts = [f"{field} {value}" for field, _ in _SCOPE if (value := getattr(kill, field)) is not None]
    return ", ".join([repr(kill.tier), *parts])


def _label(pod: Object, key: str) -> str | None:
    value: str | None = (pod["metadata"].get("labels") or {}).get(key)
    return value


def _values(pods: Sequence[Object], label: str) -> str:
    return ", ".join(sorted({value for pod in pods if (value := _label(pod, label)) is not None})) or "none"


def restarts_of(pod: Object) -> int:
    """How often the pod's containers were started again."""
    return sum(int(c.get("restartCount", 0)) for c in pod.get("status", {}).get("containerStatuses") or ())


def victim_of(pod: Object) -> Victim:
    """A pod as it is written down."""
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
        restarts=restarts_of(pod),
        state="Planned",
    )


def refusing_budgets(victims: Sequence[Victim], budgets: Sequence[Object]) -> dict[str, str]:
    """Whose eviction would be refused now, if they were asked for in order: UID -> budget.

    A tier has exactly one budget, which allows a number of disruptions at this moment; one whose status is unknown refuses nobody.

    Args:
        victims: in order.
        budgets: the architecture's PodDisruptionBudgets.
    """
    by_tier = {_label(budget, names.TIER): budget for budget in budgets}
    left: dict[str, int] = {}
    refused = {}
    for victim in victims:
        budget = by_tier.get(victim.tier)
        allowed = (budget or {}).get("status", {}).get("disruptionsAllowed")
        if budget is None or allowed is None:
            continue
        name = str(budget["metadata"]["name"])
        if left.setdefault(name, int(allowed)) > 0:
            left[name] -= 1
        else:
            refused[victim.uid] = name
    return refused


def with_refusals(victims: Sequence[Victim], refused: Mapping[str, str]) -> list[Victim]:
    """The victims with the budgets that refuse them."""
    return [v.model_copy(update={"refused_by": refused[v.uid]}) if v.uid in refused else v for v in victims]
