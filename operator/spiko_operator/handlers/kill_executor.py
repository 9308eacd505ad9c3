"""Kills the planned victims of one kill in order, each at most once.

One `step` kills one victim, so that its state is written before the next kill. Delete and Evict have the
pod's UID and version as preconditions (`kill_request.py`): a pod that is being deleted already is Gone. A
Crash request goes from the operator to a eureka, to the session of the pod, which calls `os._exit(137)`. It
has the start time of the recorded process, and a eureka forwards it to no other process, so a repeated
request crashes one process only. A victim counts as killed when the API server reports that the process has
ended.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from spiko_operator.api.fault import Kill
from spiko_operator.backoff import Backoff
from spiko_operator.clock import now_text
from spiko_operator.context import Context
from spiko_operator.errors import ClusterError, Throttled
from spiko_operator.handlers.evidence_collector import LIST_S, EvidenceCollector
from spiko_operator.handlers.kill_request import KillRequest
from spiko_operator.plan import names
from spiko_operator.plan.faults.evidence import Evidence, has_ended, is_going
from spiko_operator.plan.objects import truncate

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 2.0
CRASH_S = 5.0  # time for the report of an exit; a healthy kubelet reports it within 2 s


class KillExecutor:
    """The acts of one kill.

    Args:
        context: of the operator.
        namespace: of the pods.
        architecture: name of the pods' Architecture.
        kill: of the Fault.
        collector: has the victims with their evidence.
    """

    def __init__(
        self, context: Context, namespace: str, architecture: str, kill: Kill, collector: EvidenceCollector
    ) -> None:
        self._context, self._namespace, self._kill, self._collector = context, namespace, kill, collector
        self._key = (namespace, architecture)
        self._not_before_s = 0.0
        self._backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._error = ""

    def is_over(self) -> bool:
        """Whether no victim is planned any more."""
        return all(one.victim.state != "Planned" for one in self._collector.evidence)

    async def step(self, *, late: bool) -> bool:
        """Kill the next victim, or check the last kill.

        Args:
            late: whether the deadline has passed, so that no further victim may be killed.

        Returns:
            Whether a victim's state changed.
        """
        planned = [one for one in self._collector.evidence if one.victim.state == "Planned"]
        now_s = time.monotonic()
        if not planned or now_s < self._not_before_s:
            return False
        if self._kill.method == "Crash":
            return await self._crash(planned, late)
        one = planned[0]
        if late:
            return await self._expire(one)
        try:
            done = await self._request(one)
        except Throttled as refusal:
            self._refused(one, refusal)
            return False
        except ClusterError as error:  # the request may have been executed; repeating it shows that
            self._error = str(error)
            self._wait()
            return False
        self._backoff.reset()
        self._judge(one, done)
        return True

    # ---------------------------------------------------------------- Delete, Evict

    async def _request(self, one: Evidence) -> bool:
        """Request the kill; return whether this request, or an earlier one without a response, did it."""
        again = one.acted_s is not None
        victim, kill = one.victim, self._kill
        grace_s = kill.grace_period_seconds
        request = KillRequest(self._namespace, victim.pod, victim.uid, kill.method, grace_s)
        return await request.send(self._context.client, lambda: one.act(time.monotonic())) or again

    def _judge(self, one: Evidence, done: bool) -> None:
        if done:
            one.judge("Killed", killed_at=now_text())
        else:
            one.undo()
            one.judge("Gone")

    def _refused(self, one: Evidence, refusal: Throttled) -> None:
        """Record that a disruption budget or a busy server refused the request, which is retried."""
        one.undo()
        self._error = str(refusal).rpartition(": ")[2]
        if self._kill.method == "Evict":
            one.victim = one.victim.model_copy(
                update={"refused_by": self._budget(one), "message": truncate(self._error, 256)}
            )
        self._wait()

    def _budget(self, one: Evidence) -> str | None:
        name = names.service_name(self._key[1], one.victim.tier)
        found = self._context.cache.get("PodDisruptionBudget", self._namespace, name)
        return name if found is not None else None

    def _wait(self) -> None:
        self._not_before_s = time.monotonic() + self._backoff.next_s()

    async def _expire(self, one: Evidence) -> bool:
        """Set the final state of a victim after the deadline.

        A request without a response counts as a kill if the pod is being deleted. An eviction that a budget
        blocked is Refused.
        """
        if one.acted_s is not None:
            if not await self._collector.look():
                self._wait()
                return False
            if is_going(one.victim, self._collector.pods):
                self._judge(one, done=True)
                return True
            one.undo()
        refused = self._kill.method == "Evict" and any(e.victim.refused_by for e in self._collector.evidence)
        if refused:
            one.victim = one.victim.model_copy(update={"refused_by": self._budget(one)})
        one.judge("Refused" if refused else "Expired", self._error)
        return True

    # ---------------------------------------------------------------- Crash

    async def _crash(self, planned: Sequence[Evidence], late: bool) -> bool:
        """Request all crashes at once, then check which processes have ended.

        A repeated request has no effect, because it has the start time of the recorded process.
        """
        if not await self._collector.look():
            self._wait()
            return False
        unsent = [one for one in planned if one.acted_s is None]
        for one in unsent:
            self._send_crash(one, late)
        for one in planned:
            if one.acted_s is not None:
                self._check_crash(one, one.acted_s)
        self._not_before_s = time.monotonic() + LIST_S / 2
        return any(one.victim.state != "Planned" for one in planned)

    def _send_crash(self, one: Evidence, late: bool) -> None:
        pods = self._collector.pods
        if has_ended(one.victim, pods) or is_going(one.victim, pods):
            one.judge("Gone")
        elif late:
            one.judge("Expired", self._error)
        elif one.victim.process is None:
            one.judge("Unreachable", "not connected to any eureka when the victims were recorded")
        else:
            one.act(time.monotonic())
            self._context.links.crash(self._key, one.victim.uid, one.victim.process)

    def _check_crash(self, one: Evidence, acted_s: float) -> None:
        waited_s = time.monotonic() - acted_s
        if has_ended(one.victim, self._collector.pods):
            one.judge("Killed", killed_at=now_text())
        elif any(one.answers.values()):
            if waited_s > CRASH_S:
                one.judge(
                    "Unreachable",
                    f"a eureka forwarded the crash, but the process was still running after {CRASH_S:.0f} s",
                )
        elif waited_s > CRASH_S or len(one.answers) >= max(1, self._context.links.connected(self._key)):
            one.judge("Unreachable", "its process is not connected to any eureka")
        if one.victim.state == "Unreachable":
            one.undo()
