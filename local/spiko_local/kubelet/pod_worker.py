"""The life of one pod: its process is started, probed, restarted when it ends, and terminated at deletion."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from dataclasses import replace
from pathlib import Path

from spiko_local.kubelet.containers import run_command, signal_session, terminate
from spiko_local.kubelet.model.container_state import Container, CrashLoop, Ended, Waiting, grace_s, restarts
from spiko_local.kubelet.model.environment import (
    ConfigError,
    build_environment,
    image_message,
    is_ours,
    unsupported,
)
from spiko_local.kubelet.model.pod_status import build_status
from spiko_local.kubelet.model.probe import read_probe
from spiko_local.kubelet.pod_api import PodApi
from spiko_local.kubelet.pod_records import Record
from spiko_local.kubelet.probes import ContainerProbes, ProbeTarget
from spiko_local.kubelet.status_writer import StatusWriter
from spiko_local.kubelet.worker_interfaces import PodRuntime, WorkerListener
from spiko_local.nodes import Node
from spiko_local.objects import Object, status_of
from spiko_local.timestamps import now_text

PULL_BACKOFF_S = 10.0
STABLE_S = 600.0  # a container that ran longer than this has no failures in a row
log = logging.getLogger("spiko.kubelet")


class PodWorker:
    """Runs one pod.

    Args:
        pod: the object as it was first seen.
        record: an earlier kubelet's, or a new one.
        node: on which the pod runs.
        runtime: starts its processes.
        api: receives its status and events.
        listener: learns of its changes.
    """

    def __init__(
        self,
        pod: Object,
        record: Record,
        node: Node,
        runtime: PodRuntime,
        api: PodApi,
        listener: WorkerListener,
    ) -> None:
        self.pod, self.record = pod, record
        self.container = Container()
        self.address = node.pod_address(record.host)
        self._node, self._runtime, self._api, self._listener = node, runtime, api, listener
        self._deleting = asyncio.Event()
        self._gone = asyncio.Event()
        self._unhealthy = asyncio.Event()
        self._start_time = status_of(pod).get("startTime") or now_text()
        self._crash_loop = CrashLoop()
        self._status = StatusWriter(api, self, self._gone)
        self._probes = ContainerProbes(self)
        self._frozen = False

    @property
    def serving(self) -> bool:
        """Whether Services may send requests to the pod, if it is ready."""
        return self.container.running and not self._deleting.is_set()

    @property
    def _spec(self) -> Object:
        spec: Object = self.pod["spec"]["containers"][0]
        return spec

    def update(self, pod: Object) -> None:
        """Take the pod's newest object."""
        self.pod = pod
        if pod["metadata"].get("deletionTimestamp"):
            self._deleting.set()
        self._listener.changed(self)

    def remove(self) -> None:
        """The object is gone from the API: kill the process without grace."""
        self._gone.set()
        self._deleting.set()
        self._listener.changed(self)

    def freeze(self) -> None:
        """Stop the process with SIGSTOP and write nothing more: the node's power is cut."""
        self._frozen = True
        if self.record.alive:
            signal_session(self.record.pid, signal.SIGSTOP)

    async def run(self) -> None:
        """Run the pod until it is deleted."""
        self.update(self.pod)
        self._status.start()
        try:
            await self._live()
        except Exception as error:  # this task is not awaited: an error that is not reported here is lost
            log.exception("pod %s/%s", self.record.namespace, self.record.name)
            await self._fail(error)
        finally:
            self._probes.stop()
            if self._frozen:
                self._status.stop()
                return  # noqa: B012  # cancelled on purpose
            if self.record.alive:
                signal_session(self.record.pid, signal.SIGKILL)
            try:
                if self._deleting.is_set() and not self._gone.is_set():
                    await self._status.finish()
            finally:
                self._status.stop()
                self._listener.done(self)

    async def _fail(self, error: Exception) -> None:
        """Report an unexpected error in the pod's status, and wait until the pod is deleted."""
        self._probes.stop()
        if self.record.alive:
            signal_session(self.record.pid, signal.SIGKILL)
        self._wait("CreateContainerError", f"{type(error).__name__}: {error}")
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
        """Return True, or wait until a pod that can never run here is deleted and return False."""
        if text := unsupported(self.pod):
            self._wait("Unsupported", text)
            await self._api.warn(self.pod, "Unsupported", text)
            await self._deleting.wait()
            return False
        image = self._spec["image"]
        if is_ours(image):
            return True
        text = image_message(image)
        self._wait("ErrImagePull", text)
        await self._api.warn(self.pod, "Failed", text)
        await self._pause(PULL_BACKOFF_S)
        self._wait("ImagePullBackOff", text)
        await self._deleting.wait()
        return False

    def _adopt(self) -> None:
        """Take over a process that an earlier kubelet started, with its restarts and its last readiness."""
        old = (status_of(self.pod).get("containerStatuses") or [{}])[0]
        self._set_running(bool(old.get("ready")), True)

    async def _start(self) -> bool:
        """Start the process. Return False if it cannot be configured and the pod was deleted meanwhile."""
        spec = self._spec
        try:
            environ = self.environ()
        except ConfigError as error:
            self._wait("CreateContainerConfigError", str(error))
            await self._deleting.wait()
            return False
        command = [*(spec.get("command") or ()), *(spec.get("args") or ())] if spec.get("command") else []
        self.record = await self._runtime.start(self.record, command, environ)
        started = read_probe(spec, "startup") is None
        self._set_running(started and read_probe(spec, "readiness") is None, started)
        return True

    async def _serve(self) -> int | None:
        """Return the process's exit code once it has ended; None if the pod is deleted before that."""
        self._unhealthy.clear()
        target = ProbeTarget(self._spec, self.address, self.execute)
        self._probes.start(target, self.container.started, self.container.ready)
        began = asyncio.get_running_loop().time()
        ending = asyncio.create_task(self._runtime.ended(self.record.pid))
        waits = [ending, *(asyncio.create_task(event.wait()) for event in (self._deleting, self._unhealthy))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if self._deleting.is_set() and not ending.done():
                return None
            self._probes.stop()
            if not ending.done():
                await self._api.warn(self.pod, "Unhealthy", "liveness probe failed; restarting the container")
                await terminate(self.record.pid, ending, self._gone, grace_s(self.pod))
            code = await ending
        finally:
            for wait in waits:
                wait.cancel()
        if asyncio.get_running_loop().time() - began > STABLE_S:
            self._crash_loop.reset()
        self._set(self.container.end(self._ended(code)))
        return code

    async def _back_off(self) -> None:
        delay_s = self._crash_loop.next_delay_s()
        if delay_s:
            container, pod = self._spec["name"], self.record.name
            text = f"back-off {delay_s:.0f}s restarting failed container={container} pod={pod}"
            self._wait("CrashLoopBackOff", text)
            await self._pause(delay_s)

    async def _pause(self, seconds: float) -> None:
        """Sleep, but not longer than until the pod is deleted."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._deleting.wait()

    # ---------------------------------------------------------------- termination

    async def _terminate(self) -> None:
        """Terminate the process, without grace if the object is gone from the API."""
        self._probes.stop()
        if not self.container.running:
            return
        ending = asyncio.create_task(self._runtime.ended(self.record.pid))
        await terminate(self.record.pid, ending, self._gone, 0.0 if self._gone.is_set() else grace_s(self.pod))
        self._set(self.container.end(self._ended(await ending)))

    def _ended(self, code: int) -> Ended:
        return Ended(code, self.record.started_at, now_text(), self.record.container_id)

    # ---------------------------------------------------------------- verdicts of probes

    def on_started(self) -> None:
        """The startup probe has succeeded: the pod is ready unless it has a readiness probe."""
        self._set(replace(self.container, started=True, ready=read_probe(self._spec, "readiness") is None))

    def on_ready(self, ready: bool) -> None:
        """The readiness probe's verdict has changed."""
        if self.container.running and self.container.ready != ready:
            self._set(replace(self.container, ready=ready))

    def on_unhealthy(self) -> None:
        """The startup or the liveness probe has failed."""
        self._unhealthy.set()

    # ---------------------------------------------------------------- the container

    async def execute(self, command: list[str], timeout_s: float) -> bool:
        """Run a command with the container's environment and return whether it ended with 0."""
        return await run_command(command, self.environ(), timeout_s)

    def environ(self) -> dict[str, str]:
        """Return the container's environment.

        Raises:
            ConfigError: an entry refers to something that this cluster does not have.
        """
        extra = self._runtime.environment(self.address)
        return build_environment(self.pod, self._spec, self.address, self._node.address, os.environ, extra)

    def log_file(self, number: int) -> Path:
        """Return the log of the n-th start, from 1."""
        return self._runtime.log_file(self.record.uid, number)

    def status(self) -> Object:
        """Return the pod's whole status as it is now."""
        return build_status(self.pod, self.container, self.address, self._node.address, self._start_time, now_text())

    def _set_running(self, ready: bool, started: bool) -> None:
        record = self.record
        self._set(self.container.run(record.started_at, record.container_id, record.restarts, ready, started))

    def _wait(self, reason: str, message: str) -> None:
        self._set(self.container.wait(Waiting(reason, message)))

    def _set(self, container: Container) -> None:
        self.container = container
        self._status.notify()
        self._listener.changed(self)
