"""Keys and certificates of a local cluster: one authority, the API server, its client certificate for kubelets, the kubelets' own."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from spiko_local.home import write_atomically
from spiko_local.nodes import MOST_NODES

VALID_DAYS = 365
API_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
API_ADDRESSES = ("127.0.0.1", "10.96.0.1")


def make_pki(folder: Path) -> None:
    """Write `ca`, `apiserver`, `kubelet-client` and `kubelet` as .crt and .key, and the service account key pair `sa`."""
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = _certificate("spiko-ca", ca_key, None, ca_key, (), (), None)
    _write(folder, "ca", ca_key, ca)
    issuer = (ca, ca_key)
    server, client = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
    kubelets = tuple(f"127.64.0.{number}" for number in range(1, MOST_NODES + 1))
    for name, names, addresses, usage in (
        ("apiserver", API_NAMES, API_ADDRESSES, server),
        ("kubelet-client", (), (), client),
        ("kubelet", (), kubelets, server),
    ):
        key = ec.generate_private_key(ec.SECP256R1())
        _write(folder, name, key, _certificate(name, key, issuer, None, names, addresses, usage))
    accounts = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    write_atomically(folder / "sa.key", _pem(accounts))
    public = accounts.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    write_atomically(folder / "sa.pub", public.decode())


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None,
    self_key: ec.EllipticCurvePrivateKey | None,
    names: tuple[str, ...],
    addresses: tuple[str, ...],
    usage: x509.ObjectIdentifier | None,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    signer = issuer[1] if issuer else self_key
    assert signer is not None
    is_authority = issuer is None
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        # who is strict about RFC 5280, as Python is since 3.13, wants to see whose key it is, who signed it, and what it is for
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(_key_usage(is_authority), critical=True)
    )
    alternatives: list[x509.GeneralName] = [x509.DNSName(n) for n in names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(a)) for a in addresses]
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _key_usage(is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, key_cert_sign=is_authority, crl_sign=is_authority, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _write(folder: Path, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    write_atomically(folder / f"{name}.key", _pem(key))
    write_atomically(folder / f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM).decode())
