"""The Secret volumes of one pod: written before its first container starts, and whenever a Secret changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from spiko_local.kubelet.model.volumes import MountError, SecretVolume, build_files, secret_volumes
from spiko_local.kubelet.pod_api import PodApi
from spiko_local.kubelet.volume_files import FOLDER_MODE, write_volume
from spiko_local.objects import Object

log = logging.getLogger("spiko.kubelet")


class PodVolumes:
    """A pod's volumes below a folder that stands for the container's root.

    Args:
        root: of this pod; only its owner can read it. It is created if the pod has volumes.
        api: has the Secrets.

    Attributes:
        problem: why the pod's volumes are not complete, as the event FailedMount says it; empty without one.
        changed: set when `mounted` or `problem` may have changed.
    """

    def __init__(self, root: Path, api: PodApi) -> None:
        self.problem = ""
        self.changed = asyncio.Event()
        self._root, self._api = root, api
        self._pending: set[str] = set()
        self._ends: list[Callable[[], None]] = []

    @property
    def mounted(self) -> bool:
        """Whether every volume has been written once."""
        return not self._pending

    def open(self, pod: Object) -> None:
        """Write the volumes as soon as their Secrets are known, and again whenever these change."""
        volumes = secret_volumes(pod)
        if not volumes:
            return
        self._root.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        self._pending = {volume.name for volume in volumes}
        namespace = pod["metadata"]["namespace"]
        for volume in volumes:
            listener = partial(self._write, volume)
            self._ends.append(self._api.secrets.follow(namespace, volume.secret, listener))

    def close(self) -> None:
        """Write nothing more. The files stay: the runtime removes them with the pod."""
        for end in self._ends:
            end()
        self._ends = []

    def _write(self, volume: SecretVolume, secret: Object | None) -> None:
        try:
            files = build_files(volume, secret)
            for mount in volume.mounts:
                write_volume(self._root / mount.lstrip("/"), files)
        except MountError as error:
            self.problem = str(error)
        except (OSError, ValueError) as error:
            self.problem = f'MountVolume.SetUp failed for volume "{volume.name}" : {error}'
        else:
            self.problem = ""
            self._pending.discard(volume.name)
            self.changed.set()
            return
        log.warning("%s: %s", self._root.name, self.problem)
        self.changed.set()
