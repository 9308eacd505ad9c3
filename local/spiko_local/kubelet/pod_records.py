"""Records of a kubelet's pods, from which the next kubelet adopts them: one file each, written atomically."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from spiko_local.home import start_time, write_atomically


@dataclass(frozen=True)
class Record:
    """One pod and its process.

    Args:
        uid: of the pod.
        namespace: of the pod.
        name: of the pod.
        node: its node's name.
        host: number of its address on the node, from 1 to 65,000.
        pid: of its process; 0 before the first start.
        began: the process's start time in clock ticks since boot; with the pid it identifies the process for
            ever.
        started_at: RFC 3339.
        restarts: as the pod's status has it.
        container: number of starts; part of the container's id and of its log's name.
    """

    uid: str
    namespace: str
    name: str
    node: str
    host: int
    pid: int = 0
    began: int = 0
    started_at: str = ""
    restarts: int = 0
    container: int = 0

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.pid > 0 and start_time(self.pid) == self.began

    @property
    def container_id(self) -> str:
        """The id of its present container."""
        return f"process://{self.uid}-{self.container}"


class PodRecords:
    """The folder of records.

    Args:
        folder: created if missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def read(self) -> dict[str, Record]:
        """Return all records by UID.

        A damaged one is skipped: its process is killed as one without a record.
        """
        found = {}
        for path in self._folder.glob("*.json"):
            try:
                record = Record(**json.loads(path.read_text()))
            except (OSError, ValueError, TypeError):
                continue
            found[record.uid] = record
        return found

    def write(self, record: Record) -> None:
        """Write one record."""
        write_atomically(self._folder / f"{record.uid}.json", json.dumps(asdict(record)))

    def remove(self, uid: str) -> None:
        """Remove one record, if it exists."""
        (self._folder / f"{uid}.json").unlink(missing_ok=True)
