"""Runs pods as processes: forks, logs and records of a kubelet's state folder."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from spiko_local.kubelet.fork_client import ForkClient
from spiko_local.kubelet.pod_records import PodRecords, Record
from spiko_local.timestamps import now_text


class ProcessRuntime:
    """The runtime of all pods of a kubelet.

    Args:
        state: folder for records, logs and the zygote's socket; created if missing.
        module: what pods run: has `warm()` and `run(environ) -> int`.
        lifeline: descriptor that pods hold, so that they end with its writer; None without.
    """

    def __init__(self, state: Path, module: str, lifeline: int | None) -> None:
        self.logs = state.absolute() / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.records = PodRecords(state / "pods")
        self._volumes = state.absolute() / "volumes"
        self.resolver_address = ""
        self._forks = ForkClient(state, module, lifeline)
        self._lifeline = lifeline

    async def connect(self) -> None:
        """Start the zygote ahead of the first pod.

        Raises:
            LocalError: it does not start.
        """
        await self._forks.connect()

    async def start(self, record: Record, command: list[str], environ: dict[str, str]) -> Record:
        """Start a pod's next container and return its new record, which is written.

        Args:
            record: of the pod.
            command: to execute; empty for the nanoservice.
            environ: the container's whole environment.
        """
        number = record.container + 1
        log_file = self.log_file(record.uid, number)
        started = replace(
            record,
            container=number,
            restarts=record.restarts + (number > 1),
            started_at=now_text(),
        )
        pid, began = await self._forks.start(command, environ, log_file)
        started = replace(started, pid=pid, began=began)
        self.records.write(started)
        return started

    async def ended(self, pid: int) -> int:
        """Wait until a process has ended and return its exit code, negative for a signal."""
        return await self._forks.ended(pid)

    def environment(self, uid: str, address: str) -> dict[str, str]:
        """Return the variables that the runtime adds to a container's environment.

        Args:
            uid: of the pod.
            address: the pod's IP.
        """
        found = {
            "SPIKO_BIND_ADDRESS": address,
            "SPIKO_RESOLVER": self.resolver_address,
            "SPIKO_VOLUMES_ROOT": str(self.volumes(uid)),
        }
        return found | ({"SPIKO_LIFELINE": str(self._lifeline)} if self._lifeline is not None else {})

    def log_file(self, uid: str, number: int) -> Path:
        """Return the path of a container's log.

        Args:
            uid: of the pod.
            number: of the start, from 1.
        """
        return self.logs / f"{uid}.{number}.log"

    def volumes(self, uid: str) -> Path:
        """Return the folder that stands for a container's root: the pod's volumes are below it."""
        return self._volumes / uid

    def forget(self, record: Record) -> None:
        """Remove a pod's volumes, logs and record; a container may have a log and not be recorded yet."""
        # The record goes last: the next kubelet finds what a killed one has left by its record.
        shutil.rmtree(self.volumes(record.uid), ignore_errors=True)
        for number in range(1, record.container + 2):
            self.log_file(record.uid, number).unlink(missing_ok=True)
        self.records.remove(record.uid)
