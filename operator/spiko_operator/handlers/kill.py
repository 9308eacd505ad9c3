"""The fault kind `kill`: selects victims, kills them one after another, and collects the evidence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from spiko_operator.api.fault import FaultSpec, Victim
from spiko_operator.context import Context
from spiko_operator.handlers.evidence_collector import EvidenceCollector
from spiko_operator.handlers.kill_executor import KillExecutor
from spiko_operator.plan import names
from spiko_operator.plan.faults.evidence import Evidence
from spiko_operator.plan.faults.fault_status import StatusUpdate, seed_of, victims_of_others
from spiko_operator.plan.faults.kill_status import conclude, planned, progress, read_victims, update_of
from spiko_operator.plan.faults.victims import (
    NoVictim,
    choose_victims,
    is_candidate,
    refusing_budgets,
    with_refusals,
)
from spiko_operator.plan.objects import Object


class KillFault:
    """One Fault with a `kill`.

    Args:
        context: of the operator.
        fault: the object.
        spec: its spec, with a kill.
    """

    def __init__(self, context: Context, fault: Object, spec: FaultSpec) -> None:
        assert spec.kill is not None
        self._context, self._fault, self._spec, self._kill = context, fault, spec, spec.kill
        self._namespace = fault["metadata"]["namespace"]
        self._recorded = self._reported = read_victims(fault)
        self._evidence_lost = any(
            v.state == "Killed" and v.replaced_milliseconds is None for v in self._recorded
        )
        self._collector = self._collect(self._recorded)
        self._executor = KillExecutor(
            context, self._namespace, spec.architecture, self._kill, self._collector
        )

    def is_chosen(self) -> bool:
        """Whether victims are recorded in the status."""
        return bool(self._recorded)

    async def choose(self) -> StatusUpdate | NoVictim:
        """Select the victims from the existing pods.

        Raises:
            ClusterError: the API server does not answer; no pod was killed.
        """
        architecture = self._spec.architecture
        pods = await self._list_pods()
        # Nothing is awaited from here to the claim, so that another Fault cannot select meanwhile.
        draw = Random(seed_of(self._fault, self._spec)).randrange
        chosen = choose_victims(self._kill, architecture, pods, draw, self._taken())
        holder = ("Fault", self._namespace, self._fault["metadata"]["name"])
        if isinstance(chosen, NoVictim):
            self._context.claims.release(holder)
            return chosen
        if self._spec.mode == "Enforce":
            self._context.claims.hold(holder, (victim.uid for victim in chosen.victims))
        collector = self._collect(chosen.victims)
        with collector.listening():
            await collector.begin()
        victims = [self._before_act(one) for one in collector.evidence]
        dry_run = self._spec.mode == "DryRun"
        if dry_run and self._kill.method == "Evict":
            budgets = self._context.cache.of_architecture(
                self._namespace, architecture, ("PodDisruptionBudget",)
            )
            victims = with_refusals(victims, refusing_budgets(victims, list(budgets.values())))
        return update_of(
            self._kill, planned(self._spec, self._kill, chosen, victims), victims, dry_run=dry_run
        )

    def _taken(self) -> frozenset[str]:
        """Return the UIDs of the pods that other Faults and the chaos monkey have selected."""
        context, name = self._context, self._fault["metadata"]["name"]
        architecture = context.cache.get("Architecture", self._namespace, self._spec.architecture)
        recorded = victims_of_others(context.cache.all("Fault"), (self._namespace, name), architecture)
        return recorded | context.claims.of_others(("Fault", self._namespace, name))

    async def _list_pods(self) -> list[Object]:
        """Return the pods that are labeled with the architecture's name and belong to it by their owners.

        The owners of pods that the kill cannot select are not read.
        """
        labels = f"{names.ARCHITECTURE}={self._spec.architecture}"
        labeled = await self._context.client.list("Pod", self._namespace, labels)
        architecture = self._context.cache.get("Architecture", self._namespace, self._spec.architecture)
        uid = architecture["metadata"]["uid"] if architecture is not None else ""
        candidates = [pod for pod in labeled if is_candidate(self._kill, pod)]
        belonging = {id(pod) for pod in await self._context.owners.select(candidates, uid)}
        return [pod for pod in labeled if id(pod) in belonging or not is_candidate(self._kill, pod)]

    def _before_act(self, one: Evidence) -> Victim:
        """Return the victim with its callers, and for a Crash its process, as eurekas report them."""
        process = one.process if self._kill.method == "Crash" else None
        callers = sum(count or 0 for count in one.holders.values())
        return one.victim.model_copy(update={"callers": callers, "process": process})

    @asynccontextmanager
    async def observing(self) -> AsyncIterator[None]:
        """Subscribe to reports for the duration of the context, and wait for late reports at its end."""
        with self._collector.listening():
            await self._collector.begin()
            yield
            if any(one.acted_s is not None for one in self._collector.evidence):
                await asyncio.sleep(self._context.late_reports_s)

    async def act(self, seconds_left: float) -> bool:
        """Kill the next victim, or check the last kill; True if a victim's state changed."""
        before = [one for one in self._collector.evidence if one.victim.state == "Planned"]
        changed = await self._executor.step(late=seconds_left <= 0)
        for one in before:
            if one.victim.state != "Planned":
                self._context.metrics.count_kill("fault", self._kill.method, one.victim.state)
        return changed

    async def observe(self) -> None:
        """Find replacements of the victims, and wait a moment."""
        await self._collector.wait()

    def is_over(self) -> bool:
        """Whether no victim is planned any more and the evidence of all victims is complete."""
        return self._executor.is_over() and self._collector.is_complete()

    def summarize(self, *, over: bool) -> StatusUpdate:
        """Return the victims with their evidence, and the conditions that follow from their states."""
        victims, before = self._collector.victims(), self._reported
        self._reported = victims
        if not over:
            return update_of(self._kill, progress(victims), victims, before)
        complete = all(one.found for one in self._collector.evidence if one.victim.state == "Killed")
        return update_of(self._kill, conclude(victims, complete, self._evidence_lost), victims, before)

    def _collect(self, victims: list[Victim] | tuple[Victim, ...]) -> EvidenceCollector:
        key = (self._namespace, self._spec.architecture)
        return EvidenceCollector(self._context, key, self._kill.method, victims)
