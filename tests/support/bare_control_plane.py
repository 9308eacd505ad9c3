"""A real etcd, kube-apiserver and kube-controller-manager without nodes, beside any local cluster of the
machine.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spiko_local.components import Component, Ports, build_components
from spiko_local.home import Home
from spiko_local.home_setup import Setup, prepare
from tests.support.local_cluster import need_binaries

PARTS = ("etcd", "kube-apiserver", "kube-controller-manager")
START_S = 90.0  # five seconds, unless the machine is busy
Object = dict[str, Any]


@dataclass(frozen=True)
class BareControlPlane:
    """A running control plane.

    Args:
        kubeconfig: of an administrator.
        kubectl: path of the program.
    """

    kubeconfig: Path
    program: Path

    def kubectl(self, *arguments: str, given: str = "", check: bool = True) -> str:
        """Run kubectl, and return its output.

        Raises:
            AssertionError: it failed, and `check` is true.
        """
        command = [str(self.program), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0 or not check, f"{' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def get(self, *arguments: str) -> Object:
        """Return an object, or a list of objects."""
        found: Object = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return found

    def create(self, body: Object) -> Object:
        """Create an object, and return what the API server answered."""
        made: Object = json.loads(self.kubectl("create", "-f", "-", "-o", "json", given=json.dumps(body)))
        return made


@contextmanager
def bare_control_plane() -> Iterator[BareControlPlane]:
    """Start the control plane in a temporary folder, and stop it at the end."""
    binaries = need_binaries()
    with tempfile.TemporaryDirectory(prefix="bcp") as folder, ExitStack() as stack:
        home = Home(Path(folder) / "home")
        home.create()
        prepare(home, Setup(binaries, None, False, None))
        ports = Ports(**json.loads(home.plan.read_text())["ports"])
        for part in build_components(home, binaries, ports, "", operator=False):
            if part.name in PARTS:
                _start(stack, home, part)
        yield BareControlPlane(home.kubeconfig, binaries / "kubectl")


def _start(stack: ExitStack, home: Home, part: Component) -> None:
    """Start one component, and wait until it is ready; fail with its log if it exits or takes too long."""
    log = home.logs / f"{part.name}.log"
    with log.open("ab") as file:
        process = subprocess.Popen(part.command, stdout=file, stderr=file)
    stack.callback(process.wait)
    stack.callback(process.kill)
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE  # only its health is asked
    end = time.monotonic() + START_S
    while True:
        try:
            with urllib.request.urlopen(part.ready, context=trust, timeout=5):
                return
        except OSError:
            assert process.poll() is None, log.read_text()[-4000:]
            assert time.monotonic() < end, f"{part.name} is not ready: {log.read_text()[-4000:]}"
        time.sleep(0.1)
