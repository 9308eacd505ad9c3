"""Keys of a running cluster, for end-to-end tests: an operator that can be restarted, Secrets, and files."""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import sys
from dataclasses import dataclass

from aiohttp import ClientSession

from spiko_local.components import OPERATOR_NAMESPACE
from spiko_local.processes import die_with_parent
from spiko_nanoservice.contract.handshake import KEY_FILES, EpochKey, parse_keys
from tests.support.keys import open_session
from tests.support.local_cluster import Cluster
from tests.support.paths import ROOT


@dataclass
class Place:
    """A cluster, and an operator that lists everything every second."""

    cluster: Cluster
    operator: subprocess.Popen[bytes] | None = None

    def start(self, epoch: int) -> None:
        """Start the operator with this epoch; one that runs is stopped."""
        self.stop()
        environ = self.cluster.environ | {
            "SPIKO_OPERATOR_NAMESPACE": OPERATOR_NAMESPACE,
            "SPIKO_RESYNC_SECONDS": "1",
            "SPIKO_ALLOW_DELETE": "true",
            "SPIKO_KEY_EPOCH": str(epoch),
        }
        with (self.cluster.home / "logs" / "operator.log").open("ab") as log:
            self.operator = subprocess.Popen(
                [sys.executable, "-m", "spiko_operator"],
                env=environ,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509  # a killed test run leaves nothing
            )

    def stop(self) -> None:
        """Stop the operator."""
        if self.operator is not None:
            self.operator.terminate()
            self.operator.wait(30)
            self.operator = None


def secret_keys(cluster: Cluster, name: str, space: str) -> dict[str, tuple[EpochKey, ...]]:
    """Return the keys of a Secret by file."""
    data = cluster.get("secret", name, space)["data"]
    return {file: parse_keys(base64.b64decode(text).decode()) for file, text in data.items()}


def secret_owners(cluster: Cluster, name: str, space: str) -> list[str]:
    """Return the UIDs of the owners of a Secret; empty if it does not exist."""
    metadata = cluster.get("secret", name, space).get("metadata", {})
    return sorted(owner["uid"] for owner in metadata.get("ownerReferences") or ())


def arch_uid(cluster: Cluster, name: str, space: str) -> str:
    """Return the UID of an Architecture."""
    return str(cluster.get("arch", name, space)["metadata"]["uid"])


def eureka_addresses(cluster: Cluster, space: str) -> list[str]:
    """Return the addresses of the eurekas."""
    return [pod["status"]["podIP"] for pod in cluster.items("pods", space, "spiko.dev/tier=eureka")]


def refusal(address: str, path: str, keys: tuple[EpochKey, ...]) -> str:
    """Return why a eureka opens no session with these keys; empty if it opens one."""

    async def attempt() -> str:
        async with asyncio.timeout(10), ClientSession() as session:
            try:
                await (await open_session(session, address, path, keys=keys)).close()
            except (AssertionError, ValueError) as error:
                return str(error)
            return ""

    return asyncio.run(attempt())


def file_epochs(cluster: Cluster) -> set[tuple[int, ...]]:
    """Return the epochs of the key files of all pods."""
    found = set()
    for name in sorted(set(KEY_FILES.values())):
        for path in (cluster.home / "kubelet").rglob(name):
            if path.is_symlink():
                found.add(tuple(key.epoch for key in parse_keys(path.read_text())))
    return found


def forms(keys: set[bytes]) -> set[bytes]:
    """Return every text that shows a key: in hexadecimal or base64, of its bytes or of its text."""
    found = set()
    for key in keys:
        for form in (key, key.hex().encode()):
            encoded = base64.b64encode(form).rstrip(b"=")
            found |= {form, encoded, encoded[:40], base64.urlsafe_b64encode(form).rstrip(b"=")}
    return found
