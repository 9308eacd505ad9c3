"""Pure: the chaos monkey of an Architecture: which pod it kills next, and when. See `plan_monkey`.

Theory of operation. The time between two kills is `minSeconds` plus an exponentially distributed time, so
that the mean is `meanSeconds` and no interval is shorter than the minimum. The time and the victim are hashes
of the seed and the number of the draw: there is no random source with a state, and an operator that restarts
reads the state of the schedule from the status (`draw`, `since`).

One draw is one kill. The operator records the victim while the draw is open, kills the pod, and then counts
the kill and closes the draw in one write. If a recorded victim no longer exists, an earlier operator killed
it and stopped before counting it. If it still exists, it is killed now, unless the monkey was switched off
meanwhile. An operator that recorded the victim itself knows whether it has sent a request; without one, a
victim that is gone was ended by another client, and another one is drawn.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from spiko_operator.api.architecture import Monkey
from spiko_operator.api.architecture_status import ChaosStatus, MonkeyKill, SelectedVictim
from spiko_operator.api.fault import Victim
from spiko_operator.api.reasons import Reason
from spiko_operator.plan import names
from spiko_operator.plan.actions import Emit
from spiko_operator.plan.conditions import ACCEPTED, READY
from spiko_operator.plan.faults.evidence import is_going
from spiko_operator.plan.faults.monkey_schedule import interval_s, uniform
from spiko_operator.plan.faults.victims import ready_of, victim_of
from spiko_operator.plan.objects import Object, condition, labels_of
from spiko_operator.plan.timestamps import later, span_s

LEAST_READY = 2  # never kill the last pod of a tier
MOST_RECENT = 8
BLOCKED_S = 1.0  # between attempts while a kill is due and blocked
_NOT_SCHEDULED: Object = dict.fromkeys(("seed", "draw", "since", "nextAt", "waiting"))


@dataclass(frozen=True)
class ObservedTier:
    """The observed state that a decision depends on, besides spec and status.

    Args:
        tier: its name.
        blocked: why no pod may be killed now, or empty.
        desired: number of desired pods of the tier.
        pods: the tier's pods; None if they were not listed, since few decisions need them.
        now: the time, in the format of Kubernetes.
        taken: UIDs of the victims of running Faults, which are not drawn.
        unsent: whether no request was sent to the recorded victim: if it is gone, the monkey did not kill it.
        refused: why this operator does not kill by the monkey's method, or empty.
    """

    tier: str
    blocked: str
    desired: int
    pods: Sequence[Object] | None
    now: str
    taken: Container[str] = ()
    unsent: bool = False
    refused: str = ""


@dataclass(frozen=True)
class Next:
    """The next action.

    Args:
        chaos: fields of `status.chaos` to write.
        events: to emit with the write.
        list_pods: whether to list the tier's pods and decide again.
        kill: the pod to kill.
        after_s: in how many seconds to decide again; None if only a change of the Architecture can lead to an
            action.
    """

    chaos: Object | None = None
    events: tuple[Emit, ...] = ()
    list_pods: bool = False
    kill: SelectedVictim | None = None
    after_s: float | None = None


def find_blocker(architecture: Object, started: bool) -> str:
    """Return why no pod may be killed now; empty if the spec is accepted and the Architecture is Ready.

    Args:
        architecture: the object.
        started: whether it was ever Ready, by its state.
    """
    metadata = architecture["metadata"]
    for kind, text in ((ACCEPTED, "the spec is not accepted"), (READY, "the architecture is not Ready")):
        found = condition(architecture, kind)
        if found.get("status") != "True" or found.get("observedGeneration") != metadata["generation"]:
            return text
    return "" if started else "the architecture was never Ready"


def desired_of(deployments: Iterable[Object], tier: str) -> int:
    """Return the number of desired pods of a tier: the sum of its Deployments."""
    mine = (d for d in deployments if labels_of(d).get(names.TIER) == tier)
    return sum(int(d["spec"].get("replicas", 1)) for d in mine)


def plan_monkey(monkey: Monkey, chaos: ChaosStatus, observed: ObservedTier) -> Next:
    """Return the next action.

    Args:
        monkey: the effective settings; mode Off if the spec has none.
        chaos: the recorded state of the monkey.
        observed: the observed state of the tier.
    """
    is_current = (chaos.mode, chaos.seed) == (monkey.mode, monkey.seed)
    if chaos.victim is not None:
        stays = is_current and monkey.mode == "Enforce" and not observed.refused
        return _resume(monkey, chaos, observed, chaos.victim, stays=stays)
    if monkey.mode == "Off":
        return _off(chaos)
    if observed.refused:
        return _refuse(chaos, observed.refused)
    if not is_current or chaos.since is None or chaos.draw is None:
        return _start(monkey, observed)
    due_s = interval_s(monkey, chaos.draw)
    next_at = later(chaos.since, due_s)
    if next_at != chaos.next_at:
        return Next(chaos={"nextAt": next_at}, after_s=0.0)
    left_s = due_s - span_s(chaos.since, observed.now)
    if left_s > 0:
        return Next(after_s=left_s)
    if observed.blocked:
        return _wait(chaos, observed.blocked)
    if observed.pods is None:
        return Next(list_pods=True)
    return _draw(monkey, chaos, observed, ready_of(observed.pods, observed.tier), chaos.draw)


def _off(chaos: ChaosStatus) -> Next:
    if chaos.mode in (None, "Off"):
        return Next({"waiting": None} if chaos.waiting else None)
    return Next(
        {"mode": "Off", **_NOT_SCHEDULED}, (Emit("Normal", "MonkeyOff", "the monkey is off", "Kill"),)
    )


def _refuse(chaos: ChaosStatus, why: str) -> Next:
    """Stop the schedule and report why, once."""
    if chaos.mode is None and chaos.waiting == why:
        return Next()
    written = {"mode": None, **_NOT_SCHEDULED, "waiting": why}
    return Next(written, (Emit("Warning", Reason.DELETE_NOT_ALLOWED, why, "Kill"),))


def _start(monkey: Monkey, observed: ObservedTier) -> Next:
    next_at = later(observed.now, interval_s(monkey, 0))
    started = {
        "mode": monkey.mode,
        "seed": monkey.seed,
        "draw": 0,
        "since": observed.now,
        "nextAt": next_at,
        "waiting": None,
    }
    text = (
        f"{monkey.mode}: a pod of {observed.tier} every {monkey.mean_seconds} s on average, the first not "
        f"before {next_at}"
    )
    return Next(started, (Emit("Normal", "MonkeyOn", text, "Kill"),), after_s=0.0)


def _wait(chaos: ChaosStatus, why: str) -> Next:
    """Record why the kill is blocked, if that is not recorded yet."""
    return Next(chaos={"waiting": why} if why != chaos.waiting else None, after_s=BLOCKED_S)


def _draw(
    monkey: Monkey, chaos: ChaosStatus, observed: ObservedTier, ready: Sequence[Object], draw: int
) -> Next:
    """Select one of the ready pods, sorted by name. All desired pods of the tier must be ready."""
    if len(ready) < LEAST_READY:
        return _wait(chaos, f"{observed.tier} has fewer than {LEAST_READY} ready pods")
    if len(ready) < observed.desired:
        return _wait(chaos, f"not every pod of {observed.tier} is ready")
    free = [pod for pod in ready if pod["metadata"]["uid"] not in observed.taken]
    if len(free) < LEAST_READY:
        return _wait(chaos, f"{observed.tier} has fewer than {LEAST_READY} ready pods that no Fault kills")
    victim = victim_of(free[int(uniform(monkey.seed or 0, draw, "victim") * len(free))])
    if monkey.mode == "DryRun":
        event = Emit(
            "Normal",
            "MonkeyWouldKill",
            f"draw {draw}: {_describe(victim.pod, victim.tier, victim.place)}",
            "Kill",
        )
        return Next(_closed(monkey, draw, observed.now), (event,), after_s=0.0)
    fields = {"pod", "uid", "tier", "version", "place", "replica_set"}
    selected = victim.model_dump(mode="json", by_alias=True, exclude_none=True, include=fields)
    return Next({"victim": selected, "waiting": None}, after_s=0.0)


def _resume(
    monkey: Monkey, chaos: ChaosStatus, observed: ObservedTier, victim: SelectedVictim, stays: bool
) -> Next:
    """Kill the recorded victim; count it if it is gone; release it if the monkey was switched off.

    A pod that is gone before a request was sent is released as well, and another one is drawn.
    """
    if observed.pods is None:
        return Next(list_pods=True)
    if is_going(Victim(**victim.model_dump(), state="Planned"), observed.pods):
        if observed.unsent:
            return Next({"victim": None}, after_s=0.0)
        written, event = count(monkey, chaos, victim, observed.now)
        return Next(written, (event,), after_s=0.0)
    if not stays:
        return Next({"victim": None}, after_s=0.0)
    return _wait(chaos, observed.blocked) if observed.blocked else Next(kill=victim)


def _closed(monkey: Monkey, draw: int, now: str) -> Object:
    """Return the write that closes the draw, so that the interval of the next one starts."""
    next_at = later(now, interval_s(monkey, draw + 1))
    return {"draw": draw + 1, "since": now, "nextAt": next_at, "waiting": None}


def count(monkey: Monkey, chaos: ChaosStatus, victim: SelectedVictim, now: str) -> tuple[Object, Emit]:
    """Return the write that counts a kill, records it and closes the draw, and its event.

    Args:
        monkey: the effective settings.
        chaos: the recorded state of the monkey.
        victim: as recorded.
        now: time of the kill.
    """
    kills = (chaos.kills or 0) + 1
    kill = MonkeyKill(pod=victim.pod, uid=victim.uid, tier=victim.tier, place=victim.place, at=now)
    recent = [kill, *(chaos.recent or ())][:MOST_RECENT]
    written: Object = {"victim": None, "kills": kills, "recent": _written(recent)}
    if chaos.draw is not None:
        written |= _closed(monkey, chaos.draw, now)
    how = "Delete without grace" if monkey.method == "Delete" else "Evict"
    text = f"kill {kills}: {how} of {_describe(victim.pod, victim.tier, victim.place)}"
    return written, Emit("Normal", "MonkeyKilled", text, "Kill")


def with_evidence(chaos: ChaosStatus, victim: Victim) -> Object | None:
    """Return the write that adds the evidence of a kill; None if the status no longer has the kill."""
    update = {
        "noticed_milliseconds": victim.noticed_milliseconds,
        "replaced_milliseconds": victim.replaced_milliseconds,
        "failed_requests": victim.failed_requests,
    }
    recent = [
        kill.model_copy(update=update) if kill.uid == victim.uid else kill for kill in chaos.recent or ()
    ]
    return {"recent": _written(recent)} if recent != chaos.recent else None


def _written(recent: Sequence[MonkeyKill]) -> list[Object]:
    return [kill.model_dump(mode="json", by_alias=True, exclude_none=True) for kill in recent]


def _describe(pod: str, tier: str, place: str) -> str:
    return f"pod {pod} ({tier}, {place or 'no zone'})"
