"""Pure: the parts of a local cluster as command lines, in the order of their start."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spiko_local.home import Home

BINARIES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
SERVICE_RANGE = "10.96.0.0/16"
DATA_STAGE, API_STAGE, OTHER_STAGE = range(3)
KUBELET_PORT = 10250
KUBELET_HEALTH = f"https://127.64.0.1:{KUBELET_PORT}/healthz"
# The defaults of 20 and 30 requests/s are made for large shared clusters; here they would be most of an architecture's start-up time.
FAST = ("--kube-api-qps=500", "--kube-api-burst=1000")
RESET_HINT = "`spiko down` removes it, and the next `spiko up` begins with an empty cluster"
# The API server refuses loopback addresses, which our pods have, in endpoints: without these controllers nobody asks for them.
CONTROLLERS = "*,-endpoints-controller,-endpointslice-controller,-endpointslice-mirroring-controller"


@dataclass(frozen=True)
class Ports:
    """Loopback ports of one local cluster."""

    etcd: int
    etcd_peer: int
    api: int
    controllers: int
    scheduler: int
    operator: int


@dataclass(frozen=True)
class Part:
    """One process.

    Args:
        name: also its log's.
        stage: parts of one stage start together, when the stage before is ready.
        command: to run.
        ready: an URL to ask.
        environ: on top of the supervisor's.
        lifeline: whether it gets `--lifeline DESCRIPTOR`.
    """

    name: str
    stage: int
    command: tuple[str, ...]
    ready: str
    environ: Mapping[str, str] = field(default_factory=dict)
    lifeline: bool = False


def build_parts(home: Home, binaries: Path | None, ports: Ports, nodes: str, operator: bool) -> list[Part]:
    """All parts; they stop in the opposite order, one after the other.

    Args:
        home: where state lives.
        binaries: the folder with the four of `BINARIES`; None for our own API server, which has the controllers in it.
        ports: to listen on.
        nodes: a kind configuration's path.
        operator: whether to run ours.
    """
    parts = _own_control_plane(home, ports) if binaries is None else _real_control_plane(home, binaries, ports)
    parts.append(Part("kubelet", OTHER_STAGE, kubelet_command(home, nodes), KUBELET_HEALTH, lifeline=True))
    if operator:
        liveness = f"http://127.0.0.1:{ports.operator}/healthz"
        environ = {"KUBECONFIG": str(home.kubeconfig), "SPIKO_LIVENESS": liveness}
        parts.append(Part("operator", OTHER_STAGE, (sys.executable, "-m", "spiko_operator"), liveness, environ))
    return parts


def _own_control_plane(home: Home, ports: Ports) -> list[Part]:
    command = (
        sys.executable, "-m", "kube_devserver", "--port", str(ports.api), "--data", str(home.objects / "objects.db"),
        "--pki", str(home.pki), "--reset-hint", RESET_HINT,
    )  # fmt: skip
    return [Part("apiserver", API_STAGE, command, f"https://127.0.0.1:{ports.api}/readyz")]


def _real_control_plane(home: Home, binaries: Path, ports: Ports) -> list[Part]:
    secure = "https://127.0.0.1"
    return [
        Part("etcd", DATA_STAGE, _etcd(home, binaries, ports), f"http://127.0.0.1:{ports.etcd}/health"),
        Part("kube-apiserver", API_STAGE, _api_server(home, binaries, ports), f"{secure}:{ports.api}/readyz"),
        Part(
            "kube-controller-manager",
            OTHER_STAGE,
            _controllers(home, binaries, ports),
            f"{secure}:{ports.controllers}/healthz",
        ),
        Part("kube-scheduler", OTHER_STAGE, _scheduler(home, binaries, ports), f"{secure}:{ports.scheduler}/healthz"),
    ]


def kubelet_command(home: Home, nodes: str) -> tuple[str, ...]:
    """The process kubelet's command line; the lifeline's descriptor is added when it is started."""
    return (
        sys.executable, "-m", "spiko_local.kubelet",
        "--kubeconfig", str(home.kubeconfig), "--nodes", nodes, "--state", str(home.kubelet),
        "--cert", str(home.pki / "kubelet.crt"), "--key", str(home.pki / "kubelet.key"), "--client-ca", str(home.pki / "ca.crt"),
    )  # fmt: skip


def _etcd(home: Home, binaries: Path, ports: Ports) -> tuple[str, ...]:
    client, peer = f"http://127.0.0.1:{ports.etcd}", f"http://127.0.0.1:{ports.etcd_peer}"
    return (
        str(binaries / "etcd"),
        "--name=spiko",
        f"--data-dir={home.etcd}",
        "--unsafe-no-fsync",  # a machine's crash may cost the data of a demonstration
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=spiko={peer}",
        "--log-level=warn",
    )


def _api_server(home: Home, binaries: Path, ports: Ports) -> tuple[str, ...]:
    pki = home.pki
    return (
        str(binaries / "kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{ports.etcd}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={ports.api}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--token-auth-file={pki / 'tokens.csv'}",
        "--authorization-mode=Node,RBAC",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki / 'sa.pub'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        f"--kubelet-client-certificate={pki / 'kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'kubelet-client.key'}",
        "--endpoint-reconciler-type=none",
    )


def _controllers(home: Home, binaries: Path, ports: Ports) -> tuple[str, ...]:
    return (
        str(binaries / "kube-controller-manager"),
        *_client(home, ports.controllers),
        f"--controllers={CONTROLLERS}",
        f"--service-account-private-key-file={home.pki / 'sa.key'}",
        f"--root-ca-file={home.pki / 'ca.crt'}",
        "--use-service-account-credentials=true",
        "--allocate-node-cidrs=false",
    )


def _scheduler(home: Home, binaries: Path, ports: Ports) -> tuple[str, ...]:
    return (str(binaries / "kube-scheduler"), *_client(home, ports.scheduler))


def _client(home: Home, port: int) -> tuple[str, ...]:
    """What controller manager and scheduler share."""
    kubeconfig = str(home.kubeconfig)
    return (
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        # the API server's certificate names this address, too; without one they would make their own, which costs time at every start
        f"--tls-cert-file={home.pki / 'apiserver.crt'}",
        f"--tls-private-key-file={home.pki / 'apiserver.key'}",
        "--leader-elect=false",  # there is one of each, and at rest nothing should be written
        *FAST,
    )


def kubeconfig_document(server: str, authority: str, token: str) -> dict[str, Any]:
    """A kubeconfig.

    Args:
        server: the API server's URL.
        authority: its CA certificate, base64.
        token: the administrator's.
    """
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "spiko",
        "clusters": [{"name": "spiko", "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": "spiko-admin", "user": {"token": token}}],
        "contexts": [{"name": "spiko", "context": {"cluster": "spiko", "user": "spiko-admin", "namespace": "default"}}],
    }
