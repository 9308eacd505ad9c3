"""What a kubelet writes down of its pods, so that the next one can adopt them: one small file each, written whole or not at all."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from spiko_local.home import start_time, write_atomically


@dataclass(frozen=True)
class Record:
    """One pod. `began` is the process's start in clock ticks since boot: with the pid it names the process for ever."""

    uid: str
    namespace: str
    name: str
    node: str
    host: int
    pid: int = 0
    began: int = 0
    started_at: str = ""
    restarts: int = 0
    container: int = 0  # counts starts: part of the container's id and of its log's name

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.pid > 0 and start_time(self.pid) == self.began


class Records:
    """The folder of records.

    Args:
        folder: made if missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def read(self) -> dict[str, Record]:
        """All records by UID; a damaged one is passed over (its process ends when its pod is not found)."""
        found = {}
        for path in self._folder.glob("*.json"):
            try:
                record = Record(**json.loads(path.read_text()))
            except (OSError, ValueError, TypeError):
                continue
            found[record.uid] = record
        return found

    def write(self, record: Record) -> None:
        """Write one."""
        write_atomically(self._folder / f"{record.uid}.json", json.dumps(asdict(record)))

    def remove(self, uid: str) -> None:
        """Remove one."""
        (self._folder / f"{uid}.json").unlink(missing_ok=True)
