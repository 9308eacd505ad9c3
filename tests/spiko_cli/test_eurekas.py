"""What the command line says without the keys for reading, and when it reads them again."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from spiko_cli.errors import ClusterError
from spiko_cli.eurekas import POLL_S, Eurekas, Target
from spiko_cli.options import ClusterOptions
from spiko_nanoservice.contract.handshake import render_keys
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.sockets import Endpoint, Sockets
from spiko_operator.errors import ClusterError as ApiError
from spiko_operator.errors import Forbidden, Missing, Refused, Unauthorized
from tests.support.keys import KEYS

Object = dict[str, Any]
PODS = [
    {"metadata": {"name": f"lamp-eureka-z{i}", "uid": f"u{i}"}, "status": {"podIP": f"127.0.0.{i + 1}"}}
    for i in range(2)
]


class Api:
    """An API server with two pods and the Secret, or an error instead of it."""

    server = "https://127.0.0.1:1"

    def __init__(self, error: ApiError | None = None) -> None:
        self.error, self.reads, self.pods = error, 0, PODS

    async def get(self, kind: str, namespace: str, name: str) -> Object:
        """Return the Secret."""
        self.reads += 1
        if self.error is not None:
            raise self.error
        return {"data": {"read": base64.b64encode(render_keys(KEYS["read"]).encode()).decode()}}

    async def list(self, kind: str, namespace: str, labels: str) -> list[Object]:
        """Return the pods."""
        return self.pods


class Refusing:
    """Eurekas that refuse every session, or an API server that does not forward it."""

    def __init__(self, error: ApiError | None = None) -> None:
        self._error = error or ApiError("the eureka refuses the connection: 'no key in common'")

    @asynccontextmanager
    async def open(self, endpoint: Endpoint, most_bytes: int) -> AsyncIterator[None]:
        """Refuse."""
        raise self._error
        yield


def eurekas(api: Api, refusing: Refusing | None = None) -> Eurekas:
    """Return the eurekas of lamp in the namespace demo."""
    target = Target("lamp", ClusterOptions("demo", None, None, None))
    return Eurekas(cast(Client, api), cast(Sockets, refusing or Refusing()), target)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Forbidden("403"), 'you need the right to `get` Secret "spiko-read" in namespace "demo"'),
        (Missing("404"), 'Secret "spiko-read" is missing in namespace "demo"; is the operator running?'),
    ],
)
async def test_without_the_keys_no_eureka_is_blamed(error: ApiError, text: str) -> None:
    """Given a Secret that is missing or must not be read, then the message is about the Secret only."""
    found = eurekas(Api(error))
    await found.refresh()
    with pytest.raises(ClusterError) as raised:
        await found.ask("edges")

    assert text == str(raised.value)


async def test_keys_are_read_again_after_a_refusal() -> None:
    """Given keys that were rotated since they were read, then the next attempt of a stream reads them."""
    api = Api()
    found = eurekas(api)
    await attempt_streams(found, 0.5 * POLL_S)
    before = api.reads
    await attempt_streams(found, 0.5 * POLL_S)

    assert api.reads > before
    assert "try --reach proxy" in found.problem()
    assert "(2 of 2 eurekas)" in found.problem()


async def test_a_missing_right_is_said_once() -> None:
    """Given two eurekas and no right to read the keys, then the message says so once."""
    found = eurekas(Api(Forbidden("403")))
    await attempt_streams(found, 0.5 * POLL_S)

    assert 'you need the right to `get` Secret "spiko-read" in namespace "demo"' == found.problem()


DENIED = (
    'pods "lamp-eureka-z0" is forbidden: User "jane" cannot get resource "pods/proxy" in API group "" in the'
    ' namespace "demo"'
)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        pytest.param(
            Forbidden(f"GET: 403: {DENIED}", DENIED),
            'you need the right to `get pods/proxy` in namespace "demo" (you are "jane"), or --reach direct',
            id="no right",
        ),
        pytest.param(
            Unauthorized("GET: 401: Unauthorized"),
            "401: Unauthorized; renew the credentials of the kubeconfig",
            id="expired",
        ),
        pytest.param(
            Refused("GET: 503: error trying to reach service"),
            "503: error trying to reach service; check that network policies allow the API server to reach"
            " port 7070 of the pod, or use --reach direct",
            id="not forwarded",
        ),
    ],
)
async def test_the_proxy_of_the_api_server_is_explained(error: ApiError, words: str) -> None:
    """Given pods behind an API server that does not forward to them, then the message has the remedy."""
    api = Api()
    api.pods = [{"metadata": {"name": "lamp-eureka-z0", "uid": "u0"}, "status": {"podIP": "10.0.0.9"}}]
    found = eurekas(api, Refusing(error))
    await attempt_streams(found, 0.5 * POLL_S)

    assert words in found.problem()


async def attempt_streams(found: Eurekas, seconds: float) -> None:
    """Read the streams for some time, in which no report comes."""
    await found.refresh()
    stream = aiter(found.seconds())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
