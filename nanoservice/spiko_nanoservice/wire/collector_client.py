"""Posts batches of spans to one OTLP/HTTP collector, over http or https, with the headers of a Secret."""

from __future__ import annotations

import asyncio
import logging
import socket
import zlib
from typing import TYPE_CHECKING, Any

from spiko_nanoservice.contract import authority
from spiko_nanoservice.contract.otlp_endpoint import HTTPS_PORT, OtlpEndpoint, parse_otlp_endpoint
from spiko_nanoservice.contract.otlp_headers import reveals
from spiko_nanoservice.errors import CallError, ExportError
from spiko_nanoservice.wire.collector_secret import CollectorSecret
from spiko_nanoservice.wire.connection_pool import Pool
from spiko_nanoservice.wire.http_client import Reply

if TYPE_CHECKING:
    import ssl

TIMEOUT_S = 5.0
# Smaller bodies fit in one packet as they are.
GZIP_FROM_BYTES = 1_024
# Higher levels take longer and save little: docs/performance.md.
GZIP_LEVEL = 1
_GZIP_WINDOW = 31  # zlib's number for a gzip header and the largest window
WITHHELD = "the headers of the Secret are sent over https only"
log = logging.getLogger("spiko.export")


class CollectorClient:
    """The connection to one collector.

    Args:
        url: base URL of the collector.
        secret: directory of the Secret; it may not exist.
        timeout_s: for connection, handshake and reply together.
    """

    def __init__(self, url: str, secret: str, timeout_s: float = TIMEOUT_S) -> None:
        self._url, self._timeout_s = url, timeout_s
        self._secret = CollectorSecret(secret)
        self._pool: Pool | None = None
        self._lookups = 0
        self._context: ssl.SSLContext | None = None
        self._authorities = b""
        # Header lines of the Secret, as last sent; and whether it has some that were not sent.
        self._headers = b""
        self._withholds = False

    async def post(self, body: bytes, gzip: bool) -> Reply:
        """Send one ExportTraceServiceRequest and return the reply.

        Args:
            body: the encoded message.
            gzip: compress it, unless it is small.

        Raises:
            ExportError: there is no reply; the message says why.
        """
        tls = False
        try:
            endpoint = parse_otlp_endpoint(self._url)
            tls = endpoint.tls
            headers = b"Content-Type: application/x-protobuf\r\n" + self._secret_headers(endpoint)
            if is_compressed(body, gzip):
                headers += b"Content-Encoding: gzip\r\n"
                body = zlib.compress(body, GZIP_LEVEL, _GZIP_WINDOW)
            pool = await self._get_pool(endpoint)
            return await pool.call(b"POST", endpoint.path.encode(), lambda: headers, body, self._timeout_s)
        except (CallError, OSError, ValueError) as error:
            self.close()
            raise ExportError(_describe(error, tls)) from None

    def explain(self, error: str) -> str:
        """Return why the collector rejected spans, for the status: with a hint, and without a credential."""
        if reveals(error, self._headers):
            return f"{error.partition(':')[0]}: its message repeats a header of the Secret"
        return f"{error}; {WITHHELD}" if self._withholds else error

    def close(self) -> None:
        """Close the connection; the next request opens another one."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def _secret_headers(self, endpoint: OtlpEndpoint) -> bytes:
        """Return the headers of the Secret for https. They are credentials: nothing else carries them."""
        if endpoint.tls:
            self._headers = self._secret.read_headers()
            return self._headers
        withholds = self._secret.has_headers()
        if withholds and not self._withholds:
            log.warning("collector %s: %s", self._url, WITHHELD)
        self._withholds = withholds
        return b""

    async def _get_pool(self, endpoint: OtlpEndpoint) -> Pool:
        options = self._tls_options(endpoint) if endpoint.tls else None
        if self._pool is None:
            found = await asyncio.get_running_loop().getaddrinfo(
                endpoint.host, endpoint.port, type=socket.SOCK_STREAM
            )
            # The collector may listen on one of the addresses of its name only.
            address = str(found[self._lookups % len(found)][4][0])
            self._lookups += 1
            self._pool = Pool(address, endpoint.port, options)
            self._pool.host = host_header(endpoint).encode()
        return self._pool

    def _tls_options(self, endpoint: OtlpEndpoint) -> dict[str, Any]:
        """Return the options of a connection that trusts the Secret's present CA certificates."""
        from spiko_nanoservice.wire.tls import connect_options, make_context

        authorities = self._secret.read_authorities()
        if self._context is None or authorities != self._authorities:
            self.close()
            self._context, self._authorities = make_context(authorities), authorities
        return connect_options(self._context, endpoint.host)


def host_header(endpoint: OtlpEndpoint) -> str:
    """Return the value of the Host header: some servers know their name without the default port only.

    Source: RFC 9110, section 4.2.3.

    >>> host_header(parse_otlp_endpoint("https://otlp.example")), host_header(parse_otlp_endpoint("http://[::1]"))
    ('otlp.example', '[::1]:4318')
    """
    host = authority(endpoint.host, endpoint.port)
    is_default = endpoint.tls and endpoint.port == HTTPS_PORT
    return host.removesuffix(f":{HTTPS_PORT}") if is_default else host


def is_compressed(body: bytes, gzip: bool) -> bool:
    """Return whether a body is sent compressed."""
    return gzip and len(body) >= GZIP_FROM_BYTES


def _describe(error: Exception, tls: bool) -> str:
    text = ""
    if tls:
        from spiko_nanoservice.wire.tls import describe_failure

        text = describe_failure(error.__cause__ if isinstance(error, CallError) else error)
    return text or getattr(error, "strerror", None) or str(error)
