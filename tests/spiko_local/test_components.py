"""Command lines of the parts, and the keys and ports in them."""

from __future__ import annotations

import socket
import stat
from pathlib import Path
from random import Random

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from spiko_local.components import BINARIES, Ports, build_parts
from spiko_local.errors import LocalError
from spiko_local.home import Home
from spiko_local.pki import make_pki
from spiko_local.ports import check_addresses, find_ports

PORTS = Ports(1, 2, 3, 4, 5, 6)


def names(operator: bool) -> list[str]:
    """Parts in the order of their start."""
    return [part.name for part in build_parts(Home(Path("/h")), Path("/b"), PORTS, "/n.yaml", operator)]


def test_parts_in_order() -> None:
    """What others need starts first and stops last; the operator can be left out."""
    assert [*BINARIES, "kubelet", "operator"] == names(operator=True)
    assert [*BINARIES, "kubelet"] == names(operator=False)


def test_everything_listens_on_loopback_and_keeps_its_state_in_the_home() -> None:
    """No part listens to the network or writes outside."""
    for part in build_parts(Home(Path("/h")), Path("/b"), PORTS, "/n.yaml", operator=True):
        assert part.ready.split("://")[1].startswith("127."), part.name
        assert "0.0.0.0" not in " ".join(part.command)
        folders = {word.partition("=")[2] for word in part.command if word.partition("=")[2].startswith("/")}
        assert all(folder.startswith("/h/") for folder in folders), folders


def test_only_the_kubelet_has_the_lifeline() -> None:
    """The others are killed by the kernel; a kubelet's pods must outlive it."""
    parts = build_parts(Home(Path("/h")), Path("/b"), PORTS, "/n.yaml", operator=True)

    assert [part.name for part in parts if part.lifeline] == ["kubelet"]


def test_certificates(tmp_path: Path) -> None:
    """Keys are secret; serving certificates name their addresses and are signed by the authority."""
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
    """The names that a certificate is good for."""
    value = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    assert isinstance(value, x509.SubjectAlternativeName)
    return value


def test_remembered_ports_are_used_while_they_are_free() -> None:
    """A kept cluster comes back at the same address, unless somebody else is there now."""
    first = find_ports(Random(1))

    assert first == find_ports(Random(2), first)
    with socket.create_server(("127.0.0.1", first.api)):
        assert first != find_ports(Random(2), first)


def test_a_taken_node_address_names_the_way_out() -> None:
    """Two clusters at once cannot be; the second says so before it starts anything."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalError, match=rf"127\.0\.0\.1:{port} is taken.*spiko down"):
            check_addresses(["127.0.0.1"], port)
