"""Command lines of the components, and the keys and ports in them."""

from __future__ import annotations

import socket
import stat
from pathlib import Path
from random import Random

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from spiko_local.components import BINARIES, Ports, build_components
from spiko_local.errors import LocalError
from spiko_local.home import Home
from spiko_local.pki import make_pki
from spiko_local.ports import check_addresses, find_ports

PORTS = Ports(1, 2, 3, 4, 5, 6)


def names(operator: bool) -> list[str]:
    """Components in the order of their start."""
    return [
        component.name
        for component in build_components(Home(Path("/h")), Path("/b"), PORTS, "/n.yaml", operator)
    ]


def test_components_start_in_the_order_of_their_dependencies() -> None:
    """Given a real control plane, then etcd comes first and the operator, which can be left out, last."""
    assert [*BINARIES, "kubelet", "operator"] == names(operator=True)
    assert [*BINARIES, "kubelet"] == names(operator=False)


def test_components_listen_on_loopback_and_write_to_the_home_only() -> None:
    """Given all command lines, then no address but loopback and no folder but the home is in them."""
    for component in build_components(Home(Path("/h")), Path("/b"), PORTS, "/n.yaml", operator=True):
        assert component.ready.split("://")[1].startswith("127."), component.name
        assert "0.0.0.0" not in " ".join(component.command)
        folders = {
            word.partition("=")[2] for word in component.command if word.partition("=")[2].startswith("/")
        }
        assert all(folder.startswith("/h/") for folder in folders), folders


def test_only_the_kubelet_has_the_lifeline() -> None:
    """Given all components, then only the kubelet, whose pods must outlive it, gets the lifeline."""
    components = build_components(Home(Path("/h")), Path("/b"), PORTS, "/n.yaml", operator=True)

    assert [component.name for component in components if component.lifeline] == ["kubelet"]


def test_operator_of_a_local_cluster_waits_for_no_lease() -> None:
    """Given the supervisor, which runs one operator and restarts it, then the operator makes no election."""
    components = build_components(Home(Path("/h")), Path("/b"), PORTS, "/n.yaml", operator=True)
    (operator,) = [component for component in components if component.name == "operator"]

    assert operator.environ["SPIKO_LEADER_ELECTION"] == "false"


def test_keys_are_secret_and_certificates_are_signed_by_the_authority(tmp_path: Path) -> None:
    """Given new files, then they are for their owner only, and certificates name their servers' addresses."""
    make_pki(tmp_path)
    authority = x509.load_pem_x509_certificate((tmp_path / "ca.crt").read_bytes())
    kubelet, server = (
        x509.load_pem_x509_certificate((tmp_path / f"{n}.crt").read_bytes()) for n in ("kubelet", "apiserver")
    )
    addresses = [str(a) for a in alternatives(kubelet).get_values_for_type(x509.IPAddress)]

    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert [f"127.64.0.{n}" for n in range(1, 65)] == addresses
    assert "kubernetes.default.svc" in alternatives(server).get_values_for_type(x509.DNSName)
    assert "127.0.0.1" in [str(a) for a in alternatives(server).get_values_for_type(x509.IPAddress)]
    for certificate in (kubelet, server):
        certificate.verify_directly_issued_by(authority)


def alternatives(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    """The names for which a certificate is valid."""
    value = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    assert isinstance(value, x509.SubjectAlternativeName)
    return value


def test_remembered_ports_are_used_while_they_are_free() -> None:
    """Given kept data, then the cluster gets the same ports, unless another server has one of them now."""
    first = find_ports(Random(1))

    assert first == find_ports(Random(2), first)
    with socket.create_server(("127.0.0.1", first.api)):
        assert first != find_ports(Random(2), first)


def test_a_taken_node_address_is_reported_with_the_remedy() -> None:
    """Given a server at a node's address, then the error names the address and the command to stop it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalError, match=rf"127\.0\.0\.1:{port} is taken.*spiko down"):
            check_addresses(["127.0.0.1"], port)


def test_the_operator_of_a_local_cluster_may_delete_pods() -> None:
    """Given a local cluster, then faults of every method work there."""
    components = build_components(Home(Path("/h")), None, PORTS, "/n.yaml", operator=True)
    (environ,) = [component.environ for component in components if component.name == "operator"]

    assert "true" == environ["SPIKO_ALLOW_DELETE"]
