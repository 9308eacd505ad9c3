"""Where a local cluster's state lives, and who runs it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Home:
    """The folder of one local cluster: `$SPIKO_HOME`, by default `~/.local/state/spiko`."""

    path: Path

    @property
    def kubeconfig(self) -> Path:
        """The cluster's own; the user's is never touched."""
        return self.path / "kubeconfig"

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.path / "pki"

    @property
    def logs(self) -> Path:
        """One file per part."""
        return self.path / "logs"

    @property
    def kubelet(self) -> Path:
        """Records and logs of pods."""
        return self.path / "kubelet"

    @property
    def plan(self) -> Path:
        """What the supervisor is to run."""
        return self.path / "plan.json"

    @property
    def state(self) -> Path:
        """What the supervisor runs, written by it."""
        return self.path / "state.json"

    def create(self) -> None:
        """Make the folders, for the owner only."""
        for folder in (self.path, self.pki, self.logs, self.kubelet):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def remove(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.path, ignore_errors=True)

    def read_state(self) -> dict[str, Any] | None:
        """The supervisor's last word, if the supervisor that wrote it lives; None otherwise."""
        try:
            state: dict[str, Any] = json.loads(self.state.read_text())
            alive = start_time(int(state["pid"])) == state["started"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return state if alive else None

    def log_tail(self, part: str, lines: int = 12) -> str:
        """The end of a part's log."""
        try:
            return "\n".join((self.logs / f"{part}.log").read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"


def find_home(environ: Mapping[str, str]) -> Home:
    """The home that the environment names."""
    if environ.get("SPIKO_HOME"):
        return Home(Path(environ["SPIKO_HOME"]).absolute())
    base = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Home(Path(base) / "spiko")


def write_atomically(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)


def start_time(pid: int) -> int | None:
    """When a process began, in clock ticks since boot: with its pid it names it for ever. None if there is none, or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])
