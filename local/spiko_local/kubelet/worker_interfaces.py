"""What a pod's worker needs of the kubelet around it, as protocols: workers do not know the kubelet."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from spiko_local.kubelet.model.container_state import Container
from spiko_local.kubelet.pod_records import Record
from spiko_local.objects import Object


class PodView(Protocol):
    """A worker as the rest of the kubelet sees it."""

    pod: Object

    @property
    def record(self) -> Record:
        """The pod's newest record."""

    @property
    def container(self) -> Container:
        """The state of its container."""

    @property
    def address(self) -> str:
        """The pod's IP."""

    @property
    def serving(self) -> bool:
        """Whether Services may send requests to the pod, if it is ready."""

    def environ(self) -> dict[str, str]:
        """Return the container's environment."""

    def log_file(self, number: int) -> Path:
        """Return the log of the n-th start, from 1."""


class PodRuntime(Protocol):
    """What a worker needs to run its pod's containers; `ProcessRuntime` is the real one."""

    async def start(self, record: Record, command: list[str], environ: dict[str, str]) -> Record:
        """Start a pod's next container and return its record."""

    async def ended(self, pid: int) -> int:
        """Wait until a process has ended and return its exit code, negative for a signal."""

    def environment(self, uid: str, address: str) -> dict[str, str]:
        """Return the variables that the runtime adds to a container's environment."""

    def volumes(self, uid: str) -> Path:
        """Return the folder that stands for a container's root."""

    def log_file(self, uid: str, number: int) -> Path:
        """Return the path of a container's log."""


class WorkerListener(Protocol):
    """Learns of every change of a worker."""

    def changed(self, worker: PodView) -> None:
        """The pod's labels, its deletion or its container's state may have changed."""

    def done(self, worker: PodView) -> None:
        """The worker has ended: the pod is deleted."""
