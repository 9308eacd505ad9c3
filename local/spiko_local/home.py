"""Where a local cluster's state lives, and who runs it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spiko_local.errors import LocalError

KEPT = ("etcd", "objects", "logs", "plan.json")
ENTRIES = (*KEPT, "kubeconfig", "pki", "kubelet", "state.json")
LONGEST_SOCKET = 107  # bytes in a Unix socket's path, sun_path without its end


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
    def etcd(self) -> Path:
        """A real API server's data."""
        return self.path / "etcd"

    @property
    def objects(self) -> Path:
        """Our API server's data."""
        return self.path / "objects"

    @property
    def plan(self) -> Path:
        """What the supervisor is to run."""
        return self.path / "plan.json"

    @property
    def state(self) -> Path:
        """What the supervisor runs, written by it."""
        return self.path / "state.json"

    def create(self) -> None:
        """Make the folders, for the owner only.

        Raises:
            LocalError: the folder holds what no cluster put there, cannot be made, or its path is too long.
        """
        if len(os.fsencode(self.kubelet / "zygote.sock")) > LONGEST_SOCKET:
            raise LocalError(f"SPIKO_HOME: {self.path} is too long for the sockets in it; name a shorter path")
        try:
            strangers = find_strangers(os.listdir(self.path)) if self.path.exists() else []
            if strangers:
                raise LocalError(
                    f"SPIKO_HOME: {self.path} holds {', '.join(strangers[:3])}, which no cluster put there; name a folder of its own"
                )
            for folder in (self.path, self.pki, self.logs, self.kubelet, self.objects):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                folder.chmod(0o700)
        except OSError as error:
            raise LocalError(f"SPIKO_HOME: {self.path}: {error.strerror}; name a folder that can be written") from error

    def remove(self, keep: Iterable[str] = ()) -> None:
        """Remove what a cluster put there, and nothing else: SPIKO_HOME may name anything."""
        if not (self.plan.exists() or self.state.exists()):
            return
        for name in sorted(set(ENTRIES) - set(keep)):
            path = self.path / name
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        for path in self.path.glob(".*.*"):
            if not find_strangers([path.name]):
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # something is kept, or somebody else's
            self.path.rmdir()

    def read_state(self) -> dict[str, Any] | None:
        """The supervisor's last word, if the supervisor that wrote it lives; None otherwise."""
        state = self.read_last_state()
        return state if state is not None and start_time(int(state["pid"])) == state["started"] else None

    def read_last_state(self) -> dict[str, Any] | None:
        """The last word of a supervisor that may have ended; None if there never was one."""
        try:
            state: dict[str, Any] = json.loads(self.state.read_text())
            return state if state.keys() >= {"pid", "started", "parts"} else None
        except (OSError, ValueError, AttributeError):
            return None

    def log_tail(self, part: str, lines: int = 12) -> str:
        """The end of a part's log."""
        try:
            return "\n".join((self.logs / f"{part}.log").read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"


def find_home(environ: Mapping[str, str]) -> Home:
    """The home that the environment names.

    >>> str(find_home({"XDG_STATE_HOME": "/x"}).path), str(find_home({"SPIKO_HOME": "/y", "XDG_STATE_HOME": "/x"}).path)
    ('/x/spiko', '/y')
    """
    if environ.get("SPIKO_HOME"):
        return Home(Path(environ["SPIKO_HOME"]).expanduser().absolute())
    base = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Home(Path(base) / "spiko")


def find_strangers(names: Iterable[str]) -> list[str]:
    """Those names in a home that no cluster made; `write_atomically` leaves `.NAME.PID` if it is killed.

    >>> find_strangers(["etcd", ".state.json.77", ".bashrc", "logs.txt"])
    ['.bashrc', 'logs.txt']
    """
    ours = set(ENTRIES)
    return sorted(n for n in names if n not in ours and not (n[:1] == "." and n[1:].rpartition(".")[0] in ours))


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
