"""Pure: which pods a `kill` selects: `choose_victims`. The evidence of a kill is in `evidence.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from spiko_operator.api.fault import MOST_VICTIMS, Kill, Victim
from spiko_operator.plan import names
from spiko_operator.plan.objects import Object, is_ready, labels_of

Draw = Callable[[int], int]  # n -> 0..n-1; seeded by the fault
_SCOPE = (("version", names.VERSION), ("region", names.REGION), ("zone", names.ZONE))


@dataclass(frozen=True)
class NoVictim:
    """Why no pod can be selected now; `reason` is that of the condition."""

    reason: str
    message: str


@dataclass(frozen=True)
class Chosen:
    """The victims in draw order. `ready` counts the pods in scope; `note` says where the selection differs from the spec, or is empty."""

    victims: tuple[Victim, ...]
    ready: int
    note: str = ""


def ready_of(pods: Sequence[Object], tier: str) -> list[Object]:
    """Return the ready pods of a tier in the order of their names: victims are drawn from them."""
    mine = [pod for pod in pods if is_ready(pod) and _label(pod, names.TIER) == tier]
    return sorted(mine, key=lambda pod: str(pod["metadata"]["name"]))


def choose_victims(kill: Kill, architecture: str, pods: Sequence[Object], draw: Draw) -> Chosen | NoVictim:
    """Return the victims in draw order.

    Those of a tier are drawn without repetition from its ready pods in the order of their names: the same seed and pods give the same
    victims in the same order, and a larger count only adds to a smaller one. If fewer pods than `count` are ready, all of them are
    selected, as in other chaos tools, and the note says so. A named pod must belong to the architecture, ready or not.

    Args:
        kill: the Fault's.
        architecture: its name.
        pods: those labeled with the architecture's name.
        draw: n -> 0..n-1, seeded.
    """
    if kill.pod is not None:
        return _named(kill, kill.pod, architecture, pods)
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
            f"spec.kill.percent: {kill.percent} selects {number} of {len(ready)} ready pods; a Fault is limited to "
            f"{MOST_VICTIMS}. Lower percent, narrow the scope by version, region or zone, or create several Faults",
        )
    left = list(ready)
    victims = tuple(victim_of(left.pop(draw(len(left)))) for _ in range(number))
    return Chosen(victims, len(ready), note)


def how_many(kill: Kill, ready: int) -> tuple[int, str]:
    """Return how many of so many ready pods to select, 1 or more, and the note if they are fewer than `count`.

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
            f"spec.kill.count: {count}, but only {ready} pods are ready; killing all {ready}. Scale the tier up to keep some",
        )
    return count, ""


def _named(kill: Kill, name: str, architecture: str, pods: Sequence[Object]) -> Chosen | NoVictim:
    named = next((pod for pod in pods if pod["metadata"]["name"] == name), None)
    if named is None:
        text = f"spec.kill.pod: pod {name!r} does not belong to architecture {architecture!r}"
        return NoVictim("PodNotFound", text)
    if kill.method == "Crash" and _label(named, names.TIER) == names.EUREKA:
        text = (
            f"spec.kill.method: Crash cannot target {name!r}, a eureka: crashes are delivered through eurekas. "
            "Use method: Delete with gracePeriodSeconds: 0"
        )
        return NoVictim("EurekaCannotCrash", text)
    return Chosen((victim_of(named),), 1)


def _scope(kill: Kill, pods: Sequence[Object]) -> list[Object] | NoVictim:
    """Return the tier's pods in scope, at least one; else which field matches no pod, and which values exist."""
    found = [pod for pod in pods if _label(pod, names.TIER) == kill.tier]
    if not found:
        known = _values(pods, names.TIER)
        return NoVictim("TierNotFound", f"spec.kill.tier: {kill.tier!r} has no pods; tiers with pods are: {known}")
    for field, label in _SCOPE:
        wanted = getattr(kill, field)
        if wanted is None:
            continue
        narrower = [pod for pod in found if _label(pod, label) == wanted]
        if not narrower:
            text = f"spec.kill.{field}: {wanted!r} matches no pod of {kill.tier!r}; existing values: {_values(found, label)}"
            return NoVictim(f"{field.capitalize()}NotFound", text)
        found = narrower
    return found


def _describe(kill: Kill) -> str:
    parts = [f"{field} {value}" for field, _ in _SCOPE if (value := getattr(kill, field)) is not None]
    return ", ".join([repr(kill.tier), *parts])


def _label(pod: Object, key: str) -> str | None:
    return labels_of(pod).get(key)


def _values(pods: Sequence[Object], label: str) -> str:
    return ", ".join(sorted({value for pod in pods if (value := _label(pod, label)) is not None})) or "none"


def restarts_of(pod: Object) -> int:
    """Return how often the pod's containers were restarted."""
    return sum(int(c.get("restartCount", 0)) for c in pod.get("status", {}).get("containerStatuses") or ())


def victim_of(pod: Object) -> Victim:
    """Return the record of a pod that is to be killed."""
    metadata = pod["metadata"]
    labels = labels_of(pod)
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
    """Return the victims whose eviction would be refused now, if requested in order: UID -> name of the budget.

    A tier has exactly one budget, which allows a number of disruptions at this moment; one without a status refuses no eviction.

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
    """Return the victims with the budgets that would refuse them."""
    return [v.model_copy(update={"refused_by": refused[v.uid]}) if v.uid in refused else v for v in victims]
