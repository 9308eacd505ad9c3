"""Pure: what came of ending pods: who noticed and when, what stands in for them, whom it hurt.

Eurekas tell how many callers hold a table with a pod in it, and which calls to it failed; the API server tells what is Ready again. All times
are monotonic seconds, given by whoever calls; all results are milliseconds since the act.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spiko_operator.api.fault import Method, State, Victim
from spiko_operator.plan.faults.victims import is_ready, restarts_of

Object = dict[str, Any]
LONGEST_S = (
    60.0  # after the last act; a container that crashed again and again is started after 40 s, as the third time
)
UNNOTICED_S = 10.0  # after the replacement: eurekas tell within a second, so nothing is to come any more


@dataclass
class Evidence:
    """One victim's. `holders` counts, per eureka, the callers that acknowledged a table with it; None for one whose connection is lost.

    It is noticed when every eureka's count has been 0 since the act, not at the same time: a crashed process registers again at once.
    """

    victim: Victim
    holders: dict[str, int | None] = field(default_factory=dict)
    cleared: set[str] = field(default_factory=set)
    process: int | None = None
    answers: dict[str, bool] = field(default_factory=dict)  # of a crash: whether a eureka had the process to tell
    acted_s: float | None = None
    callers: int | None = None
    noticed_ms: int | None = None
    replaced_ms: int | None = None
    replaced_by: str | None = None
    hurt: int = 0

    def hear(self, message: Mapping[str, Any], now_s: float) -> None:
        """Take one message of a eureka's, with `eureka`; or `lost` and `gone`, of the connection to one."""
        eureka = str(message["eureka"])
        match message["t"]:
            case "hurt":
                if self.acted_s is not None:
                    self.hurt += sum(int(n) for n in message["errors"].values())
            case "holders":
                self.holders[eureka] = int(message["holders"])
                if message.get("process") is not None:
                    self.process = max(self.process or 0, int(message["process"]))
                self._count(now_s)
            case "crashed":
                self.answers[eureka] = bool(message["sent"])
            case "lost":
                if eureka in self.holders:
                    self.holders[eureka] = None
            case "gone":
                self.holders.pop(eureka, None)
                self._count(now_s)

    def act(self, now_s: float) -> None:
        """It is touched now; what is heard from here on is of the act."""
        if self.acted_s is None:
            self.acted_s = now_s
            heard = [count for count in self.holders.values() if count is not None]
            self.callers = sum(heard) if heard else None  # from no eureka: not known, which is not nobody

    def undo(self) -> None:
        """It was not touched after all."""
        self.acted_s = None
        self.cleared.clear()
        self.noticed_ms = None
        self.hurt = 0

    def _count(self, now_s: float) -> None:
        if self.acted_s is None:
            return
        self.cleared |= {eureka for eureka, count in self.holders.items() if count == 0}
        if self.callers and self.noticed_ms is None and self.holders.keys() <= self.cleared:
            self.noticed_ms = self._since_ms(now_s)

    def _since_ms(self, now_s: float) -> int:
        return 0 if self.acted_s is None else round((now_s - self.acted_s) * 1000)

    def replace(self, name: str, now_s: float) -> None:
        """A pod is Ready in its stead."""
        self.replaced_ms, self.replaced_by = self._since_ms(now_s), name

    def complete(self, now_s: float) -> bool:
        """Whether nothing more is awaited but late reports. Somebody whom nobody called is noticed by nobody; a lone pod is not replaced."""
        if self.acted_s is None:
            return False
        replaced = self.replaced_ms is not None or (self.victim.replica_set is None and self.victim.process is None)
        if replaced and (self.noticed_ms is not None or not self.callers):
            return True
        if self.replaced_ms is not None and now_s > self.acted_s + self.replaced_ms / 1000 + UNNOTICED_S:
            return True
        return now_s > self.acted_s + LONGEST_S

    @property
    def found(self) -> bool:
        """Whether all that is to be known is known, be it by an operator before."""
        if self.acted_s is None:
            return self.victim.replaced_milliseconds is not None
        return self.replaced_ms is not None and (self.noticed_ms is not None or self.callers == 0)

    def judge(self, state: State, message: str = "", killed_at: str | None = None) -> None:
        """What the victim's state is from now on; a refusal that was overcome is forgotten."""
        update: dict[str, Any] = {"state": state, "message": message[:256] or None, "killed_at": killed_at}
        self.victim = self.victim.model_copy(update=update | ({"refused_by": None} if state == "Killed" else {}))

    def written(self) -> Victim:
        """The victim with its evidence so far."""
        if self.victim.state != "Killed" or self.acted_s is None:
            return self.victim
        return self.victim.model_copy(
            update={
                "callers": self.callers,
                "noticed_milliseconds": self.noticed_ms,
                "replaced_milliseconds": self.replaced_ms,
                "replaced_by": self.replaced_by,
                "requests_hurt": self.hurt,
            }
        )


def find_replacements(
    evidence: Sequence[Evidence], method: Method, before: frozenset[str], pods: Sequence[Object], now_s: float
) -> None:
    """Give every victim that was killed a pod that stands in for it.

    After a Crash that is the same pod, started again and Ready; else a ready pod of the same ReplicaSet that was not there before the
    first act, and no pod for two victims.

    Args:
        evidence: of all victims; those acted on first come first.
        method: the kill's.
        before: UIDs of the pods that were there before the first act.
        pods: as they are.
        now_s: monotonic.
    """
    waiting = sorted(
        (e for e in evidence if e.victim.state == "Killed" and e.acted_s is not None and e.replaced_ms is None),
        key=lambda e: e.acted_s or 0.0,
    )
    taken = {e.replaced_by for e in evidence if e.replaced_by is not None}
    for one in waiting:
        for pod in pods:
            name = str(pod["metadata"]["name"])
            if name not in taken and is_ready(pod) and _stands_in(one.victim, method, before, pod):
                taken.add(name)
                one.replace(name, now_s)
                break


def _stands_in(victim: Victim, method: Method, before: frozenset[str], pod: Object) -> bool:
    if method == "Crash" and pod["metadata"]["uid"] == victim.uid:
        return restarts_of(pod) > (victim.restarts or 0)
    owners = pod["metadata"].get("ownerReferences") or ()
    mine = any(owner["kind"] == "ReplicaSet" and owner["name"] == victim.replica_set for owner in owners)
    return mine and pod["metadata"]["uid"] not in before


def is_going(victim: Victim, pods: Sequence[Object]) -> bool:
    """Whether the pod is gone, or on its way out."""
    pod = next((pod for pod in pods if pod["metadata"]["uid"] == victim.uid), None)
    return pod is None or bool(pod["metadata"].get("deletionTimestamp"))


def has_ended(victim: Victim, pods: Sequence[Object]) -> bool:
    """Whether the process that ran when the victim was written down has ended, as the API server knows it."""
    pod = next((pod for pod in pods if pod["metadata"]["uid"] == victim.uid), None)
    if pod is None or restarts_of(pod) > (victim.restarts or 0):
        return True
    states = [c.get("state") or {} for c in pod.get("status", {}).get("containerStatuses") or ()]
    return any("running" not in state for state in states)  # ended, or waiting to be started again
