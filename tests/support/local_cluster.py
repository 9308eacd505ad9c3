"""A local cluster for tests, with its own home and kubeconfig, the real kubectl, and waiting by polling."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.control_plane.build import BUILDS, DEFAULT, binaries
from tests.support.paths import ROOT

_running: list[Cluster] = []
Object = dict[str, Any]


REAL, OWN = "real", "own"


def which_control_plane() -> str:
    """Return `own`, or `real` with SPIKO_TEST_CONTROL_PLANE=real: the API server that the tests use."""
    found = os.environ.get("SPIKO_TEST_CONTROL_PLANE", OWN)
    assert found in (OWN, REAL), f"SPIKO_TEST_CONTROL_PLANE={found}: own or real"
    return found


def need_binaries() -> Path:
    """Return the folder of binaries; fail if one is missing."""
    folder = binaries()
    missing = [ours for name in DEFAULT for _, ours in BUILDS[name].binaries if not (folder / ours).exists()]
    assert not missing, f"{folder} lacks {', '.join(missing)}: python tests/support/control_plane/build.py"
    return folder


class Cluster:
    """One running local cluster."""

    poll_s = 0.05  # pause of `until`

    def __init__(self, home: Path, *arguments: str, control_plane: str = "") -> None:
        self.home = home
        self.real = (control_plane or which_control_plane()) == REAL
        self.arguments = (*(("--control-plane", str(need_binaries())) if self.real else ()), *arguments)
        # Without Go there is no real control plane; kubectl is from the package index.
        folder = need_binaries() if self.real else Path(sys.executable).parent
        self.kubectl_path = str(folder / "kubectl")
        self.environ = os.environ | {
            "SPIKO_HOME": str(home),
            "KUBECONFIG": str(home / "kubeconfig"),
            "NO_COLOR": "1",
        }

    # ------------------------------------------------------------ programs

    def up(self) -> None:
        """Run `spiko up` with the arguments of this cluster."""
        self.spiko("up", *self.arguments)

    def spiko(
        self, *arguments: str, check: bool = True, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `spiko`."""
        return self._run([sys.executable, "-m", "spiko_cli", *arguments], check, stdin)

    def kubectl(
        self, *arguments: str, check: bool = True, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the real kubectl."""
        return self._run([self.kubectl_path, *arguments], check, stdin)

    def _run(self, command: list[str], check: bool, stdin: str | None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            env=self.environ,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            timeout=100,
        )
        if check:
            assert done.returncode == 0, (
                f"{' '.join(command[-6:])}: {done.returncode}\n{done.stdout}\n{done.stderr}"
            )
        return done

    # ------------------------------------------------------------ objects

    def apply(self, body: Object | str, namespace: str = "default") -> None:
        """Run `kubectl apply`."""
        text = body if isinstance(body, str) else json.dumps(body)
        self.kubectl("apply", "-n", namespace, "-f", "-", stdin=text)

    def get(self, kind: str, name: str = "", namespace: str = "default", labels: str = "") -> Object:
        """Run `kubectl get -o json`; empty if the object does not exist."""
        extra = ["-l", labels] if labels else []
        done = self.kubectl(
            "get", kind, *([name] if name else []), "-n", namespace, "-o", "json", *extra, check=False
        )
        if done.returncode != 0 and ("NotFound" in done.stderr or "not found" in done.stderr):
            return {}
        assert done.returncode == 0, done.stderr
        found: Object = json.loads(done.stdout)
        return found

    def items(self, kind: str, namespace: str = "default", labels: str = "") -> list[Object]:
        """Return all objects of a kind."""
        found: list[Object] = self.get(kind, namespace=namespace, labels=labels)["items"]
        return found

    def condition(self, kind: str, name: str, type_: str, namespace: str = "default") -> Object:
        """Return one condition; empty if it does not exist yet."""
        conditions = self.get(kind, name, namespace).get("status", {}).get("conditions") or []
        return next((c for c in conditions if c["type"] == type_), {})

    def uids(self, namespace: str, labels: str = "spiko.dev/tier") -> dict[str, str]:
        """Return names and UIDs of pods."""
        return {p["metadata"]["name"]: p["metadata"]["uid"] for p in self.items("pods", namespace, labels)}

    # ------------------------------------------------------------ waiting

    def until(self, what: str, asked: Callable[[], Any], seconds: float = 30.0) -> Any:
        """Poll until the result is true; return it."""
        end = time.monotonic() + seconds
        while True:
            answer = asked()
            if answer:
                return answer
            assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}\n{self._state()}"
            time.sleep(self.poll_s)

    def until_true(
        self, name: str, type_: str, namespace: str = "default", seconds: float = 30.0, kind: str = "arch"
    ) -> None:
        """Wait for a condition of the current generation."""

        def holds() -> bool:
            body = self.get(kind, name, namespace)
            conditions = {c["type"]: c for c in body.get("status", {}).get("conditions") or ()}
            found = conditions.get(type_, {})
            return bool(
                found.get("status") == "True"
                and found.get("observedGeneration") == body["metadata"]["generation"]
            )

        self.until(f"{kind} {name} {type_}", holds, seconds)

    def until_settled(self, name: str, namespace: str = "default", seconds: float = 40.0) -> None:
        """Wait until the Architecture is Ready and every pod acts on its configuration."""
        self.until_true(name, "Ready", namespace, seconds)
        self.until_true(name, "Programmed", namespace, seconds)

    def _state(self) -> str:
        pods = self.kubectl("get", "arch,pods,faults", "-A", check=False).stdout
        return "\n".join([pods, self.log_tail("supervisor", 8), self.log_tail("operator", 15)])

    def log_tail(self, part: str, lines: int) -> str:
        """Return the end of a component's log."""
        path = self.home / "logs" / f"{part}.log"
        return (
            "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
            if path.exists()
            else f"(no {path})"
        )

    # ------------------------------------------------------------ parts

    def pid(self, part: str) -> int:
        """Return the pid of a component."""
        state = json.loads(self.spiko("status", "--json").stdout)
        return int(next(p["pid"] for p in state["parts"] if p["name"] == part))

    def operator_address(self) -> str:
        """Return host and port of the server of the operator, for probes and metrics."""
        environ = Path(f"/proc/{self.pid('operator')}/environ").read_bytes().split(b"\0")
        name = b"SPIKO_HTTP_LISTEN="
        return next(each.removeprefix(name).decode() for each in environ if each.startswith(name))

    def kill(self, part: str) -> None:
        """Send kill -9 to a component; one that is already down was killed a moment ago."""
        pid = self.pid(part)
        if pid > 0:  # 0 means that the component is down; os.kill(0) would kill the test run.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def pod_pids(self, namespace: str) -> dict[str, int]:
        """Return pod names and the pids of their processes."""
        records = [json.loads(path.read_text()) for path in (self.home / "kubelet" / "pods").glob("*.json")]
        return {record["name"]: record["pid"] for record in records if record["namespace"] == namespace}

    def processes(self) -> list[int]:
        """Return every process of this cluster: its environment or command line has the cluster's home."""
        mark = str(self.home).encode()
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (path / "environ").read_bytes() + (path / "cmdline").read_bytes():
                    found.append(int(path.name))
            except OSError:
                continue
        return [pid for pid in found if pid != os.getpid()]


@contextmanager
def local_cluster(*arguments: str, control_plane: str = "") -> Iterator[Cluster]:
    """Run a cluster for the duration of the context.

    A machine can have one local cluster at a time: an outer one is stopped meanwhile and keeps its data.

    Args:
        arguments: for `spiko up`.
        control_plane: `own` or `real`; by default the one that the tests use.
    """
    # Unix socket paths are limited to 107 characters.
    cluster = Cluster(Path(tempfile.mkdtemp(prefix="spk")), *arguments, control_plane=control_plane)
    with resting():
        _running.append(cluster)
        try:
            cluster.up()
            yield cluster
        finally:
            cluster.spiko("down", check=False)
            shutil.rmtree(cluster.home, ignore_errors=True)
            _running.remove(cluster)


@contextmanager
def resting() -> Iterator[None]:
    """Stop the running cluster for the duration of the context; it keeps its data."""
    outer = _running[-1] if _running else None
    if outer is not None:
        outer.spiko("down", "--keep")
    try:
        yield
    finally:
        if outer is not None:
            outer.up()
