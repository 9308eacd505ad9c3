"""The only container of a pod: its state, its record, its environment, and the start of its processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from spiko_local.kubelet.containers import run_command, signal_session
from spiko_local.kubelet.model.container_state import Container, Ended, Waiting
from spiko_local.kubelet.model.environment import build_environment
from spiko_local.kubelet.model.pod_status import build_status
from spiko_local.kubelet.model.probe import read_probe
from spiko_local.kubelet.pod_records import Record
from spiko_local.kubelet.worker_interfaces import PodRuntime
from spiko_local.nodes import Node
from spiko_local.objects import Object, status_of
from spiko_local.timestamps import now_text


class PodContainer:
    """A pod's container. Methods take the pod's newest object.

    Args:
        record: an earlier kubelet's, or a new one.
        node: on which the pod runs.
        runtime: starts processes.
        changed: called whenever the state has changed.
    """

    def __init__(self, record: Record, node: Node, runtime: PodRuntime, changed: Callable[[], None]) -> None:
        self.record, self.state = record, Container()
        self.address = node.pod_address(record.host)
        self._host, self._runtime, self._changed = node.address, runtime, changed

    def adopt(self, pod: Object) -> None:
        """Take over a process that an earlier kubelet started, with its restarts and its last readiness."""
        old = (status_of(pod).get("containerStatuses") or [{}])[0]
        self._run(bool(old.get("ready")), True)

    async def start(self, pod: Object) -> None:
        """Start the next process.

        Raises:
            ConfigError: the container cannot be configured here.
        """
        spec = spec_of(pod)
        environ = self.environ(pod)
        command = [*(spec.get("command") or ()), *(spec.get("args") or ())] if spec.get("command") else []
        self.record = await self._runtime.start(self.record, command, environ)
        started = read_probe(spec, "startup") is None
        self._run(started and read_probe(spec, "readiness") is None, started)

    async def ended(self) -> int:
        """Wait until the process has ended and return its exit code, negative for a signal."""
        return await self._runtime.ended(self.record.pid)

    def finish(self, code: int) -> None:
        """Record that the process has ended with this code."""
        self._set(self.state.end(Ended(code, self.record.started_at, now_text(), self.record.container_id)))

    def wait(self, reason: str, message: str) -> None:
        """Record why the container does not run now."""
        self._set(self.state.wait(Waiting(reason, message)))

    def set_started(self, pod: Object) -> None:
        """Record that the startup probe has succeeded: it is ready unless it has a readiness probe."""
        self._set(replace(self.state, started=True, ready=read_probe(spec_of(pod), "readiness") is None))

    def set_ready(self, ready: bool) -> None:
        """Record the verdict of the readiness probe."""
        if self.state.running and self.state.ready != ready:
            self._set(replace(self.state, ready=ready))

    def signal(self, number: signal.Signals) -> None:
        """Signal the process, if it runs."""
        if self.record.alive:
            signal_session(self.record.pid, number)

    def environ(self, pod: Object) -> dict[str, str]:
        """Return the container's environment.

        Raises:
            ConfigError: an entry refers to something that this cluster does not have.
        """
        extra = self._runtime.environment(self.record.uid, self.address)
        return build_environment(pod, spec_of(pod), self.address, self._host, os.environ, extra)

    async def execute(self, pod: Object, command: list[str], timeout_s: float) -> bool:
        """Run a command with the container's environment and return whether it ended with 0 in time."""
        return await run_command(command, self.environ(pod), timeout_s)

    def log_file(self, number: int) -> Path:
        """Return the log of the n-th start, from 1."""
        return self._runtime.log_file(self.record.uid, number)

    def status(self, pod: Object, start_time: str) -> Object:
        """Return the pod's whole status as it is now.

        Args:
            pod: the newest object.
            start_time: when the kubelet first saw it.
        """
        return build_status(pod, self.state, self.address, self._host, start_time, now_text())

    def _run(self, ready: bool, started: bool) -> None:
        record = self.record
        self._set(self.state.run(record.started_at, record.container_id, record.restarts, ready, started))

    def _set(self, state: Container) -> None:
        self.state = state
        self._changed()


def spec_of(pod: Object) -> Object:
    """Return the spec of the pod's container."""
    spec: Object = pod["spec"]["containers"][0]
    return spec
