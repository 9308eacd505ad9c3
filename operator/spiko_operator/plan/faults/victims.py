"""Pure: the pods that a `kill` selects: see `choose_victims`."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass

from spiko_operator.api.fault import MOST_VICTIMS, Kill, Victim
from spiko_operator.api.reasons import Reason
from spiko_operator.plan import names
from spiko_operator.plan.objects import Object, is_ready, labels_of, replica_set_of

Draw = Callable[[int], int]  # n -> 0..n-1; seeded by the fault
# Fields of a kill that narrow its tier: the label that they compare, and the reason if no pod has the value.
_SCOPE = (
    ("version", names.VERSION, Reason.VERSION_NOT_FOUND),
    ("region", names.REGION, Reason.REGION_NOT_FOUND),
    ("zone", names.ZONE, Reason.ZONE_NOT_FOUND),
)


@dataclass(frozen=True)
class NoVictim:
    """Why no pod can be selected now: reason and message of the condition Accepted."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Chosen:
    """The selected victims.

    Args:
        victims: in draw order.
        ready: number of ready pods in scope.
        note: how the selection differs from the spec, or empty.
    """

    victims: tuple[Victim, ...]
    ready: int
    note: str = ""


def ready_of(pods: Sequence[Object], tier: str) -> list[Object]:
    """Return the ready pods of a tier, sorted by name: victims are drawn from them."""
    mine = [pod for pod in pods if is_ready(pod) and _label(pod, names.TIER) == tier]
    return sorted(mine, key=lambda pod: str(pod["metadata"]["name"]))


def is_candidate(kill: Kill, pod: Object) -> bool:
    """Whether the kill names the pod or its tier."""
    if kill.pod is not None:
        return bool(pod["metadata"]["name"] == kill.pod)
    return _label(pod, names.TIER) == kill.tier


def choose_victims(
    kill: Kill, architecture: str, pods: Sequence[Object], draw: Draw, taken: Container[str] = ()
) -> Chosen | NoVictim:
    """Return the victims in draw order.

    Victims of a tier are drawn without repetition from its ready pods, sorted by name: the same seed and pods
    give the same victims in the same order, and a larger count adds victims to those of a smaller count. If
    fewer than `count` pods are ready, all of them are selected, and the note reports it. A named pod must
    belong to the architecture; it need not be ready.

    Args:
        kill: of the Fault.
        architecture: its name.
        pods: the pods of the architecture.
        draw: n -> 0..n-1, seeded.
        taken: UIDs of the victims of other Faults and of the chaos monkey, which are not drawn.
    """
    if kill.pod is not None:
        return _named(kill, kill.pod, architecture, pods, taken)
    in_scope = _scope(kill, pods)
    if isinstance(in_scope, NoVictim):
        return in_scope
    ready = ready_of(in_scope, str(kill.tier))
    if not ready:
        return NoVictim(
            Reason.NO_READY_POD, f"spec.kill: no pod of {_describe(kill)} is ready ({_count(in_scope)})"
        )
    left = [pod for pod in ready if pod["metadata"]["uid"] not in taken]
    if not left:
        text = f"spec.kill: {_count(ready)} of {_describe(kill)} ready, all victims of another fault"
        return NoVictim(Reason.POD_TAKEN, text)
    return _draw(kill, len(ready), left, draw)


def _draw(kill: Kill, ready: int, left: list[Object], draw: Draw) -> Chosen | NoVictim:
    """Draw from the ready pods that are left, which are at least one."""
    number, note = how_many(kill, ready)
    if number > MOST_VICTIMS:
        return NoVictim(
            Reason.TOO_MANY_VICTIMS,
            f"spec.kill.percent: {kill.percent} selects {number} of {ready} ready pods; a Fault is "
            f"limited to {MOST_VICTIMS}. Lower percent, narrow the scope by version, region or zone, or "
            "create several Faults",
        )
    if number > len(left):
        note = f"{ready - len(left)} of {ready} ready pods are victims of another fault"
        number = len(left)
    victims = tuple(victim_of(left.pop(draw(len(left)))) for _ in range(number))
    return Chosen(victims, ready, note)


def how_many(kill: Kill, ready: int) -> tuple[int, str]:
    """Return the number of ready pods to select, at least 1, and a note if it is smaller than `count`.

    >>> how_many(Kill(tier="web", percent=50), 5)
    (2, '')
    >>> how_many(Kill(tier="web", percent=1), 5)
    (1, '')
    """
    if kill.percent is not None:
        return max(1, ready * kill.percent // 100), ""
    count = kill.count or 1
    if count > ready:
        killing = f"spec.kill.count: {count}, but only {ready} pods are ready; killing all {ready}"
        return ready, f"{killing}. Scale the tier up to keep some"
    return count, ""


def _named(
    kill: Kill, name: str, architecture: str, pods: Sequence[Object], taken: Container[str]
) -> Chosen | NoVictim:
    named = next((pod for pod in pods if pod["metadata"]["name"] == name), None)
    if named is None:
        text = f"spec.kill.pod: pod {name!r} does not belong to architecture {architecture!r}"
        return NoVictim(Reason.POD_NOT_FOUND, text)
    if kill.method == "Crash" and _label(named, names.TIER) == names.EUREKA:
        text = (
            f"spec.kill.method: Crash cannot target {name!r}, a eureka: crashes are delivered through "
            "eurekas. Use method: Delete with gracePeriodSeconds: 0"
        )
        return NoVictim(Reason.EUREKA_CANNOT_CRASH, text)
    if named["metadata"]["uid"] in taken:
        return NoVictim(Reason.POD_TAKEN, f"spec.kill.pod: {name!r} is the victim of another fault")
    return Chosen((victim_of(named),), 1)


def _scope(kill: Kill, pods: Sequence[Object]) -> list[Object] | NoVictim:
    """Return the tier's pods in scope; if there are none, the field that matches no pod."""
    found = [pod for pod in pods if _label(pod, names.TIER) == kill.tier]
    if not found:
        known = _values(pods, names.TIER)
        return NoVictim(
            Reason.TIER_NOT_FOUND, f"spec.kill.tier: {kill.tier!r} has no pods; tiers with pods are: {known}"
        )
    for field, label, reason in _SCOPE:
        wanted = getattr(kill, field)
        if wanted is None:
            continue
        narrower = [pod for pod in found if _label(pod, label) == wanted]
        if not narrower:
            text = (
                f"spec.kill.{field}: {wanted!r} matches no pod of {kill.tier!r}; existing values: "
                f"{_values(found, label)}"
            )
            return NoVictim(reason, text)
        found = narrower
    return found


def _count(pods: Sequence[Object]) -> str:
    return f"{len(pods)} pod{'' if len(pods) == 1 else 's'}"


def _describe(kill: Kill) -> str:
    parts = [f"{field} {value}" for field, _, _ in _SCOPE if (value := getattr(kill, field)) is not None]
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

    return Victim(
        pod=metadata["name"],
        uid=metadata["uid"],
        tier=labels.get(names.TIER, ""),
        version=labels.get(names.VERSION, ""),
        place="/".join(labels[key] for key in (names.REGION, names.ZONE) if key in labels),
        replica_set=replica_set_of(pod),
        restarts=restarts_of(pod),
        state="Planned",
    )


def refusing_budgets(victims: Sequence[Victim], budgets: Sequence[Object]) -> dict[str, str]:
    """Return the victims whose eviction would be refused now: UID -> name of the budget.

    A tier has exactly one budget. A budget without a status refuses no eviction.

    Args:
        victims: in draw order.
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
