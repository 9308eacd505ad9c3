"""Pure: the components of a local cluster as command lines, in the order of their start."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spiko_local.home import Home
from spiko_local.objects import Object

BINARIES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
SERVICE_RANGE = "10.96.0.0/16"
DATA_STAGE, API_STAGE, OTHER_STAGE = range(3)
KUBELET_PORT = 10250
KUBELET_HEALTH = f"https://127.64.0.1:{KUBELET_PORT}/healthz"
# The defaults of 20 and 30 requests/s suit large shared clusters; here they would dominate an architecture's
# start.
FAST = ("--kube-api-qps=500", "--kube-api-burst=1000")
# The API server rejects loopback addresses in endpoints, and all pods here have one: these controllers would
# fail.
RESET_HINT = "`spiko down` removes it, and the next `spiko up` starts with an empty cluster"
CONTROLLERS = "*,-endpoints-controller,-endpointslice-controller,-endpointslice-mirroring-controller"
# Where the operator keeps its key.
OPERATOR_NAMESPACE = "kube-system"


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
class Component:
    """One process of the cluster.

    Args:
        name: also of its log.
        stage: components of one stage start together, once the stage before is ready.
        command: to run.
        ready: URL of its health endpoint.
        environ: added to the supervisor's environment.
        lifeline: whether it gets `--lifeline DESCRIPTOR`.
    """

    name: str
    stage: int
    command: tuple[str, ...]
    ready: str
    environ: Mapping[str, str] = field(default_factory=dict)
    lifeline: bool = False


def build_components(
    home: Home, binaries: Path | None, ports: Ports, nodes: str, operator: bool
) -> list[Component]:
    """Return all components. They stop in the opposite order, one after the other.

    Args:
        home: of the cluster.
        binaries: folder with the `BINARIES`; None for the built-in API server, which includes the
            controllers.
        ports: to listen on.
        nodes: path of a kind configuration.
        operator: whether to run the operator.
    """
    components = (
        _built_in_control_plane(home, ports)
        if binaries is None
        else _real_control_plane(home, binaries, ports)
    )
    components.append(
        Component("kubelet", OTHER_STAGE, kubelet_command(home, nodes), KUBELET_HEALTH, lifeline=True)
    )
    if operator:
        listen = f"127.0.0.1:{ports.operator}"
        environ = {
            "KUBECONFIG": str(home.kubeconfig),
            "SPIKO_HTTP_LISTEN": listen,
            "SPIKO_OPERATOR_NAMESPACE": OPERATOR_NAMESPACE,
            # The supervisor runs one operator, and after a crash the next one must not wait for a Lease.
            "SPIKO_LEADER_ELECTION": "false",
            "SPIKO_ALLOW_DELETE": "true",  # it has all rights: faults of every method work
        }
        command = (sys.executable, "-m", "spiko_operator")
        components.append(Component("operator", OTHER_STAGE, command, f"http://{listen}/readyz", environ))
    return components


def _built_in_control_plane(home: Home, ports: Ports) -> list[Component]:
    command = (
        sys.executable, "-m", "kube_devserver", "--port", str(ports.api),
        "--data", str(home.objects / "objects.db"), "--pki", str(home.pki), "--reset-hint", RESET_HINT,
    )  # fmt: skip
    return [Component("apiserver", API_STAGE, command, f"https://127.0.0.1:{ports.api}/readyz")]


def _real_control_plane(home: Home, binaries: Path, ports: Ports) -> list[Component]:
    secure = "https://127.0.0.1"
    return [
        Component("etcd", DATA_STAGE, _etcd(home, binaries, ports), f"http://127.0.0.1:{ports.etcd}/health"),
        Component(
            "kube-apiserver", API_STAGE, _api_server(home, binaries, ports), f"{secure}:{ports.api}/readyz"
        ),
        Component(
            "kube-controller-manager",
            OTHER_STAGE,
            _controllers(home, binaries, ports),
            f"{secure}:{ports.controllers}/healthz",
        ),
        Component(
            "kube-scheduler",
            OTHER_STAGE,
            _scheduler(home, binaries, ports),
            f"{secure}:{ports.scheduler}/healthz",
        ),
    ]


def kubelet_command(home: Home, nodes: str) -> tuple[str, ...]:
    """Return the kubelet's command line; the lifeline's descriptor is added when it starts."""
    return (
        sys.executable, "-m", "spiko_local.kubelet",
        "--kubeconfig", str(home.kubeconfig), "--nodes", nodes, "--state", str(home.kubelet),
        "--cert", str(home.pki / "kubelet.crt"), "--key", str(home.pki / "kubelet.key"),
        "--client-ca", str(home.pki / "ca.crt"),
    )  # fmt: skip


def _etcd(home: Home, binaries: Path, ports: Ports) -> tuple[str, ...]:
    client, peer = f"http://127.0.0.1:{ports.etcd}", f"http://127.0.0.1:{ports.etcd_peer}"
    return (
        str(binaries / "etcd"),
        "--name=spiko",
        f"--data-dir={home.etcd}",
        "--unsafe-no-fsync",  # a crash of the machine may lose data: that is acceptable for a demonstration
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
    """Return the flags that the controller manager and the scheduler share."""
    kubeconfig = str(home.kubeconfig)
    return (
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        # The API server's certificate is valid for this address; without one each generates its own at every
        # start.
        f"--tls-cert-file={home.pki / 'apiserver.crt'}",
        f"--tls-private-key-file={home.pki / 'apiserver.key'}",
        "--leader-elect=false",  # there is one of each, and an idle cluster should not write
        *FAST,
    )


def kubeconfig_document(server: str, authority: str, token: str) -> Object:
    """Return a kubeconfig.

    Args:
        server: the API server's URL.
        authority: its CA certificate, in base64.
        token: of the administrator.
    """
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "spiko",
        "clusters": [
            {"name": "spiko", "cluster": {"server": server, "certificate-authority-data": authority}}
        ],
        "users": [{"name": "spiko-admin", "user": {"token": token}}],
        "contexts": [
            {"name": "spiko", "context": {"cluster": "spiko", "user": "spiko-admin", "namespace": "default"}}
        ],
    }
