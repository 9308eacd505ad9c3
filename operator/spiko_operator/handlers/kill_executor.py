"""The act: ends the planned victims of one kill, in order, each at most once. One `step` touches one of them, so that its state is written before the next.

Delete and Evict carry the pod's UID. A Crash goes operator -> eureka -> the pod's session -> `os._exit(137)` and carries the process, by its
start, that was written down: an eureka passes it on to no other process, so however often it is sent, it ends one process at most. It counts as
done when the API server shows that the process has ended.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from spiko_operator.api.fault import FaultSpec
from spiko_operator.clock import now_text
from spiko_operator.context import Context
from spiko_operator.errors import ClusterError, Conflict, Missing, Throttled
from spiko_operator.handlers.evidence_collector import LOOK_S, Gathering
from spiko_operator.plan import names
from spiko_operator.plan.faults.evidence import Evidence, has_ended, is_going

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 2.0
CRASH_S = 5.0  # a kubelet that is well shows an end within a second or two


class Ending:
    """The acts of one kill.

    Args:
        context: the operator's.
        namespace: of the pods.
        spec: the Fault's.
        gathering: its victims.
        seconds: how long victims may still be touched.
    """

    def __init__(self, context: Context, namespace: str, spec: FaultSpec, gathering: Gathering, seconds: float) -> None:
        self._context, self._namespace, self._spec, self._gathering = context, namespace, spec, gathering
        self._key = (namespace, spec.architecture)
        self._until_s = time.monotonic() + seconds
        self._not_before_s = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._error = ""

    def is_over(self) -> bool:
        """Whether nobody is planned any more."""
        return all(one.victim.state != "Planned" for one in self._gathering.evidence)

    async def step(self) -> bool:
        """Touch the next one, or see what came of it; whether somebody's state has changed."""
        planned = [one for one in self._gathering.evidence if one.victim.state == "Planned"]
        now_s = time.monotonic()
        if not planned or now_s < self._not_before_s:
            return False
        if self._spec.kill.method == "Crash":
            return await self._crash(planned, now_s > self._until_s)
        one = planned[0]
        if now_s > self._until_s:
            return await self._expire(one)
        try:
            done = await (self._delete(one) if self._spec.kill.method == "Delete" else self._evict(one))
        except Throttled as refusal:
            self._refused(one, refusal)
            return False
        except ClusterError as error:  # it may have been done all the same: asked again, it is done or gone
            self._error = str(error)
            self._wait()
            return False
        self._pause_s = FIRST_PAUSE_S
        self._judge(one, done)
        return True

    # ---------------------------------------------------------------- Delete, Evict

    async def _delete(self, one: Evidence) -> bool:
        again = one.acted_s is not None
        one.act(time.monotonic())
        grace_s = self._spec.kill.grace_period_seconds
        there = await self._context.client.delete("Pod", self._namespace, one.victim.pod, one.victim.uid, grace_s)
        return there or again

    async def _evict(self, one: Evidence) -> bool:
        again = one.acted_s is not None
        one.act(time.monotonic())
        try:
            await self._context.client.evict(self._namespace, one.victim.pod, one.victim.uid)
        except (Missing, Conflict):
            return again
        return True

    def _judge(self, one: Evidence, done: bool) -> None:
        if done:
            one.judge("Killed", killed_at=now_text())
        else:
            one.undo()
            one.judge("Gone")

    def _refused(self, one: Evidence, refusal: Throttled) -> None:
        """A budget, or a busy server: nothing was done, and it is asked for again."""
        one.undo()
        self._error = str(refusal).rpartition(": ")[2]
        if self._spec.kill.method == "Evict":
            one.victim = one.victim.model_copy(update={"refused_by": self._budget(one), "message": self._error[:256]})
        self._wait()

    def _budget(self, one: Evidence) -> str | None:
        name = names.service_name(self._spec.architecture, one.victim.tier)
        found = self._context.cache.get("PodDisruptionBudget", self._namespace, name)
        return name if found is not None else None

    def _wait(self) -> None:
        self._not_before_s = time.monotonic() + self._pause_s
        self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2)

    async def _expire(self, one: Evidence) -> bool:
        """The time is over. One whose act was not answered is killed if it goes; of evictions, the budget before the first stands before all."""
        if one.acted_s is not None:
            if not await self._gathering.look():
                self._wait()
                return False
            if is_going(one.victim, self._gathering.pods):
                self._judge(one, done=True)
                return True
            one.undo()
        refused = self._spec.kill.method == "Evict" and any(e.victim.refused_by for e in self._gathering.evidence)
        if refused:
            one.victim = one.victim.model_copy(update={"refused_by": self._budget(one)})
        one.judge("Refused" if refused else "Expired", self._error)
        return True

    # ---------------------------------------------------------------- Crash

    async def _crash(self, planned: Sequence[Evidence], late: bool) -> bool:
        """All are told at once: no process ends twice for it, whoever dies in between. Then it is seen who has ended."""
        if not await self._gathering.look():
            self._wait()
            return False
        unsent = [one for one in planned if one.acted_s is None]
        for one in unsent:
            self._tell(one, late)
        for one in planned:
            if one.acted_s is not None:
                self._see(one, one.acted_s)
        self._not_before_s = time.monotonic() + LOOK_S / 2
        return any(one.victim.state != "Planned" for one in planned)

    def _tell(self, one: Evidence, late: bool) -> None:
        if has_ended(one.victim, self._gathering.pods):
            one.judge("Gone")
        elif late:
            one.judge("Expired", self._error)
        elif one.victim.process is None:
            one.judge("Unreachable", "no eureka had it when the victims were written down")
        else:
            one.act(time.monotonic())
            self._context.links.crash(self._key, one.victim.uid, one.victim.process)

    def _see(self, one: Evidence, acted_s: float) -> None:
        waited_s = time.monotonic() - acted_s
        if has_ended(one.victim, self._gathering.pods):
            one.judge("Killed", killed_at=now_text())
        elif any(one.answers.values()):
            if waited_s > CRASH_S:
                one.judge("Unreachable", f"it was told, and goes on after {CRASH_S:.0f} s")
        elif waited_s > CRASH_S or len(one.answers) >= max(1, self._context.links.connected(self._key)):
            one.judge("Unreachable", "no eureka has its process now")
        if one.victim.state == "Unreachable":
            one.undo()
