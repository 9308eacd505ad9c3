"""One run against a cluster that is up: apply, wait, watch, inject, fall silent, collect; and take away what it made."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from spiko_cli.errors import Interrupted, SpikoError
from spiko_cli.eurekas import Eurekas, Target, connected
from spiko_cli.metrics.aggregates import Sums
from spiko_cli.metrics.sliding_window import Window
from spiko_cli.running.progress import Progress, Tick
from spiko_cli.running.report import Outcome, sum_of
from spiko_cli.running.run_spec import Wish, faults_of, silenced, with_endpoint
from spiko_console.store import TraceStore
from spiko_operator.api.architecture import KIND
from spiko_operator.api.common import API_VERSION
from spiko_operator.cluster.client import Client
from spiko_operator.errors import ClusterError, Conflict, Missing
from spiko_operator.plan import names

Object = dict[str, Any]
MANAGER = "spiko-run"
LOOK_S = 0.1
QUIET_S, LATEST_QUIET_S = 2.5, 10.0  # pods report every second, and eurekas add up every second
FAULT_S = 75.0  # after its act a Fault gathers evidence for a minute at most
GONE_S = 30.0
COLLECTED_S, TIDY_S = 15.0, 20.0
SHOWN_S = 3


@dataclass(frozen=True)
class Options:
    """How to run. `endpoint` is our receiver's, empty if traces go elsewhere."""

    seconds: float
    namespace: str
    seed: int
    timeout_s: float
    keep: bool
    endpoint: str


