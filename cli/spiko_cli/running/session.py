"""One run against a cluster that is up: apply, wait, send traffic, inject faults, report, clean up."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from spiko_cli.errors import Interrupted, SpikoError
from spiko_cli.eurekas import Target
from spiko_cli.options import ClusterOptions
from spiko_cli.running.progress import Progress
from spiko_cli.running.report import Report, killed_pods
from spiko_cli.running.run_objects import RunObjects
from spiko_cli.running.run_problems import explain_no_spans, explain_not_accepted, explain_not_ready
from spiko_cli.running.run_spec import RunOptions, RunSpec, silenced, with_endpoint
from spiko_cli.running.traffic_meter import LATEST_QUIET_S, TrafficMeter
from spiko_console.store import TraceStore
from spiko_local.objects import Object, has_condition, status_of
from spiko_operator.cluster.client import Client
from spiko_operator.errors import ClusterError, Conflict

POLL_S = 0.1
FAULT_S = 75.0  # a Fault collects evidence for a minute at most


class Session:
    """One run.

    Args:
        client: of the API server.
        spec: what is run.
        options: how.
        progress: shows the course of the run.
        stop: set to end the run early; there is a report all the same.
    """

    def __init__(
        self, client: Client, spec: RunSpec, options: RunOptions, progress: Progress, stop: asyncio.Event
    ) -> None:
        self._client, self._spec, self._options = client, spec, options
        self._progress, self._stop = progress, stop
        self._objects = RunObjects(client, spec, options)
        self._meter = TrafficMeter(spec.sources)
        self._notes: list[str] = []
        self._cut_s: float | None = None
        self._errors_before: Counter[str] = Counter()
        self._addresses: dict[str, str] = {}  # of pods, by UID, from before any of them can be killed

    async def run(self, traces: TraceStore | None) -> Report:
        """Run everything and return the report.

        Args:
            traces: store of the receiver.

        Raises:
            SpikoError: the file cannot be run, or is not ready in time; everything created is removed again.
        """
        await self._objects.require_absent(self._stop)
        spec, options = self._spec, self._options
        manifest = (
            with_endpoint(spec.architecture, options.endpoint) if options.endpoint else spec.architecture
        )
        try:
            began = time.monotonic()
            await self._objects.create(silenced(manifest))  # traffic begins when reports are collected
            self._progress.say(f"{spec.name} applied")
            status = await self._wait_ready()
            ready_s = time.monotonic() - began
            self._addresses = await self._objects.read_addresses()
            self._announce(status, ready_s)
            target = Target(spec.name, ClusterOptions(options.namespace, None, None, options.reach))
            async with self._meter.collecting(self._client, target) as problem:
                self._notes += [problem] if problem else []
                seconds = await self._send_traffic(manifest)
            return await self._report(status, ready_s, seconds, traces if options.endpoint else None)
        finally:
            await self._objects.clean_up()

    async def _report(
        self, status: Object, ready_s: float, seconds: float, traces: TraceStore | None
    ) -> Report:
        spec, injected = self._spec, self._objects.injected
        faults = [await self._objects.read_fault(fault) for fault in injected]
        architecture: Object = {}
        with contextlib.suppress(ClusterError):  # it may have been deleted meanwhile
            architecture = await self._objects.read()
        killed = killed_pods(status_of(architecture), [status_of(fault) for fault in faults])
        return Report(
            name=spec.name,
            pods=int(status["summary"]["pods"].partition("/")[2]),
            zones=sum(len(region["zones"]) for region in status.get("regions") or []),
            ready_s=ready_s,
            seconds=seconds,
            sources=spec.sources,
            totals=self._meter.totals,
            faults=faults,
            killed={uid: self._addresses.get(uid, "") for uid in killed},
            errors_since=self._meter.errors() - self._errors_before if injected else None,
            traces=traces,
            lost_traces=self._explain_no_spans(architecture, traces),
            endpoint=spec.endpoint,
            cut_s=self._cut_s,
            notes=tuple(self._notes),
        )

    def _explain_no_spans(self, architecture: Object, traces: TraceStore | None) -> str:
        """Return why no spans arrived here; empty if some did, or if none were to be expected."""
        if traces is None or traces.spans:
            return ""
        requests = self._meter.totals.from_tiers(self._spec.sources).row("", 1.0).total
        conditions = _conditions(status_of(architecture))
        return explain_no_spans(self._spec, self._options.endpoint, requests, conditions)

    async def wait_pods_gone(self) -> None:
        """Wait until the pods of the removed architecture are gone, for 30 s at most."""
        await self._objects.wait_pods_gone(self._stop)

    async def _wait_ready(self) -> Object:
        """Wait until the Architecture is Ready and Programmed, and return its status."""
        name, end = self._spec.name, time.monotonic() + self._options.timeout_s
        while True:
            status: Object = dict(status_of(await self._objects.read()))
            conditions = _conditions(status)
            if problem := explain_not_accepted(name, self._options, conditions):
                raise SpikoError(problem)
            if all(conditions.get(kind, {}).get("status") == "True" for kind in ("Ready", "Programmed")):
                return status
            if self._stop.is_set():
                rest = "it is kept" if self._options.keep else "it was removed"
                raise Interrupted(f'interrupted before architecture "{name}" was ready; {rest}')
            if time.monotonic() > end:
                raise SpikoError(explain_not_ready(name, self._options, conditions))
            await asyncio.sleep(POLL_S)

    def _announce(self, status: Object, ready_s: float) -> None:
        self._progress.say(f"{self._spec.name} ready after {ready_s:.1f} s: {status['summary']['pods']} pods")
        zones: Object = next((c for c in status["conditions"] if c["type"] == "ZonesLabeled"), {})
        if zones.get("status") == "False":
            self._progress.say(f"{zones['reason']}: {zones['message']}")

    # ---------------------------------------------------------------- traffic

    async def _send_traffic(self, manifest: Object) -> float:
        """Send traffic, inject faults at half time, and wait until all requests are counted.

        Returns:
            How many seconds there was traffic.
        """
        whole_s = self._options.seconds
        await self._objects.apply(manifest)
        began = time.monotonic()
        pending = list(self._objects.planned)
        while (elapsed := time.monotonic() - began) < whole_s and not self._stop.is_set():
            if pending and elapsed >= whole_s / 2:
                await self._inject(pending)
                pending = []
            marks = [whole_s, *([whole_s / 2] if pending else []), int(elapsed) + 1]
            await self._pause(min(mark for mark in marks if mark > elapsed) - elapsed)
            await self._tick(time.monotonic() - began)
        if self._stop.is_set():
            self._cut_s = time.monotonic() - began
            if pending:
                self._notes.append("interrupted before half time: no fault was injected")
        await self._objects.apply(silenced(manifest))
        seconds = time.monotonic() - began
        if not await self._meter.wait_quiet():
            self._notes.append("some requests were still pending when the counts were taken")
        await self._wait_faults_ended()
        return seconds

    async def _tick(self, elapsed_s: float) -> None:
        pods = "?"
        with contextlib.suppress(ClusterError):
            pods = status_of(await self._objects.read()).get("summary", {}).get("pods", "?")
        self._progress.tick(self._meter.tick(elapsed_s, self._options.seconds, pods))

    async def _pause(self, seconds: float) -> None:
        """Sleep, but not longer than until the run is stopped."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._stop.wait()

    async def _inject(self, faults: list[Object]) -> None:
        self._errors_before = self._meter.errors()
        for fault in faults:
            name = fault["metadata"]["name"]
            try:
                await self._objects.inject(fault)
            except Conflict:
                self._notes.append(
                    f'fault "{name}" was not injected: another one of that name was created meanwhile'
                )
            except ClusterError as error:
                self._notes.append(f'fault "{name}" was not injected: {error}')
            else:
                self._progress.say(f"fault {name} applied")

    async def _wait_faults_ended(self) -> None:
        """Wait until faults have ended, so that the report has their evidence; less after an interrupt."""
        end = time.monotonic() + (FAULT_S if self._cut_s is None else LATEST_QUIET_S)
        for fault in self._objects.injected:
            name = fault["metadata"]["name"]
            while not has_condition(body := await self._objects.read_fault(fault), "Ended"):
                if time.monotonic() > end or (self._stop.is_set() and self._cut_s is None):
                    self._notes.append(f'fault "{name}" has not ended yet')
                    break
                if body is fault:
                    self._notes.append(f'fault "{name}" was deleted before it ended')
                    break
                await asyncio.sleep(POLL_S)
            else:
                self._progress.say(f"fault {name}: {body['status'].get('summary', '')}")


def _conditions(status: Mapping[str, Any]) -> dict[str, Object]:
    """Return the conditions of a status by type."""
    return {condition["type"]: condition for condition in status.get("conditions") or ()}
