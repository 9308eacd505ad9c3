"""The folder of a local cluster's state, and whether its supervisor is alive."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from spiko_local.errors import LocalError, NotUp
from spiko_local.objects import Object

KEPT = ("etcd", "objects", "logs", "plan.json")
ENTRIES = (*KEPT, "kubeconfig", "pki", "kubelet", "state.json")
MAX_SOCKET_BYTES = 107  # of a Unix socket's path: sun_path without its terminating zero


@dataclass(frozen=True)
class Home:
    """The folder of one local cluster: `$SPIKO_HOME`, by default `~/.local/state/spiko`."""

    path: Path

    @property
    def kubeconfig(self) -> Path:
        """The cluster's own kubeconfig; the user's is never changed."""
        return self.path / "kubeconfig"

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.path / "pki"

    @property
    def logs(self) -> Path:
        """One file per component."""
        return self.path / "logs"

    @property
    def kubelet(self) -> Path:
        """The kubelet's state: records and logs of pods."""
        return self.path / "kubelet"

    @property
    def etcd(self) -> Path:
        """Data of the real API server."""
        return self.path / "etcd"

    @property
    def objects(self) -> Path:
        """Data of the built-in API server."""
        return self.path / "objects"

    @property
    def plan(self) -> Path:
        """Configuration of the supervisor."""
        return self.path / "plan.json"

    @property
    def state(self) -> Path:
        """State that the supervisor reports."""
        return self.path / "state.json"

    def create(self) -> None:
        """Create the folders, for their owner only.

        Raises:
            LocalError: the folder has files that no cluster created, cannot be created, or its path is too
                long.
        """
        if len(os.fsencode(self.kubelet / "zygote.sock")) > MAX_SOCKET_BYTES:
            raise LocalError(f"SPIKO_HOME: {self.path} is too long for a Unix socket; choose a shorter path")
        try:
            foreign = find_foreign_files(os.listdir(self.path)) if self.path.exists() else []
            if foreign:
                names = ", ".join(foreign[:3])
                raise LocalError(
                    f"SPIKO_HOME: {self.path}: contains files that Spiko did not create ({names});"
                    " choose an empty directory"
                )
            for folder in (self.path, self.pki, self.logs, self.kubelet, self.objects):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                folder.chmod(0o700)
        except OSError as error:
            raise LocalError(
                f"SPIKO_HOME: {self.path}: {error.strerror}; choose a writable directory"
            ) from error

    def remove(self, keep: Iterable[str] = ()) -> None:
        """Remove the files that a cluster created, and no others: SPIKO_HOME may be any folder.

        The folder itself stays; `home_setup.locked` removes an empty one.

        Args:
            keep: names of entries that stay.
        """
        if not (self.plan.exists() or self.state.exists()):
            return
        for name in sorted(set(ENTRIES) - set(keep)):
            path = self.path / name
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        for path in self.path.glob(".*.*"):
            if not find_foreign_files([path.name]):
                path.unlink(missing_ok=True)

    def read_state(self) -> Object | None:
        """Return the supervisor's state, or None unless the supervisor that wrote it is alive."""
        state = self.read_last_state()
        return state if state is not None and start_time(int(state["pid"])) == state["started"] else None

    def require_state(self) -> Object:
        """Return the state of the running cluster.

        Raises:
            NotUp: no local cluster is running.
        """
        state = self.read_state()
        if state is None:
            raise NotUp(f"no local cluster is up (SPIKO_HOME is {self.path}); `spiko up` starts one")
        return state

    def read_last_state(self) -> Object | None:
        """Return the last state of a supervisor that may have ended; None without a recorded state."""
        try:
            state: Object = json.loads(self.state.read_text())
            return state if state.keys() >= {"pid", "started", "parts"} else None
        except (OSError, ValueError, AttributeError):
            return None

    def log_tail(self, component: str, lines: int = 12) -> str:
        """Return the last lines of a component's log."""
        try:
            return "\n".join(
                (self.logs / f"{component}.log").read_text(errors="replace").splitlines()[-lines:]
            )
        except OSError:
            return "(no log)"


def find_home(environ: Mapping[str, str]) -> Home:
    """Return the home that the environment selects.

    >>> str(find_home({"XDG_STATE_HOME": "/x"}).path)
    '/x/spiko'
    >>> str(find_home({"SPIKO_HOME": "/y", "XDG_STATE_HOME": "/x"}).path)
    '/y'
    """
    if environ.get("SPIKO_HOME"):
        return Home(Path(environ["SPIKO_HOME"]).expanduser().absolute())
    base = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Home(Path(base) / "spiko")


def find_foreign_files(names: Iterable[str]) -> list[str]:
    """Return the names of files in a home that no cluster created.

    `write_atomically` leaves `.NAME.PID` if it is killed.

    >>> find_foreign_files(["etcd", ".state.json.77", ".bashrc", "logs.txt"])
    ['.bashrc', 'logs.txt']
    """
    own = set(ENTRIES)
    return sorted(n for n in names if n not in own and not (n[:1] == "." and n[1:].rpartition(".")[0] in own))


def write_atomically(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file completely or not at all.

    Args:
        path: in a folder that exists.
        text: written as UTF-8.
        mode: of the file.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)


def start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None if it does not exist or is a zombie.

    Pid and start time together identify a process for ever.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])
