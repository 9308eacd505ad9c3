"""Pure: the chaos monkey of an Architecture: which pod it kills next, and when. Its kills are decided in `plan_monkey`.

Theory of operation. Two kills are `minSeconds` plus an exponentially distributed time apart, so that the mean is `meanSeconds` and
no gap is shorter than the minimum. The time and the victim follow from the seed and the number of the draw, by a hash: no random
source is kept, and an operator that restarts reads the state of the schedule in the status (`draw`, `since`). One draw is one kill.
The operator records the victim while the draw is open, kills the pod, and only then counts it and closes the draw, in one write. A
recorded victim that no longer exists was killed by an operator that stopped before counting it; one that still exists is killed
now, unless the monkey was switched off meanwhile.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spiko_operator.api.architecture import ChaosStatus, Monkey, MonkeyKill, SelectedVictim
from spiko_operator.api.fault import Victim
from spiko_operator.plan import names
from spiko_operator.plan.actions import Emit
from spiko_operator.plan.faults.evidence import is_going
from spiko_operator.plan.faults.fault_status import derive_seed
from spiko_operator.plan.faults.victims import ready_of, victim_of
from spiko_operator.plan.objects import Object
from spiko_operator.plan.state import is_started
from spiko_operator.plan.status import ACCEPTED, READY
from spiko_operator.plan.timestamps import later, span_s

LEAST_READY = 2  # never kill the last pod of a tier
MOST_RECENT = 8
BLOCKED_S = 1.0  # between attempts while a kill is due and blocked


@dataclass(frozen=True)
class ObservedTier:
    """What a decision depends on besides spec and status.

    `blocked` says why no pod may be killed now, or is empty; `desired` is how many pods the tier should have; `pods` are the tier's,
    None if they were not listed: few decisions need them.
    """

    tier: str
    blocked: str
    desired: int
    pods: Sequence[Object] | None
    now: str


@dataclass(frozen=True)
class Next:
    """What to do: write `chaos` into the status and emit `events`; list the pods and decide again; kill `kill`; requeue after `after_s`."""

    chaos: Object | None = None
    events: tuple[Emit, ...] = ()
    look: bool = False
    kill: SelectedVictim | None = None
    after_s: float | None = None


def uniform(seed: int, draw: int, what: str) -> float:
    """Return a number from 0 to below 1 that follows from the seed, the draw's number and its purpose."""
    digest = hashlib.sha256(f"{seed}/{draw}/{what}".encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48


def interval_s(monkey: Monkey, draw: int) -> float:
    """Return the seconds from the last draw to this one: min + an exponential of mean (mean - min).

    >>> interval_s(Monkey(mean_seconds=60, min_seconds=60), 5)
    60.0
    """
    least = least_s(monkey)
    return least - (monkey.mean_seconds - least) * math.log(1.0 - uniform(monkey.seed or 0, draw, "interval"))


def effective(monkey: Monkey, uid: str) -> Monkey:
    """Return the settings with what the spec leaves out: method Evict, and a seed that derives from the Architecture's UID."""
    seed = derive_seed(uid) if monkey.seed is None else monkey.seed
    return monkey.model_copy(update={"seed": seed, "method": monkey.method or "Evict"})


def least_s(monkey: Monkey) -> float:
    """Return `minSeconds`; if left out, a tenth of the mean, 1 at least."""
    return float(monkey.min_seconds if monkey.min_seconds is not None else max(1, monkey.mean_seconds // 10))


def find_blocker(architecture: Object, state: Mapping[str, Any] | None) -> str:
    """Return why no pod may be killed now: the spec is not accepted, or the architecture is not Ready or never was; else nothing.

    Args:
        architecture: the object.
        state: its state ConfigMap, or None.
    """
    metadata = architecture["metadata"]
    conditions = {c["type"]: c for c in (architecture.get("status") or {}).get("conditions") or ()}
    for kind, text in ((ACCEPTED, "the spec is not accepted"), (READY, "the architecture is not Ready")):
        found = conditions.get(kind, {})
        if found.get("status") != "True" or found.get("observedGeneration") != metadata["generation"]:
            return text
    started = state is not None and is_started(state.get("data", {}))
    return "" if started else "the architecture was never Ready"


def desired_of(deployments: Iterable[Object], tier: str) -> int:
    """Return how many pods a tier should have, by its Deployments."""
    mine = (d for d in deployments if d["metadata"]["labels"].get(names.TIER) == tier)
    return sum(int(d["spec"].get("replicas", 1)) for d in mine)


def plan_monkey(monkey: Monkey, chaos: ChaosStatus, seen: ObservedTier) -> Next:
    """Return the next action, or when to requeue.

    Args:
        monkey: the effective settings; mode Off if the spec has none.
        chaos: the recorded state of the monkey.
        seen: the observed state of the tier.
    """
    begun = (chaos.mode, chaos.seed) == (monkey.mode, monkey.seed)
    if chaos.victim is not None:
        return _resume(monkey, chaos, seen, chaos.victim, stays=begun and monkey.mode == "Enforce")
    if monkey.mode == "Off":
        return _off(chaos)
    if not begun or chaos.since is None or chaos.draw is None:
        return _begin(monkey, seen)
    due_s = interval_s(monkey, chaos.draw)
    next_at = later(chaos.since, due_s)
    if next_at != chaos.next_at:
        return Next(chaos={"nextAt": next_at}, after_s=0.0)
    left_s = due_s - span_s(chaos.since, seen.now)
    if left_s > 0:
        return Next(after_s=left_s)
    if seen.blocked:
        return _wait(chaos, seen.blocked)
    if seen.pods is None:
        return Next(look=True)
    return _draw(monkey, chaos, seen, ready_of(seen.pods, seen.tier), chaos.draw)


def _off(chaos: ChaosStatus) -> Next:
    if chaos.mode in (None, "Off"):
        return Next()
    ended: Object = dict.fromkeys(("seed", "draw", "since", "nextAt", "waiting"))
    return Next({"mode": "Off", **ended}, (Emit("Normal", "MonkeyOff", "the monkey is off", "Kill"),))


def _begin(monkey: Monkey, seen: ObservedTier) -> Next:
    next_at = later(seen.now, interval_s(monkey, 0))
    begun = {
        "mode": monkey.mode,
        "seed": monkey.seed,
        "draw": 0,
        "since": seen.now,
        "nextAt": next_at,
        "waiting": None,
    }
    text = (
        f"{monkey.mode}: a pod of {seen.tier} every {monkey.mean_seconds} s on average, the first not before {next_at}"
    )
    return Next(begun, (Emit("Normal", "MonkeyOn", text, "Kill"),), after_s=0.0)


def _wait(chaos: ChaosStatus, why: str) -> Next:
    """Record why the kill waits: once, at the transition."""
    return Next(chaos={"waiting": why} if why != chaos.waiting else None, after_s=BLOCKED_S)


def _draw(monkey: Monkey, chaos: ChaosStatus, seen: ObservedTier, ready: Sequence[Object], draw: int) -> Next:
    """Select one of the ready pods in the order of their names; all pods that the tier should have must be ready."""
    if len(ready) < LEAST_READY:
        return _wait(chaos, f"{seen.tier} has fewer than {LEAST_READY} ready pods")
    if len(ready) < seen.desired:
        return _wait(chaos, f"not every pod of {seen.tier} is ready")
    victim = victim_of(ready[int(uniform(monkey.seed or 0, draw, "victim") * len(ready))])
    if monkey.mode == "DryRun":
        event = Emit(
            "Normal", "MonkeyWouldKill", f"draw {draw}: {_describe(victim.pod, victim.tier, victim.place)}", "Kill"
        )
        return Next(_closed(monkey, draw, seen.now), (event,), after_s=0.0)
    fields = {"pod", "uid", "tier", "version", "place", "replica_set"}
    selected = victim.model_dump(mode="json", by_alias=True, exclude_none=True, include=fields)
    return Next({"victim": selected, "waiting": None}, after_s=0.0)


def _resume(monkey: Monkey, chaos: ChaosStatus, seen: ObservedTier, victim: SelectedVictim, stays: bool) -> Next:
    """A victim is recorded: kill it, or count it, or release it if the monkey was switched off first."""
    if seen.pods is None:
        return Next(look=True)
    if is_going(Victim(**victim.model_dump(), state="Planned"), seen.pods):
        written, event = count(monkey, chaos, victim, seen.now)
        return Next(written, (event,), after_s=0.0)
    if not stays:
        return Next({"victim": None}, after_s=0.0)
    return _wait(chaos, seen.blocked) if seen.blocked else Next(kill=victim)


def _closed(monkey: Monkey, draw: int, now: str) -> Object:
    """Close the draw: the interval of the next one begins."""
    next_at = later(now, interval_s(monkey, draw + 1))
    return {"draw": draw + 1, "since": now, "nextAt": next_at, "waiting": None}


def count(monkey: Monkey, chaos: ChaosStatus, victim: SelectedVictim, now: str) -> tuple[Object, Emit]:
    """Return the write that counts a kill, records it and closes the draw, and its event.

    Args:
        monkey: the effective settings.
        chaos: the recorded state of the monkey.
        victim: as recorded.
        now: when the pod was killed, as far as known.
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
    """Return the write that adds the evidence of a kill; None if later kills have displaced it from the status."""
    update = {
        "noticed_milliseconds": victim.noticed_milliseconds,
        "replaced_milliseconds": victim.replaced_milliseconds,
        "failed_requests": victim.failed_requests,
    }
    recent = [kill.model_copy(update=update) if kill.uid == victim.uid else kill for kill in chaos.recent or ()]
    return {"recent": _written(recent)} if recent != chaos.recent else None


def _written(recent: Sequence[MonkeyKill]) -> list[Object]:
    return [kill.model_dump(mode="json", by_alias=True, exclude_none=True) for kill in recent]


def _describe(pod: str, tier: str, place: str) -> str:
    return f"pod {pod} ({tier}, {place or 'no zone'})"
