"""Certificates of a local cluster pass strict verification."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from spiko_local.pki import make_pki


@pytest.mark.parametrize(
    ("name", "host"), [("apiserver", "127.0.0.1"), ("apiserver", "localhost"), ("kubelet", "127.64.0.2")]
)
def test_a_strict_client_accepts_the_server(tmp_path: Path, name: str, host: str) -> None:
    """Given strict RFC 5280, Python's default since 3.13, then a complete handshake in memory succeeds."""
    make_pki(tmp_path)
    client = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / f"{name}.crt", tmp_path / f"{name}.key")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, True),
    )
    done: set[int] = set()
    for _ in range(10):
        for i, end in enumerate(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            done.add(i)
    assert {0, 1} == done
