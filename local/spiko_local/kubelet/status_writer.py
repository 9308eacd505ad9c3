"""Writes one pod's status to the API server: on every change, the newest only."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Protocol

from spiko_local.errors import ApiError
from spiko_local.kubelet.pod_api import PodApi
from spiko_local.objects import Object

RETRY_S, LAST_RETRY_S = 0.3, 0.5
log = logging.getLogger("spiko.kubelet")


class StatusSource(Protocol):
    """Whose status is written."""

    pod: Object

    def status(self) -> Object:
        """Return the whole status as it is now."""


class StatusWriter:
    """Writes until it is stopped.

    Args:
        api: where to.
        source: the pod and its present status.
        gone: set when the object is gone from the API; nothing is written after that.
    """

    def __init__(self, api: PodApi, source: StatusSource, gone: asyncio.Event) -> None:
        self._api, self._source, self._gone = api, source, gone
        self._changed = asyncio.Event()
        self._written: Object | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Write the present status, and every change after it."""
        self._changed.set()
        self._task = asyncio.create_task(self._write_changes())

    def stop(self) -> None:
        """Write nothing more."""
        if self._task is not None:
            self._task.cancel()

    def notify(self) -> None:
        """The status has changed."""
        self._changed.set()

    async def finish(self) -> None:
        """Write the last status and remove the object, however long the API server is away."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        while not self._gone.is_set():
            try:
                await self._write()
                await self._api.delete(self._source.pod)
            except ApiError as error:
                if error.status in (404, 409):
                    return
                await asyncio.sleep(LAST_RETRY_S)
            else:
                return

    async def _write_changes(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                is_written = await self._write()
            except (
                Exception
            ):  # a status that cannot be built must not end the task: the next change may be fine
                metadata = self._source.pod["metadata"]
                log.exception("status of pod %s/%s", metadata["namespace"], metadata["name"])
                continue
            if not is_written:
                await asyncio.sleep(RETRY_S)
                self._changed.set()

    async def _write(self) -> bool:
        status = self._source.status()
        if status == self._written or self._gone.is_set():
            return True
        try:
            updated = await self._api.patch_status(self._source.pod, status)
        except ApiError as error:
            # 404, 409, 422: the pod is gone, or another has its name by now; the watch will report it.
            return error.status in (404, 409, 422)
        self._written = status
        self._source.pod["status"] = updated.get("status", {})
        return True
