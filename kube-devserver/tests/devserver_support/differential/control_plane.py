"""A real control plane for the differential suite: etcd, kube-apiserver and kube-controller-manager, without
nodes.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from devserver_support.servers import TOKEN, Server, free_port, own_server, prepare_pki, wait_until_ready

BINARIES = "KUBE_DEVSERVER_BINARIES"
NEEDED = ("etcd", "kube-apiserver", "kube-controller-manager")


@dataclass
class Both:
    """Kubernetes' API server and ours."""

    real: Server
    own: Server


@contextmanager
def both_servers() -> Iterator[Both]:
    """Start both servers; the real one with its controller manager."""
    with real_server() as real, own_server() as own:
        yield Both(real, own)


@contextmanager
def real_server() -> Iterator[Server]:
    """Start a real control plane in a folder of its own, with the binaries that KUBE_DEVSERVER_BINARIES
    names.
    """
    binaries = Path(os.environ.get(BINARIES, ""))
    missing = [name for name in NEEDED if not (binaries / name).is_file()]
    assert not missing, f"{BINARIES}={binaries} lacks {', '.join(missing)}"
    with tempfile.TemporaryDirectory(prefix="kds") as folder, ExitStack() as stack:
        home = Path(folder)
        prepare_pki(home / "pki")
        client, peer, port = free_port(), free_port(), free_port()
        _start(stack, home, [str(binaries / "etcd"), *_etcd(home, client, peer)])
        process = _start(stack, home, [str(binaries / "kube-apiserver"), *_api_server(home, client, port)])
        server = Server("real", port, (home / "pki" / "ca.crt").read_text())
        wait_until_ready(server, process, home / "kube-apiserver.log")
        (home / "kubeconfig").write_text(_kubeconfig(home, port))
        _start(stack, home, [str(binaries / "kube-controller-manager"), *_controllers(home)])
        yield server


def _start(stack: ExitStack, home: Path, command: list[str]) -> subprocess.Popen[bytes]:
    with (home / f"{Path(command[0]).name}.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def _etcd(home: Path, client: int, peer: int) -> list[str]:
    own, peers = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    return [
        "--name=test",
        f"--data-dir={home / 'etcd'}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={own}",
        f"--advertise-client-urls={own}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=test={peers}",
        "--log-level=warn",
    ]


def _api_server(home: Path, etcd: int, port: int) -> list[str]:
    pki = home / "pki"
    return [
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--token-auth-file={pki / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki / 'sa.pub'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
        "--endpoint-reconciler-type=none",
    ]


def _controllers(home: Path) -> list[str]:
    return [
        f"--kubeconfig={home / 'kubeconfig'}",
        "--controllers=*,-endpoints-controller,-endpointslice-controller,-endpointslice-mirroring-controller",
        f"--service-account-private-key-file={home / 'pki' / 'sa.key'}",
        f"--root-ca-file={home / 'pki' / 'ca.crt'}",
        "--bind-address=127.0.0.1",
        f"--secure-port={free_port()}",
        "--use-service-account-credentials=true",
        "--allocate-node-cidrs=false",
        "--leader-elect=false",
    ]


def _kubeconfig(home: Path, port: int) -> str:
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(home / "pki" / "ca.crt")}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": {"token": TOKEN}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    return json.dumps(document)
