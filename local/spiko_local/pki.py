"""Keys and certificates of a local cluster.

One authority, the API server's certificate, its client certificate for kubelets, and the kubelets' own.
"""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from spiko_local.home import write_atomically
from spiko_local.nodes import MAX_NODES

VALID_DAYS = 365
API_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
API_ADDRESSES = ("127.0.0.1", "10.96.0.1")


@dataclass(frozen=True)
class Subject:
    """What a certificate is for. The authority's has no `usage`."""

    name: str
    usage: x509.ObjectIdentifier | None = None
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Identity:
    """A key and its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def write(self, folder: Path, name: str) -> None:
        """Write both as PEM: NAME.key and NAME.crt."""
        write_atomically(folder / f"{name}.key", _pem(self.key))
        write_atomically(
            folder / f"{name}.crt", self.certificate.public_bytes(serialization.Encoding.PEM).decode()
        )


def make_pki(folder: Path) -> None:
    """Write all keys and certificates.

    Args:
        folder: receives `ca`, `apiserver`, `kubelet-client` and `kubelet` as .crt and .key, and the key pair
            of service accounts, sa.key and sa.pub.
    """
    authority = _issue(Subject("spiko-ca"), None)
    authority.write(folder, "ca")
    server, client = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
    kubelets = tuple(f"127.64.0.{number}" for number in range(1, MAX_NODES + 1))
    for subject in (
        Subject("apiserver", server, API_NAMES, API_ADDRESSES),
        Subject("kubelet-client", client),
        Subject("kubelet", server, addresses=kubelets),
    ):
        _issue(subject, authority).write(folder, subject.name)
    accounts = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    write_atomically(folder / "sa.key", _pem(accounts))
    public = accounts.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    write_atomically(folder / "sa.pub", public.decode())


def _issue(subject: Subject, authority: Identity | None) -> Identity:
    """Return a new key with its certificate, signed by an authority or, without one, by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject.name)])
    signer = authority.key if authority is not None else key
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(authority.certificate.subject if authority is not None else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
        # RFC 5280 to the letter, as Python verifies since 3.13: identifiers of both keys, and the key's
        # usage.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .add_extension(_key_usage(authority is None), critical=True)
    )
    alternatives: list[x509.GeneralName] = [x509.DNSName(each) for each in subject.names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(each)) for each in subject.addresses]
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    if subject.usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([subject.usage]), critical=False)
    return Identity(key, builder.sign(signer, hashes.SHA256()))


def _key_usage(is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, key_cert_sign=is_authority, crl_sign=is_authority, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()
