"""Pure: the evidence of kills: when callers noticed, which pods are replacements, which calls failed.

Eurekas report how many callers hold a routing table with a pod in it, and which calls to it failed; the API
server shows which pods are Ready. All times are monotonic seconds given by the caller; all results are
milliseconds since the kill.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spiko_operator.api.fault import Method, State, Victim
from spiko_operator.plan.faults.victims import restarts_of
from spiko_operator.plan.objects import Object, is_deleting, is_ready, replica_set_of, truncate

# Seconds after the last act: a container that crashes repeatedly is restarted after 40 s by its third
# restart.
LONGEST_S = 60.0
UNNOTICED_S = 10.0  # seconds after the replacement: eurekas report within one, so no more reports will come


@dataclass
class Evidence:
    """Evidence of one victim.

    `holders` counts, for each eureka, the callers that acknowledged a routing table with the victim; None
    while the eureka is disconnected. The victim is noticed when the count of every eureka has been 0 at some
    time since the kill, not necessarily at the same time: a crashed process registers again at once.
    """

    victim: Victim
    holders: dict[str, int | None] = field(default_factory=dict)
    cleared: set[str] = field(default_factory=set)
    process: int | None = None
    # For each eureka, whether it could forward the crash request.
    answers: dict[str, bool] = field(default_factory=dict)
    acted_s: float | None = None
    callers: int | None = None
    noticed_ms: int | None = None
    replaced_ms: int | None = None
    replaced_by: str | None = None
    failed_requests: int = 0

    def receive(self, message: Mapping[str, Any], now_s: float) -> None:
        """Update the evidence by one message from a eureka, or by the loss of the connection to it.

        Args:
            message: with the eureka's URL as `eureka`.
            now_s: monotonic.
        """
        eureka = str(message["eureka"])
        match message["t"]:
            case "hurt":
                if self.acted_s is not None:
                    self.failed_requests += sum(int(n) for n in message["errors"].values())
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
        """Record that the victim is killed now: later reports count as consequences."""
        if self.acted_s is None:
            self.acted_s = now_s
            reported = [count for count in self.holders.values() if count is not None]
            # Without a report the number of callers is unknown, not 0.
            self.callers = sum(reported) if reported else None

    def undo(self) -> None:
        """Record that the victim was not killed after all."""
        self.acted_s = None
        self.cleared.clear()
        self.noticed_ms = None
        self.failed_requests = 0

    def _count(self, now_s: float) -> None:
        if self.acted_s is None:
            return
        self.cleared |= {eureka for eureka, count in self.holders.items() if count == 0}
        if self.callers and self.noticed_ms is None and self.holders.keys() <= self.cleared:
            self.noticed_ms = self._since_ms(now_s)

    def _since_ms(self, now_s: float) -> int:
        return 0 if self.acted_s is None else round((now_s - self.acted_s) * 1000)

    def replace(self, name: str, now_s: float) -> None:
        """Record the pod that replaces the victim and is Ready."""
        self.replaced_ms, self.replaced_by = self._since_ms(now_s), name

    def complete(self, now_s: float) -> bool:
        """Whether only late reports may follow.

        A pod without callers has no "noticed" time; a pod without a ReplicaSet has no replacement.
        """
        if self.acted_s is None:
            return False
        replaced = self.replaced_ms is not None or (
            self.victim.replica_set is None and self.victim.process is None
        )
        if replaced and (self.noticed_ms is not None or not self.callers):
            return True
        if self.replaced_ms is not None and now_s > self.acted_s + self.replaced_ms / 1000 + UNNOTICED_S:
            return True
        return now_s > self.acted_s + LONGEST_S

    @property
    def found(self) -> bool:
        """Whether all evidence was found, including what an earlier operator recorded."""
        if self.acted_s is None:
            return self.victim.replaced_milliseconds is not None
        return self.replaced_ms is not None and (self.noticed_ms is not None or self.callers == 0)

    def judge(self, state: State, message: str = "", killed_at: str | None = None) -> None:
        """Set the victim's state; a kill clears the record of earlier refusals."""
        update: dict[str, Any] = {
            "state": state,
            "message": truncate(message, 256) or None,
            "killed_at": killed_at,
        }
        self.victim = self.victim.model_copy(
            update=update | ({"refused_by": None} if state == "Killed" else {})
        )

    def recorded(self) -> Victim:
        """Return the victim with its evidence so far."""
        if self.victim.state != "Killed" or self.acted_s is None:
            return self.victim
        return self.victim.model_copy(
            update={
                "callers": self.callers,
                "noticed_milliseconds": self.noticed_ms,
                "replaced_milliseconds": self.replaced_ms,
                "replaced_by": self.replaced_by,
                "failed_requests": self.failed_requests,
            }
        )


def find_replacements(
    evidence: Sequence[Evidence], method: Method, before: frozenset[str], pods: Sequence[Object], now_s: float
) -> None:
    """Find the pod that replaces each killed victim.

    After a Crash, the replacement is the same pod, restarted and Ready; otherwise, a ready pod of the same
    ReplicaSet that did not exist before the first kill. No pod replaces two victims.

    Args:
        evidence: of all victims; the victim killed first gets its replacement first.
        method: of the kill.
        before: UIDs of the pods that existed before the first kill.
        pods: as listed now.
        now_s: monotonic.
    """
    waiting = sorted(
        (
            e
            for e in evidence
            if e.victim.state == "Killed" and e.acted_s is not None and e.replaced_ms is None
        ),
        key=lambda e: e.acted_s or 0.0,
    )
    taken = {e.replaced_by for e in evidence if e.replaced_by is not None}
    for one in waiting:
        for pod in pods:
            name = str(pod["metadata"]["name"])
            if name not in taken and is_ready(pod) and _replaces(one.victim, method, before, pod):
                taken.add(name)
                one.replace(name, now_s)
                break


def _replaces(victim: Victim, method: Method, before: frozenset[str], pod: Object) -> bool:
    if method == "Crash" and pod["metadata"]["uid"] == victim.uid:
        return restarts_of(pod) > (victim.restarts or 0)
    owner = replica_set_of(pod)
    return owner is not None and owner == victim.replica_set and pod["metadata"]["uid"] not in before


def is_going(victim: Victim, pods: Sequence[Object]) -> bool:
    """Whether the pod is gone or being deleted."""
    pod = next((pod for pod in pods if pod["metadata"]["uid"] == victim.uid), None)
    return pod is None or is_deleting(pod)


def has_ended(victim: Victim, pods: Sequence[Object]) -> bool:
    """Whether the recorded process of the victim has ended, by the status of its pod."""
    pod = next((pod for pod in pods if pod["metadata"]["uid"] == victim.uid), None)
    if pod is None or restarts_of(pod) > (victim.restarts or 0):
        return True
    states = [c.get("state") or {} for c in pod.get("status", {}).get("containerStatuses") or ()]
    return any("running" not in state for state in states)  # terminated, or waiting for its restart
