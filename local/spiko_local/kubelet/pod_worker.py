"""The life of one pod: its process is started, probed, restarted when it ends, and terminated at deletion."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from pathlib import Path

from spiko_local.kubelet.containers import terminate
from spiko_local.kubelet.model.container_state import Container, CrashLoop, grace_s, restarts
from spiko_local.kubelet.model.environment import ConfigError, image_message, is_ours, unsupported
from spiko_local.kubelet.pod_api import PodApi
from spiko_local.kubelet.pod_container import PodContainer, spec_of
from spiko_local.kubelet.pod_records import Record
from spiko_local.kubelet.pod_volumes import PodVolumes
from spiko_local.kubelet.probe_attempts import ProbeTarget
from spiko_local.kubelet.probes import ContainerProbes
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
        self.pod = pod
        self._container = PodContainer(record, node, runtime, self._notify)
        self._api, self._listener = api, listener
        self._deleting = asyncio.Event()
        self._gone = asyncio.Event()
        self._unhealthy = asyncio.Event()
        self._start_time = status_of(pod).get("startTime") or now_text()
        self._crash_loop = CrashLoop()
        self._status = StatusWriter(api, self, self._gone)
        self._probes = ContainerProbes(self)
        self._volumes = PodVolumes(runtime.volumes(record.uid), api)
        self._frozen = False

    @property
    def record(self) -> Record:
        """The pod's newest record."""
        return self._container.record

    @property
    def container(self) -> Container:
        """The state of its container."""
        return self._container.state

    @property
    def address(self) -> str:
        """The pod's IP."""
        return self._container.address

    @property
    def serving(self) -> bool:
        """Whether Services may send requests to the pod, if it is ready."""
        return self.container.running and not self._deleting.is_set()

    def update(self, pod: Object) -> None:
        """Take the pod's newest object. A spec that has not changed is kept once: probes hold it too."""
        if pod["spec"] == self.pod["spec"]:
            pod["spec"] = self.pod["spec"]
        self.pod = pod
        if pod["metadata"].get("deletionTimestamp"):
            self._delete()
        self._listener.changed(self)

    def remove(self) -> None:
        """The object is gone from the API: kill the process without grace."""
        self._gone.set()
        self._delete()
        self._listener.changed(self)

    def freeze(self) -> None:
        """Stop the process with SIGSTOP and write nothing more: the node's power is cut."""
        self._frozen = True
        self._container.signal(signal.SIGSTOP)

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
            self._volumes.close()
            if self._frozen:
                self._status.stop()
                return  # noqa: B012  # cancelled on purpose
            self._container.signal(signal.SIGKILL)
            try:
                if self._deleting.is_set() and not self._gone.is_set():
                    await self._status.finish()
            finally:
                self._status.stop()
                self._listener.done(self)

    async def _fail(self, error: Exception) -> None:
        """Report an unexpected error in the pod's status, and wait until the pod is deleted."""
        self._probes.stop()
        self._container.signal(signal.SIGKILL)
        self._container.wait("CreateContainerError", f"{type(error).__name__}: {error}")
        await self._deleting.wait()

    async def _live(self) -> None:
        policy = self.pod["spec"].get("restartPolicy", "Always")
        if not await self._can_run():
            return
        self._volumes.open(self.pod)
        if self.record.alive:
            self._container.adopt(self.pod)
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
            self._container.wait("Unsupported", text)
            await self._api.warn(self.pod, "Unsupported", text)
            await self._deleting.wait()
            return False
        if is_ours(image := spec_of(self.pod)["image"]):
            return True
        text = image_message(image)
        self._container.wait("ErrImagePull", text)
        await self._api.warn(self.pod, "Failed", text)
        await self._pause(PULL_BACKOFF_S)
        self._container.wait("ImagePullBackOff", text)
        await self._deleting.wait()
        return False

    async def _start(self) -> bool:
        """Start the process. Return False if the pod was deleted before that was possible."""
        if not await self._mount():
            return False
        try:
            await self._container.start(self.pod)
        except ConfigError as error:
            self._container.wait("CreateContainerConfigError", str(error))
            await self._deleting.wait()
            return False
        return True

    async def _mount(self) -> bool:
        """Wait until the pod's volumes are complete. Return False if the pod was deleted before that."""
        reported = ""
        while not self._volumes.mounted and not self._deleting.is_set():
            self._volumes.changed.clear()
            if self._volumes.problem in ("", reported):
                await self._volumes.changed.wait()
            else:
                reported = self._volumes.problem
                self._container.wait("ContainerCreating", reported)
                await self._api.warn(self.pod, "FailedMount", reported)
        return not self._deleting.is_set()

    async def _serve(self) -> int | None:
        """Return the process's exit code once it has ended; None if the pod is deleted before that."""
        self._unhealthy.clear()
        target = ProbeTarget(spec_of(self.pod), self.address, self._execute)
        self._probes.start(target, self.container.started, self.container.ready)
        began = asyncio.get_running_loop().time()
        ending = asyncio.create_task(self._container.ended())
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
        self._container.finish(code)
        return code

    async def _back_off(self) -> None:
        delay_s = self._crash_loop.next_delay_s()
        if delay_s:
            container, pod = spec_of(self.pod)["name"], self.record.name
            text = f"back-off {delay_s:.0f}s restarting failed container={container} pod={pod}"
            self._container.wait("CrashLoopBackOff", text)
            await self._pause(delay_s)

    async def _pause(self, seconds: float) -> None:
        """Sleep, but not longer than until the pod is deleted."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._deleting.wait()

    async def _terminate(self) -> None:
        """Terminate the process, without grace if the object is gone from the API."""
        self._probes.stop()
        if not self.container.running:
            return
        ending = asyncio.create_task(self._container.ended())
        await terminate(
            self.record.pid, ending, self._gone, 0.0 if self._gone.is_set() else grace_s(self.pod)
        )
        self._container.finish(await ending)

    async def _execute(self, command: list[str], timeout_s: float) -> bool:
        return await self._container.execute(self.pod, command, timeout_s)

    def on_started(self) -> None:
        """The startup probe has succeeded."""
        self._container.set_started(self.pod)

    def on_ready(self, ready: bool) -> None:
        """The readiness probe's verdict has changed."""
        self._container.set_ready(ready)

    def on_unhealthy(self) -> None:
        """The startup or the liveness probe has failed."""
        self._unhealthy.set()

    def environ(self) -> dict[str, str]:
        """Return the container's environment; raises ConfigError."""
        return self._container.environ(self.pod)

    def log_file(self, number: int) -> Path:
        """Return the log of the n-th start, from 1."""
        return self._container.log_file(number)

    def status(self) -> Object:
        """Return the pod's whole status as it is now."""
        return self._container.status(self.pod, self._start_time)

    def _delete(self) -> None:
        self._deleting.set()
        self._volumes.changed.set()

    def _notify(self) -> None:
        self._status.notify()
        self._listener.changed(self)
