"""Requests to one API server: credentials, retries and errors.

The asynchronous part of the `kubernetes` package provides credentials, TLS and connections. A connection adds
four rules. If the server rejects the token (401), the credentials are read again, because tokens are
rotated. If the server does not answer in time, the request fails. If the server is busy and says for how long
(429 or 503 with Retry-After), the request is sent again after that time, for up to 10 s in all. With a guard,
a write is sent only while the operator leads.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import ClientError, ClientTimeout
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.exceptions import ApiException

from spiko_operator.cluster.credentials import read_credentials
from spiko_operator.cluster.write_guard import WriteGuard, guarded_requests
from spiko_operator.errors import (
    ClusterError,
    Conflict,
    Forbidden,
    Invalid,
    Missing,
    NamespaceTerminating,
    Refused,
    Throttled,
    Unauthorized,
)
from spiko_operator.plan.objects import Object

# The default of the library is 300 s, for which a silent connection would occupy a worker.
REQUEST_S = 30.0
BUSY_S = 10.0  # total time to retry while the server is busy
NO_RESPONSE = "error"  # in place of a status
_BUSY = (429, 503)
_TERMINATING = "NamespaceTerminating"
_ERRORS: dict[int, type[Refused]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: Missing,
    409: Conflict,
    410: Conflict,
    422: Invalid,
    429: Throttled,
}


@dataclass(frozen=True)
class Access:
    """Credentials of a connection that is not a request.

    `headers` have the token, `context` the certificates.
    """

    headers: Mapping[str, str]
    context: ssl.SSLContext
    proxy: str | None
    token: str | None


@dataclass(frozen=True)
class _Response:
    """A response of any status. `retry_s` is from Retry-After, None without that header."""

    status: int
    text: str
    retry_s: float | None


class Connection:
    """Sends requests to one API server. Open it with `connect`, and close it with `close`.

    Args:
        api: of the `kubernetes` package.
        read_credentials: reads the current credentials into the configuration of `api`; raises ClusterError.
        timeout_s: time limit of one request.
    """

    def __init__(
        self, api: ApiClient, read_credentials: Callable[[], Awaitable[None]], timeout_s: float
    ) -> None:
        self._api, self._read_credentials = api, read_credentials
        self._timeout, self._busy_s = ClientTimeout(total=timeout_s), min(BUSY_S, timeout_s)
        self._renewing = asyncio.Lock()
        # Called after every request that was sent, with method, path, and status or `error`.
        self.observe: Callable[[str, str, str], None] = lambda method, path, code: None

    @classmethod
    async def connect(
        cls, kubeconfig: str | None, context: str | None, timeout_s: float, guard: WriteGuard | None = None
    ) -> Connection:
        """Return a connection with the credentials of a kubeconfig, or of the pod's service account.

        Args:
            kubeconfig: one or several files as in KUBECONFIG; None for the service account.
            context: of the kubeconfig; None for its current context.
            timeout_s: time limit of one request.
            guard: checked right before each write; None to send all.

        Raises:
            ClusterError: there are no usable credentials.
        """
        settings = Configuration()
        if guard is not None:
            settings.client_session_kwargs = {"request_class": guarded_requests(guard)}

        async def read() -> None:
            await read_credentials(settings, kubeconfig, context)

        await read()
        try:
            return cls(ApiClient(settings), read, timeout_s)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            where = kubeconfig or "the service account"
            raise ClusterError(f"the certificates in {where} cannot be used: {error}") from error

    async def close(self) -> None:
        """Close all sockets."""
        await self._api.close()

    @property
    def server(self) -> str:
        """The API server's URL."""
        host: str = self._api.configuration.host
        return host

    async def access(self) -> Access:
        """Return the current credentials, for a connection that is not a request."""
        _, _, headers, *_ = await self._api.param_serialize(
            method="GET", resource_path="/", auth_settings=["BearerToken"]
        )
        rest = self._api.rest_client
        return Access(headers, rest.ssl_context, rest.proxy, self._token())

    async def renew(self, rejected: str | None) -> bool:
        """Read the credentials again, once for all requests whose token was rejected at the same time.

        Returns:
            Whether there is another token now.
        """
        async with self._renewing:
            if self._token() == rejected:
                await self._read_credentials()
        return self._token() != rejected

    async def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content: str = "application/json",
        retry: bool = True,
    ) -> Object:
        """Send a request and return the object in the response.

        Args:
            method: of HTTP.
            path: of the URL.
            query: parameters.
            body: sent as JSON.
            content: type of the body.
            retry: whether to send the request again if the server is busy.

        Raises:
            Refused: the response has an error status; a subclass for most of them.
            ClusterError: there is no response, or it is not JSON.
            NotLeader: the guard does not permit the write.
        """
        token = self._token()

        async def send() -> _Response:
            return await self._send(method, path, query, body, content)

        response = await (self._send_with_retries(send) if retry else send())
        if response.status == 401 and await self.renew(token):
            response = await send()
        if response.status >= 300:
            raise _error(response.status, response.text, method, path)
        try:
            found: Object = json.loads(response.text)
        except ValueError as error:
            what = f"{method} {path}: {response.status}: the response is not JSON: {response.text[:80]!r}"
            raise ClusterError(f"{what}; is {self.server} an API server?") from error
        return found

    async def _send_with_retries(self, send: Callable[[], Awaitable[_Response]]) -> _Response:
        """Send again while the server is busy, as long as its Retry-After ends within the total time."""
        end = time.monotonic() + self._busy_s
        while True:
            response = await send()
            if response.status not in _BUSY or response.retry_s is None:
                return response
            if time.monotonic() + response.retry_s > end:
                return response
            await asyncio.sleep(response.retry_s)

    async def _send(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Object | None, content: str
    ) -> _Response:
        """Send a request once."""
        headers = {"Accept": "application/json", "Content-Type": content}
        try:
            serialized = await self._api.param_serialize(
                method=method,
                resource_path=path,
                query_params=list((query or {}).items()),
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
            )
            response = await self._api.call_api(*serialized, _request_timeout=self._timeout)
            text = await response.read()
        except ApiException as error:
            self.observe(method, path, NO_RESPONSE)
            # The library returns responses of every status: this request could not be sent.
            raise ClusterError(f"{method} {path}: {error.reason}") from error
        except (ClientError, OSError, TimeoutError, ValueError) as error:
            self.observe(method, path, NO_RESPONSE)
            why = str(error) or type(error).__name__
            raise ClusterError(f"{method} {path}: the API server does not answer: {why}") from error
        self.observe(method, path, str(response.status))
        retry_s = _retry_s(response.headers.get("Retry-After"))
        return _Response(response.status, text.decode(errors="replace"), retry_s)

    def _token(self) -> str | None:
        token: str | None = self._api.configuration.api_key.get("BearerToken")
        return token


def _retry_s(header: str | None) -> float | None:
    """Return the seconds of Retry-After, at least 0.1, so that no server causes requests without a pause.

    A Retry-After with a date is ignored.
    """
    if header is None or not (header.isascii() and header.isdigit()):
        return None
    return max(0.1, float(header))


def _error(status: int, text: str, method: str, path: str) -> ClusterError:
    try:
        answer = json.loads(text)
        message = str(answer["message"])
    except (ValueError, KeyError, TypeError):
        answer, message = {}, text[:500]
    kind = _ERRORS.get(status, Refused)
    if kind is Forbidden and _is_terminating(answer):
        kind = NamespaceTerminating
    return kind(f"{method} {path}: {status}: {message}", message)


def _is_terminating(answer: Object) -> bool:
    """Whether a status says that the namespace is being deleted."""
    details = answer.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    return any(
        isinstance(cause, dict) and cause.get("reason") == _TERMINATING
        for cause in (causes if isinstance(causes, list) else ())
    )
