"""One pod's life: start its process, probe it, start it again when it ends, end it when its pod is deleted."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from spiko_local.errors import ApiError
from spiko_local.kubelet.containers import signal_session
from spiko_local.kubelet.environment import ConfigError, build_environment, image_message, is_ours, unsupported
from spiko_local.kubelet.pod_records import Record
from spiko_local.kubelet.pod_status import FORGET_S, Container, Ended, Waiting, backoff_s, build_status, restarts
from spiko_local.kubelet.probes import read_probe, watch_probe
from spiko_local.timestamps import now_text

if TYPE_CHECKING:
    from spiko_local.kubelet.kubelet import Kubelet

Object = dict[str, Any]
DEFAULT_GRACE_S = 30.0
PULL_BACKOFF_S = 10.0
log = logging.getLogger("spiko.kubelet")


class PodWorker:
    """One pod.

    Args:
        kubelet: whose.
        pod: the object as it was first seen.
        record: what an earlier kubelet wrote down, or a new one.
    """

    def __init__(self, kubelet: Kubelet, pod: Object, record: Record) -> None:
        self._kubelet, self.pod, self.record = kubelet, pod, record
        self.container = Container()
        self._node = kubelet.nodes[record.node]
        self.address = self._node.pod_address(record.host)
        self._deleting = asyncio.Event()
        self._gone = asyncio.Event()
        self._unhealthy = asyncio.Event()
        self._dirty = asyncio.Event()
        self._written: Object | None = None
        self._start_time = (pod.get("status") or {}).get("startTime") or now_text()
        self._fails_in_a_row = 0
        self._probes: list[asyncio.Task[None]] = []
        self._frozen = False

    def update(self, pod: Object) -> None:
        """The object has changed."""
        self.pod = pod
        if pod["metadata"].get("deletionTimestamp"):
            self._deleting.set()

    def remove(self) -> None:
        """The object is gone from the API: nothing is owed to its process any more."""
        self._gone.set()
        self._deleting.set()

    def freeze(self) -> None:
        """The node's power is cut: the process is silent, and of this worker nothing is heard any more."""
        self._frozen = True
        if self.record.alive:
            signal_session(self.record.pid, signal.SIGSTOP)

    async def run(self) -> None:
        """Live until the pod is deleted or done."""
        self.update(self.pod)
        writer = asyncio.create_task(self._write_status())
        try:
            await self._live()
        except Exception as error:  # nobody awaits this task: what it does not say itself, nobody hears
            log.exception("pod %s/%s", self.record.namespace, self.record.name)
            await self._fail(error)
        finally:
            self._stop_probes()
            if self._frozen:
                writer.cancel()
                return  # noqa: B012  # cancelled on purpose
            if self.record.alive:
                signal_session(self.record.pid, signal.SIGKILL)
            try:
                if self._deleting.is_set() and not self._gone.is_set():
                    await self._flush_last(writer)
            finally:
                writer.cancel()
                self._kubelet.forget(self)

    async def _fail(self, error: Exception) -> None:
        """What nobody foresaw: the pod says so, and waits to be deleted."""
        self._stop_probes()
        if self.record.alive:
            signal_session(self.record.pid, signal.SIGKILL)
        self._set(self.container.wait(Waiting("CreateContainerError", f"{type(error).__name__}: {error}")))
        await self._deleting.wait()

    # ---------------------------------------------------------------- life

    async def _live(self) -> None:
        policy = self.pod["spec"].get("restartPolicy", "Always")
        if not await self._can_run():
            return
        if self.record.alive:
            self._adopt()
        while not self._deleting.is_set():
            if not self.container.running and not await self._start():
                return
            code = await self._serve()
            if self._deleting.is_set():
                break
            if code is None or not restarts(policy, code):
                await self._deleting.wait()
                return
            await self._back_off()
        await self._terminate()

    async def _can_run(self) -> bool:
        """Wait for the pod's deletion if it can never run here."""
        if text := unsupported(self.pod):
            self._set(self.container.wait(Waiting("Unsupported", text)))
            await self._kubelet.event(self.pod, "Warning", "Unsupported", text)
            await self._deleting.wait()
            return False
        image = self.pod["spec"]["containers"][0]["image"]
        if not is_ours(image):
            text = image_message(image)
            self._set(self.container.wait(Waiting("ErrImagePull", text)))
            await self._kubelet.event(self.pod, "Warning", "Failed", text)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PULL_BACKOFF_S):
                    await self._deleting.wait()
            self._set(self.container.wait(Waiting("ImagePullBackOff", text)))
            await self._deleting.wait()
            return False
        return True

    def _adopt(self) -> None:
        """Another kubelet started it: it goes on with address and counts; readiness is asked anew."""
        old = ((self.pod.get("status") or {}).get("containerStatuses") or [{}])[0]
        ready = bool(old.get("ready"))
        self.container = self.container.run(
            self.record.started_at, self._container_id(), self.record.restarts, ready, True
        )
        self._dirty.set()

    async def _start(self) -> bool:
        """Start the process; False if its configuration cannot be carried out and the pod was deleted meanwhile."""
        spec = self.pod["spec"]["containers"][0]
        try:
            environ = build_environment(
                self.pod,
                spec,
                self.address,
                self._node.address,
                os.environ,
                self._kubelet.runtime_environment(self.address, self.pod),
            )
        except ConfigError as error:
            self._set(self.container.wait(Waiting("CreateContainerConfigError", str(error))))
            await self._deleting.wait()
            return False
        command = [*(spec.get("command") or ()), *(spec.get("args") or ())] if spec.get("command") else []
        number = self.record.container + 1
        again = number > 1
        record = replace(self.record, container=number, restarts=self.record.restarts + again, started_at=now_text())
        pid, began = await self._kubelet.forks.start(command, environ, self.log_file(number))
        self.record = replace(record, pid=pid, began=began)
        self._kubelet.records.write(self.record)
        has_readiness = read_probe(spec, "readinessProbe") is not None
        has_startup = read_probe(spec, "startupProbe") is not None
        self._set(
            self.container.run(
                self.record.started_at,
                self._container_id(),
                self.record.restarts,
                not has_readiness and not has_startup,
                not has_startup,
            )
        )
        return True

    async def _serve(self) -> int | None:
        """Wait until the process ends or must be ended; returns its code."""
        self._unhealthy.clear()
        self._start_probes()
        began = asyncio.get_running_loop().time()
        waits = [
            asyncio.create_task(w)
            for w in (self._kubelet.forks.ended(self.record.pid), self._deleting.wait(), self._unhealthy.wait())
        ]
        ending = waits[0]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if self._deleting.is_set() and not ending.done():
                return None
            self._stop_probes()
            if not ending.done():
                await self._kubelet.event(
                    self.pod, "Warning", "Unhealthy", "liveness probe failed; the container is restarted"
                )
                await self._end_process(ending, self._grace_s())
            code = int(await ending)
        finally:
            for wait in waits:
                wait.cancel()
        if asyncio.get_running_loop().time() - began > FORGET_S:
            self._fails_in_a_row = 0
        self._set(self.container.end(self._ended(code)))
        return code

    async def _back_off(self) -> None:
        """The pause before the next start."""
        pause_s = backoff_s(self._fails_in_a_row)
        self._fails_in_a_row += 1
        if pause_s:
            name = self.pod["spec"]["containers"][0]["name"]
            text = f"back-off {pause_s:.0f}s restarting failed container={name} pod={self.record.name}"
            self._set(self.container.wait(Waiting("CrashLoopBackOff", text)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._deleting.wait()

    # ---------------------------------------------------------------- ending

    async def _terminate(self) -> None:
        """SIGTERM, the grace period, SIGKILL; with the pod gone from the API at once."""
        self._stop_probes()
        if not self.container.running:
            return
        ending = asyncio.create_task(self._kubelet.forks.ended(self.record.pid))
        await self._end_process(ending, 0.0 if self._gone.is_set() else self._grace_s())
        self._set(self.container.end(self._ended(int(await ending))))

    async def _end_process(self, ending: asyncio.Task[int], grace_s: float) -> None:
        if grace_s > 0:
            signal_session(self.record.pid, signal.SIGTERM)
            gone = asyncio.create_task(self._gone.wait())
            await asyncio.wait({ending, gone}, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
            gone.cancel()
        if not ending.done():
            signal_session(self.record.pid, signal.SIGKILL)
        await ending

    def _grace_s(self) -> float:
        grace = self.pod["metadata"].get("deletionGracePeriodSeconds")
        if grace is None:
            grace = self.pod["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE_S)
        return float(grace)

    def _ended(self, code: int) -> Ended:
        return Ended(code, self.record.started_at, now_text(), self._container_id())

    # ---------------------------------------------------------------- probes

    def _start_probes(self) -> None:
        spec = self.pod["spec"]["containers"][0]
        startup, readiness, liveness = (
            read_probe(spec, f"{kind}Probe") for kind in ("startup", "readiness", "liveness")
        )

        def say_started(up: bool) -> None:
            if up:
                self._set(replace(self.container, started=True, ready=readiness is None))
                follow()
            else:
                self._unhealthy.set()

        def say_ready(up: bool) -> None:
            if self.container.running and self.container.ready != up:
                self._set(replace(self.container, ready=up))

        def say_alive(up: bool) -> None:
            if not up:
                self._unhealthy.set()

        def follow() -> None:
            if readiness is not None:
                self._probe(
                    watch_probe(readiness, self.address, spec, self.execute, not self.container.ready, say_ready)
                )
            if liveness is not None:
                self._probe(watch_probe(liveness, self.address, spec, self.execute, False, say_alive))

        if startup is not None and not self.container.started:
            self._probe(watch_probe(startup, self.address, spec, self.execute, True, say_started))
        else:
            follow()

    def _probe(self, work: Any) -> None:
        self._probes.append(asyncio.create_task(work))

    def _stop_probes(self) -> None:
        for task in self._probes:
            task.cancel()
        self._probes = []

    async def execute(self, command: list[str], timeout_s: float) -> bool:
        """Run a command with the container's environment; whether it ended with 0."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=self.environ(),
        )
        try:
            async with asyncio.timeout(timeout_s):
                return await process.wait() == 0
        except TimeoutError:
            process.kill()
            return False

    def environ(self) -> dict[str, str]:
        """The container's environment, for commands run in it."""
        spec = self.pod["spec"]["containers"][0]
        extra = self._kubelet.runtime_environment(self.address, self.pod)
        return build_environment(self.pod, spec, self.address, self._node.address, os.environ, extra)

    # ---------------------------------------------------------------- status

    def log_file(self, number: int | None = None) -> Any:
        """The log of the n-th start, by default of the present one."""
        return self._kubelet.logs / f"{self.record.uid}.{number or self.record.container}.log"

    def _container_id(self) -> str:
        return f"process://{self.record.uid}-{self.record.container}"

    def _set(self, container: Container) -> None:
        self.container = container
        self._dirty.set()

    def _status(self) -> Object:
        return build_status(self.pod, self.container, self.address, self._node.address, self._start_time, now_text())

    async def _write_status(self) -> None:
        """Write on change, the newest only; again and again while the API server is away."""
        self._dirty.set()
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                is_written = await self._write_once()
            except Exception:  # nor this one; the next change may be one that can be written
                log.exception("status of pod %s/%s", self.record.namespace, self.record.name)
                continue
            if not is_written:
                await asyncio.sleep(0.3)
                self._dirty.set()

    async def _write_once(self) -> bool:
        status = self._status()
        if status == self._written or self._gone.is_set():
            return True
        try:
            updated = await self._kubelet.patch_status(self.pod, status)
        except ApiError as error:
            return error.status in (404, 409, 422)  # it is gone, or another by now: the watch will say so
        self._written = status
        self.pod["status"] = updated.get("status", {})
        return True

    async def _flush_last(self, writer: asyncio.Task[None]) -> None:
        """The last status, then the object's removal."""
        writer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writer
        while not self._gone.is_set():
            try:
                await self._write_once()
                await self._kubelet.delete(self.pod)
            except ApiError as error:
                if error.status in (404, 409):
                    return
                await asyncio.sleep(0.5)
            else:
                return
