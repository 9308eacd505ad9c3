"""Pure: the plain monkey of an Architecture: whom it ends next, and when. Where its kills are decided: `plan_monkey`.

Theory. Between two kills lie `minSeconds` and an exponentially distributed rest, so that the mean is `meanSeconds` and no gap is shorter than
the least. Both the rest and the victim follow from the seed and the number of the draw, by a hash: no random source is kept, and an operator
that begins anew reads in the status where the schedule stands (`draw`, `since`). One draw is one kill: the victim is written down with the
draw still open, ended, and only then counted, with the draw closed in the same write. A victim that is written down and gone was ended, by an
operator that did not live to count it; one that is there still is ended now, unless the monkey has been switched off.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spiko_operator.api.architecture import ChaosStatus, Condemned, Monkey, MonkeyKill
from spiko_operator.api.fault import Victim
from spiko_operator.errors import PlanError
from spiko_operator.plan import names
from spiko_operator.plan.actions import Emit
from spiko_operator.plan.faults.evidence import is_going
from spiko_operator.plan.faults.victims import ready_of, victim_of
from spiko_operator.plan.state import from_data
from spiko_operator.plan.status import ACCEPTED, READY
from spiko_operator.plan.timestamps import later, span_s

Object = dict[str, Any]
LEAST_READY = 2  # the last pod of a tier is nobody's to end
MOST_RECENT = 8
BLOCKED_S = 1.0  # between looks while a kill is due and something stands against it


@dataclass(frozen=True)
class Sight:
    """What a decision depends on besides spec and status.

    `blocked` says what speaks against any kill now, or nothing; `desired` is how many pods the tier should have; `pods` are the tier's, None
    if nobody has looked: that is needed seldom.
    """

    tier: str
    blocked: str
    desired: int
    pods: Sequence[Object] | None
    now: str


@dataclass(frozen=True)
class Next:
    """What to do: write `chaos` into the status and emit `events`; look at the pods and ask again; end `kill`; come again in `after_s`."""

    chaos: Object | None = None
    events: tuple[Emit, ...] = ()
    look: bool = False
    kill: Condemned | None = None
    after_s: float | None = None


def uniform(seed: int, draw: int, what: str) -> float:
    """A number from 0 to below 1 that follows from the seed, the draw's number and what it is for."""
    digest = hashlib.sha256(f"{seed}/{draw}/{what}".encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48


def interval_s(monkey: Monkey, draw: int) -> float:
    """Seconds from the last draw to this one: min + an exponential of mean (mean - min).

    >>> interval_s(Monkey(mean_seconds=60, min_seconds=60), 5)
    60.0
    """
    least = least_s(monkey)
    return least - (monkey.mean_seconds - least) * math.log(1.0 - uniform(monkey.seed, draw, "interval"))


def least_s(monkey: Monkey) -> float:
    """`minSeconds`, or a tenth of the mean, 1 at least."""
    return float(monkey.min_seconds if monkey.min_seconds is not None else max(1, monkey.mean_seconds // 10))


def find_blocker(architecture: Object, state: Mapping[str, Any] | None) -> str:
    """What speaks against any kill now: the spec is not in force, not all is Ready, or it has never been. Nothing if nothing does.

    Args:
        architecture: the object.
        state: its memory, the ConfigMap; None if there is none.
    """
    metadata = architecture["metadata"]
    conditions = {c["type"]: c for c in (architecture.get("status") or {}).get("conditions") or ()}
    for kind, text in ((ACCEPTED, "the spec is not accepted"), (READY, "the architecture is not Ready")):
        found = conditions.get(kind, {})
        if found.get("status") != "True" or found.get("observedGeneration") != metadata["generation"]:
            return text
    try:
        started = state is not None and from_data(state.get("data", {})).started
    except PlanError:
        started = False
    return "" if started else "the architecture has not started"


def desired_of(deployments: Iterable[Object], tier: str) -> int:
    """How many pods a tier should have, by its Deployments."""
    mine = (d for d in deployments if d["metadata"]["labels"].get(names.TIER) == tier)
    return sum(int(d["spec"].get("replicas", 1)) for d in mine)


def plan_monkey(monkey: Monkey, chaos: ChaosStatus, sight: Sight) -> Next:
    """The next action, or when to come again.

    Args:
        monkey: the wish; mode Off if there is none.
        chaos: what the status says.
        sight: what was seen.
    """
    begun = (chaos.mode, chaos.seed) == (monkey.mode, monkey.seed)
    if chaos.victim is not None:
        return _resume(monkey, chaos, sight, chaos.victim, stays=begun and monkey.mode == "Enforce")
    if monkey.mode == "Off":
        return _off(chaos)
    if not begun or chaos.since is None or chaos.draw is None:
        return _begin(monkey, sight)
    due_s = interval_s(monkey, chaos.draw)
    next_at = later(chaos.since, due_s)
    if next_at != chaos.next_at:
        return Next(chaos={"nextAt": next_at}, after_s=0.0)
    left_s = due_s - span_s(chaos.since, sight.now)
    if left_s > 0:
        return Next(after_s=left_s)
    if sight.blocked:
        return _wait(chaos, sight.blocked)
    if sight.pods is None:
        return Next(look=True)
    return _draw(monkey, chaos, sight, ready_of(sight.pods, sight.tier), chaos.draw)


def _off(chaos: ChaosStatus) -> Next:
    if chaos.mode in (None, "Off"):
        return Next()
    ended: Object = dict.fromkeys(("seed", "draw", "since", "nextAt", "waiting"))
    return Next({"mode": "Off", **ended}, (Emit("Normal", "MonkeyOff", "the monkey is off", "Kill"),))


def _begin(monkey: Monkey, sight: Sight) -> Next:
    next_at = later(sight.now, interval_s(monkey, 0))
    begun = {
        "mode": monkey.mode,
        "seed": monkey.seed,
        "draw": 0,
        "since": sight.now,
        "nextAt": next_at,
        "waiting": None,
    }
    text = (
        f"{monkey.mode}: a pod of {sight.tier} every {monkey.mean_seconds} s on average, the first not before {next_at}"
    )
    return Next(begun, (Emit("Normal", "MonkeyOn", text, "Kill"),), after_s=0.0)


def _wait(chaos: ChaosStatus, why: str) -> Next:
    """Said once, at the transition."""
    return Next(chaos={"waiting": why} if why != chaos.waiting else None, after_s=BLOCKED_S)


def _draw(monkey: Monkey, chaos: ChaosStatus, sight: Sight, ready: Sequence[Object], draw: int) -> Next:
    """Choose among the ready pods in the order of their names; blast radius 1: all that the tier should have must be ready."""
    if len(ready) < LEAST_READY:
        return _wait(chaos, f"{sight.tier} has fewer than {LEAST_READY} ready pods")
    if len(ready) < sight.desired:
        return _wait(chaos, f"not every pod of {sight.tier} is ready")
    victim = victim_of(ready[int(uniform(monkey.seed, draw, "victim") * len(ready))])
    if monkey.mode == "DryRun":
        event = Emit(
            "Normal", "MonkeyWouldKill", f"draw {draw}: {_describe(victim.pod, victim.tier, victim.place)}", "Kill"
        )
        return Next(_closed(monkey, draw, sight.now), (event,), after_s=0.0)
    fields = {"pod", "uid", "tier", "version", "place", "replica_set"}
    condemned = victim.model_dump(mode="json", by_alias=True, exclude_none=True, include=fields)
    return Next({"victim": condemned, "waiting": None}, after_s=0.0)


def _resume(monkey: Monkey, chaos: ChaosStatus, sight: Sight, victim: Condemned, stays: bool) -> Next:
    """A victim is written down: end it, or count it, or let it be if the monkey was switched off before it was touched."""
    if sight.pods is None:
        return Next(look=True)
    if is_going(Victim(**victim.model_dump(), state="Planned"), sight.pods):
        written, event = count(monkey, chaos, victim, sight.now)
        return Next(written, (event,), after_s=0.0)
    if not stays:
        return Next({"victim": None}, after_s=0.0)
    return _wait(chaos, sight.blocked) if sight.blocked else Next(kill=victim)


def _closed(monkey: Monkey, draw: int, now: str) -> Object:
    """The draw has been carried out: the interval of the next begins."""
    next_at = later(now, interval_s(monkey, draw + 1))
    return {"draw": draw + 1, "since": now, "nextAt": next_at, "waiting": None}


def count(monkey: Monkey, chaos: ChaosStatus, victim: Condemned, now: str) -> tuple[Object, Emit]:
    """The victim is ended: one write counts it, remembers it and closes the draw.

    Args:
        monkey: the wish.
        chaos: what the status says.
        victim: as it was written down.
        now: when it was ended, as far as is known.
    """
    kills = (chaos.kills or 0) + 1
    kill = MonkeyKill(pod=victim.pod, uid=victim.uid, tier=victim.tier, place=victim.place, at=now)
    recent = [kill, *(chaos.recent or ())][:MOST_RECENT]
    written: Object = {"victim": None, "kills": kills, "recent": _written(recent)}
    if chaos.draw is not None:
        written |= _closed(monkey, chaos.draw, now)
    text = f"kill {kills}: Delete without grace of {_describe(victim.pod, victim.tier, victim.place)}"
    return written, Emit("Normal", "MonkeyKilled", text, "Kill")


def with_evidence(chaos: ChaosStatus, victim: Victim) -> Object | None:
    """What came of a kill, in the status; nothing if it has been pushed out by later ones."""
    update = {
        "noticed_milliseconds": victim.noticed_milliseconds,
        "replaced_milliseconds": victim.replaced_milliseconds,
        "requests_hurt": victim.requests_hurt,
    }
    recent = [kill.model_copy(update=update) if kill.uid == victim.uid else kill for kill in chaos.recent or ()]
    return {"recent": _written(recent)} if recent != chaos.recent else None


def _written(recent: Sequence[MonkeyKill]) -> list[Object]:
    return [kill.model_dump(mode="json", by_alias=True, exclude_none=True) for kill in recent]


def _describe(pod: str, tier: str, place: str) -> str:
    return f"pod {pod} ({tier}, {place or 'no zone'})"
