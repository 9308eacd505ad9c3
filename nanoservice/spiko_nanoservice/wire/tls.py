"""TLS to a collector: a context that verifies certificate and host name, and the cause of a failure in words.

Only a pod with an https endpoint imports this module and makes a context: certificates and buffers take
memory.
"""

from __future__ import annotations

import ssl
from typing import Any

from spiko_nanoservice.errors import ExportError

# A collector that does not answer the end of a connection is not waited for.
SHUTDOWN_S = 1.0
# x509_vfy.h: X509_V_ERR_*
_CAUSES = {
    9: "its certificate is not valid yet",
    10: "its certificate has expired",
    18: "its certificate is signed by itself; add it to ca.crt of the Secret if it is to be trusted",
    62: "its certificate is for another host name",
    64: "its certificate is for another address",
}
# Its issuer, or that of one of its issuers, is missing or not trusted.
_UNKNOWN_AUTHORITY = (2, 19, 20, 21)
_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")
_OLD_TLS = ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "WRONG_SSL_VERSION")


def make_context(authorities: bytes) -> ssl.SSLContext:
    """Return a context that trusts the CA certificates of the system and the given ones.

    Args:
        authorities: certificates in PEM; empty for none.

    Raises:
        ExportError: they are not certificates in PEM.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if authorities.strip():
        try:
            context.load_verify_locations(cadata=authorities.decode("ascii"))
        except (ssl.SSLError, ValueError):
            raise ExportError("ca.crt of the Secret: must have certificates in PEM") from None
    return context


def connect_options(context: ssl.SSLContext, host: str) -> dict[str, Any]:
    """Return the arguments of `create_connection` for TLS with a host, which its certificate must name."""
    return {"ssl": context, "server_hostname": host, "ssl_shutdown_timeout": SHUTDOWN_S}


def describe_failure(error: BaseException | None) -> str:
    """Return why a TLS connection could not be made; empty if the failure is not about TLS.

    The words are of this module or of OpenSSL's own lists, not of the collector.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _UNKNOWN_AUTHORITY:
            return "TLS: its certificate is signed by an unknown CA; add the CA to ca.crt of the Secret"
        return f"TLS: {_CAUSES.get(error.verify_code, error.verify_message)}"
    if isinstance(error, ssl.SSLEOFError | ConnectionResetError | ConnectionAbortedError):
        return "TLS: it ended the connection during the handshake"
    if isinstance(error, ssl.SSLError):
        reason = error.reason or "failure"
        if reason in _NOT_TLS:
            return "TLS: it does not speak TLS on this port; use http, or its https port"
        if reason in _OLD_TLS:
            return "TLS: it has no version from 1.2 on"
        return f"TLS: handshake failed: {reason.lower().replace('_', ' ')}"
    return ""