class Session:
    """One run.

    Args:
        client: of the API server.
        wish: what is run.
        options: how.
        progress: told of it.
        stop: set by whoever wants it to end early; it ends with a report all the same.
    """

    def __init__(self, client: Client, wish: Wish, options: Options, progress: Progress, stop: asyncio.Event) -> None:
        self._client, self._wish, self._options = client, wish, options
        self._progress, self._stop = progress, stop
        self._sums, self._window = Sums(), Window(SHOWN_S, zones=False)
        self._heard_at = time.monotonic()
        self._notes: list[str] = []
        self._cut_s: float | None = None
        self._uid = ""  # of the Architecture that we made
        self._errors_before: Counter[str] = Counter()
        self._counted: deque[tuple[float, int]] = deque(maxlen=SHOWN_S + 1)  # so far, at the last ticks
        self._injected: list[Object] = []  # Faults as the API server took them

    async def run(self, traces: TraceStore | None) -> Outcome:
        """Run it whole.

        Args:
            traces: where our receiver puts them.

        Raises:
            SpikoError: it cannot be run, or does not become ready; what was made is taken away again.
        """
        await self._refuse_existing()
        wish, options = self._wish, self._options
        manifest = with_endpoint(wish.architecture, options.endpoint) if options.endpoint else wish.architecture
        try:
            began = time.monotonic()
            made = await self._apply(silenced(manifest))  # sources begin when somebody counts
            self._uid = made["metadata"]["uid"]
            self._progress.say(f"{wish.name} applied")
            status = await self._until_settled()
            ready_s = time.monotonic() - began
            regions = status.get("regions") or []
            self._progress.say(f"{wish.name} ready after {ready_s:.1f} s: {status['summary']['pods']} pods")
            zones: Object = next((c for c in status["conditions"] if c["type"] == "ZonesLabelled"), {})
            if zones.get("status") == "False":
                self._progress.say(f"{zones['reason']}: {zones['message']}")
            async with self._collecting():
                seconds = await self._traffic(manifest)
            return Outcome(
                name=wish.name,
                pods=int(status["summary"]["pods"].partition("/")[2]),
                zones=sum(len(region["zones"]) for region in regions),
                ready_s=ready_s,
                seconds=seconds,
                sources=wish.sources,
                sums=self._sums,
                faults=[await self._read_fault(fault) for fault in self._injected],
                errors_since=self._errors() - self._errors_before if self._injected else None,
                traces=traces if options.endpoint else None,
                endpoint=wish.endpoint,
                cut_s=self._cut_s,
                notes=tuple(self._notes),
            )
        finally:
            await self._tidy()

    # ---------------------------------------------------------------- before

    async def _refuse_existing(self) -> None:
        """Neither the Architecture nor a Fault of its may be there: a Fault acts once, and an old one would be reported as ours."""
        namespace, name = self._options.namespace, self._wish.name
        with contextlib.suppress(Missing):
            await self._client.get("Architecture", namespace, name)
            raise SpikoError(
                f"architecture {name} is there already in namespace {namespace};"
                f" `kubectl delete arch {name} -n {namespace}`, or name another namespace with -n"
            )
        for fault in faults_of(self._wish, self._options.seed):
            await self._refuse_fault(fault["metadata"]["name"])

    async def _refuse_fault(self, name: str) -> None:
        """One that an Architecture owns goes with it: of an earlier run with --keep it may be just about to."""
        namespace, end = self._options.namespace, time.monotonic() + COLLECTED_S
        with contextlib.suppress(Missing):
            while (await self._client.get("Fault", namespace, name))["metadata"].get("ownerReferences"):
                if time.monotonic() > end or self._stop.is_set():
                    break
                await asyncio.sleep(LOOK_S)
            raise SpikoError(
                f"fault {name} is there already in namespace {namespace}, and a Fault acts once;"
                f" `kubectl delete fault {name} -n {namespace}`, or name another namespace with -n"
            )

    async def _apply(self, manifest: Object) -> Object:
        try:
            return await self._client.apply(self._placed(manifest), MANAGER)
        except Missing as error:
            namespace = self._options.namespace
            raise SpikoError(f"namespace {namespace} is not there; `kubectl create namespace {namespace}`") from error

    def _placed(self, manifest: Object, **more: Any) -> Object:
        return manifest | {"metadata": manifest["metadata"] | {"namespace": self._options.namespace, **more}}

    async def _until_settled(self) -> Mapping[str, Any]:
        """Wait until it is ready and every pod acts on its configuration; returns the status."""
        end = time.monotonic() + self._options.timeout_s
        while True:
            body = await self._read()
            status: Mapping[str, Any] = body.get("status") or {}
            conditions = {c["type"]: c for c in status.get("conditions") or ()}
            accepted = conditions.get("Accepted", {})
            if accepted.get("status") == "False":
                raise SpikoError(f"{self._wish.name} is not accepted: {accepted['message']}")
            if all(conditions.get(name, {}).get("status") == "True" for name in ("Ready", "Programmed")):
                return status
            if self._stop.is_set():
                kept = "it stays" if self._options.keep else "it is removed"
                raise Interrupted(f"interrupted before {self._wish.name} was ready; {kept}")
            if time.monotonic() > end:
                late = next(
                    (c["message"] for c in conditions.values() if c["status"] != "True"), "nobody has taken it up"
                )
                raise SpikoError(
                    f"{self._wish.name} is not ready after {self._options.timeout_s:.0f} s: {late}; --timeout gives it more"
                )
            await asyncio.sleep(LOOK_S)

    async def _read(self) -> Object:
        return await self._client.get("Architecture", self._options.namespace, self._wish.name)

    # ---------------------------------------------------------------- traffic

    @asynccontextmanager
    async def _collecting(self) -> AsyncIterator[None]:
        """Add up what eurekas tell, from when all of them are heard."""
        target = Target(self._wish.name, self._options.namespace, None, None, None)
        async with connected(self._client, target) as eurekas:
            await eurekas.look()
            collecting = asyncio.create_task(self._collect(eurekas))
            try:
                await eurekas.until_heard()
                if silence := eurekas.silence():
                    self._notes.append(silence)
                yield
            finally:
                collecting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await collecting

    async def _collect(self, eurekas: Eurekas) -> None:
        async for second in eurekas.seconds():
            self._heard_at = time.monotonic()
            self._sums.add(second)
            self._window.add(second, self._heard_at)

    async def _traffic(self, manifest: Object) -> float:
        """The run's seconds, a tick each; faults at half time; at the end silence. Returns how long there was traffic."""
        options = self._options
        await self._apply(manifest)
        began = time.monotonic()
        pending = faults_of(self._wish, options.seed)
        while (elapsed := time.monotonic() - began) < options.seconds and not self._stop.is_set():
            if pending and elapsed >= options.seconds / 2:
                await self._inject(pending)
                pending = []
            marks = [options.seconds, *([options.seconds / 2] if pending else []), int(elapsed) + 1]
            await _wait(self._stop, min(mark for mark in marks if mark > elapsed) - elapsed)
            await self._tick(time.monotonic() - began)
        if self._stop.is_set():
            self._cut_s = time.monotonic() - began
            if pending:
                self._notes.append("interrupted before half time: no fault was injected")
        await self._apply(silenced(manifest))
        seconds = time.monotonic() - began
        await self._until_quiet()
        await self._until_ended()
        return seconds

    async def _tick(self, elapsed_s: float) -> None:
        pods = "?"
        with contextlib.suppress(ClusterError):
            pods = ((await self._read()).get("status") or {}).get("summary", {}).get("pods", "?")
        now = time.monotonic()
        sums, covered_s = self._window.sums(now), self._window.covered_s(now)
        begun = sum_of(sums, self._wish.sources).row(", ".join(sorted(self._wish.sources)) or "no source", covered_s)
        so_far = sum_of(self._sums, self._wish.sources).row(begun.name, elapsed_s)
        if so_far.total:
            self._counted.append((elapsed_s, so_far.total))
            (earlier_s, earlier), *_ = self._counted
            span_s = elapsed_s - earlier_s  # what is told lags behind by about as much at both ends; 0 the first time
            begun = replace(begun, rate=(so_far.total - earlier) / span_s if span_s else 0.0)
        edges, tiers = sums.edge_rows(covered_s), sums.tier_rows(covered_s)
        self._progress.tick(Tick(elapsed_s, self._options.seconds, pods, begun, so_far, edges, tiers))

    def _errors(self) -> Counter[str]:
        """What the sources have seen fail, by cause."""
        return sum_of(self._sums, self._wish.sources).errors

    async def _inject(self, faults: list[Object]) -> None:
        """Create them, owned by the Architecture: with --keep they stay to be looked at, and go with it."""
        self._errors_before = self._errors().copy()
        owner = {"apiVersion": API_VERSION, "kind": KIND, "name": self._wish.name, "uid": self._uid}
        for fault in faults:
            name = fault["metadata"]["name"]
            try:
                made = await self._client.create("Fault", self._placed(fault, ownerReferences=[owner]), MANAGER)
            except Conflict:
                self._notes.append(f"fault {name} was not injected: somebody has made one of that name meanwhile")
            except ClusterError as error:
                self._notes.append(f"fault {name} was not injected: {error}")
            else:
                self._injected.append(made)
                self._progress.say(f"fault {name} applied")

    async def _until_ended(self) -> None:
        """Faults that are under way may end, unless somebody is in a hurry: their evidence belongs into the report."""
        end = time.monotonic() + (FAULT_S if self._cut_s is None else LATEST_QUIET_S)
        for fault in self._injected:
            name = fault["metadata"]["name"]
            while not _ended(body := await self._read_fault(fault)):
                if time.monotonic() > end or (self._stop.is_set() and self._cut_s is None):
                    self._notes.append(f"fault {name} has not ended yet")
                    break
                if body is fault:
                    self._notes.append(f"fault {name} was deleted meanwhile")
                    break
                await asyncio.sleep(LOOK_S)
            else:
                self._progress.say(f"fault {name}: {body['status'].get('summary', '')}")

    async def _read_fault(self, fault: Object) -> Object:
        """As it is now; as it was made if it is gone, or another has its name."""
        with contextlib.suppress(Missing):
            body = await self._client.get("Fault", self._options.namespace, fault["metadata"]["name"])
            if body["metadata"]["uid"] == fault["metadata"]["uid"]:
                return body
        return fault

    async def _until_quiet(self) -> None:
        """What was sent is answered and counted: so callers' and callees' counts are of the same requests."""
        end = time.monotonic() + LATEST_QUIET_S
        self._heard_at = time.monotonic()
        while time.monotonic() - self._heard_at < QUIET_S:
            if time.monotonic() > end:
                self._notes.append("requests were still on their way when the counts were taken")
                return
            await asyncio.sleep(LOOK_S)

    # ---------------------------------------------------------------- after

    async def _tidy(self) -> None:
        """With --keep the file's own manifest is in force again, else everything goes."""
        try:
            async with asyncio.timeout(TIDY_S):
                await (self._apply(self._wish.architecture) if self._options.keep and self._uid else self._remove())
        except TimeoutError as error:
            name, namespace = self._wish.name, self._options.namespace
            raise SpikoError(
                f"the API server does not answer: {name} may still be there; `kubectl delete arch {name} -n {namespace}`"
            ) from error

    async def _remove(self) -> None:
        """What we made, and nothing else of the same names."""
        namespace = self._options.namespace
        for fault in self._injected:
            await self._client.delete("Fault", namespace, fault["metadata"]["name"], fault["metadata"]["uid"])
        with contextlib.suppress(Missing):
            metadata = (await self._read())["metadata"]
            if self._uid == metadata["uid"] or (not self._uid and _made_by_us(metadata)):
                await self._client.delete("Architecture", namespace, self._wish.name, metadata["uid"])


async def until_gone(client: Client, name: str, namespace: str, stop: asyncio.Event) -> None:
    """Wait until the pods of an architecture that was deleted have gone; 30 s at most, and no longer than somebody likes."""
    end = time.monotonic() + GONE_S
    while await client.list("Pod", namespace, f"{names.ARCHITECTURE}={name}"):
        if stop.is_set() or time.monotonic() > end:
            return
        await asyncio.sleep(LOOK_S)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await stop.wait()


def _ended(fault: Object) -> bool:
    conditions = (fault.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ended" and c["status"] == "True" for c in conditions)


def _made_by_us(metadata: Object) -> bool:
    """Whether an apply whose answer we did not wait for has made it."""
    return any(entry.get("manager") == MANAGER for entry in metadata.get("managedFields") or ())
