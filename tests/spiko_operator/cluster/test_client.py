"""The client against HTTP servers on loopback: timeouts, rotated tokens, busy servers, errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from spiko_operator.cluster.client import Client
from spiko_operator.errors import ClusterError, Forbidden, Missing, NamespaceTerminating, Throttled

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
NOTHING: dict[str, Any] = {"metadata": {}, "items": []}


def write_kubeconfig(path: Path, server: str, token: str) -> None:
    """Write a kubeconfig with a token."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "c", "user": {"token": token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }
    path.write_text(yaml.safe_dump(document))


@asynccontextmanager
async def api_server(handler: Handler) -> AsyncIterator[str]:
    """Run a server that answers every request with one function; yield its URL."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)  # type: ignore[arg-type]
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_request_fails_after_its_time_limit(tmp_path: Path) -> None:
    """Given a server that sends no head or no body, when the time limit has passed,
    then the request fails.
    """

    async def silent(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("services"):
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b'{"items": [')
        await asyncio.sleep(60)
        raise AssertionError("the client did not time out")

    async with api_server(silent) as server:
        write_kubeconfig(tmp_path / "config", server, "good")
        client = await Client.connect(str(tmp_path / "config"), timeout_s=0.2)
        try:
            for kind in ("Service", "Pod"):
                with pytest.raises(ClusterError, match="does not answer"):
                    await asyncio.wait_for(client.list(kind), 5)
        finally:
            await client.close()


async def test_rejected_token_is_renewed_once_for_concurrent_requests(tmp_path: Path) -> None:
    """Given a rotated token, when eight concurrent requests are rejected, then the credentials are read once
    and each request is sent again with the new token.
    """
    seen: list[str] = []

    async def guarded(request: web.Request) -> web.StreamResponse:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        seen.append(token)
        await asyncio.sleep(0.01)
        return (
            web.json_response(NOTHING) if token == "new" else web.json_response({"message": "no"}, status=401)
        )

    async with api_server(guarded) as server:
        write_kubeconfig(tmp_path / "config", server, "old")
        client = await Client.connect(str(tmp_path / "config"))
        write_kubeconfig(tmp_path / "config", server, "new")
        try:
            await asyncio.gather(*(client.list("Service") for _ in range(8)))
            await client.list("Service")
        finally:
            await client.close()

    assert seen == ["old"] * 8 + ["new"] * 9


async def test_unchanged_rejected_token_is_an_error(tmp_path: Path) -> None:
    """Given a rejected token and no other one, when a request is sent, then it fails after one attempt."""
    asked = 0

    async def refuse(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return web.json_response({"message": "Unauthorized"}, status=401)

    async with api_server(refuse) as server:
        write_kubeconfig(tmp_path / "config", server, "old")
        client = await Client.connect(str(tmp_path / "config"))
        try:
            with pytest.raises(ClusterError, match="401: Unauthorized"):
                await client.get("Service", "default", "a")
            (tmp_path / "config").unlink()
            with pytest.raises(ClusterError, match="no credentials"):
                await client.get("Service", "default", "a")
        finally:
            await client.close()

    assert asked == 2


async def test_errors_have_the_message_of_the_status(tmp_path: Path) -> None:
    """Given a 404, then the error is Missing with the message of the Status; a response that is not a Status
    is quoted.
    """

    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.json_response({"kind": "Status", "message": 'services "a" not found'}, status=404)

    async with api_server(refuse) as server:
        write_kubeconfig(tmp_path / "config", server, "any")
        client = await Client.connect(str(tmp_path / "config"))
        try:
            with pytest.raises(
                Missing, match='GET /api/v1/namespaces/default/services/a: 404: services "a" not found'
            ):
                await client.get("Service", "default", "a")
        finally:
            await client.close()


UNKNOWN_CONTEXT = """
current-context: a
contexts: []
clusters: []
users: []
"""
INVALID_CERTIFICATE = """
current-context: c
contexts: [{name: c, context: {cluster: c, user: c}}]
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1", certificate-authority-data: aGVsbG8=}}]
users: [{name: c, user: {}}]
"""
BROKEN = [
    ("missing", None, "No such file"),
    ("empty", "", "the file is empty"),
    ("a list", "[1]", "not a kubeconfig"),
    ("a string", "hello", "not a kubeconfig"),
    ("invalid YAML", "a: [", "not valid YAML"),
    ("binary", b"\xff\xfe\x00", "not valid YAML"),
    ("another object", "a: 1", "no current context"),
    ("unknown current context", UNKNOWN_CONTEXT, "no context 'a' in .* existing contexts: none"),
    ("invalid contexts", "current-context: a\ncontexts: 3\nclusters: x\nusers: [1]", "no credentials"),
    ("invalid certificates", INVALID_CERTIFICATE, "the certificates in"),
]


@pytest.mark.parametrize(("text", "words"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
async def test_invalid_kubeconfig_is_reported(tmp_path: Path, text: str | bytes | None, words: str) -> None:
    """Given an invalid kubeconfig, when a client connects, then a ClusterError names
    its path and the reason.
    """
    path = tmp_path / "config"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ClusterError, match=words) as caught:
        await Client.connect(str(path))

    assert str(path) in str(caught.value)


async def test_kubeconfigs_are_merged_as_by_kubectl(tmp_path: Path) -> None:
    """Given several kubeconfigs, then the first current context and the first context of each name are used,
    and missing or empty files are skipped.
    """
    for name, server, context in (
        ("one", "http://one", ""),
        ("two", "http://two", "mine"),
        ("three", "http://x", "no"),
    ):
        write_kubeconfig(tmp_path / name, server, name)
        document = yaml.safe_load((tmp_path / name).read_text())
        document["current-context"] = context
        document["contexts"][0]["name"] = "mine" if name != "three" else "no"
        document["clusters"][0]["name"] = "c" if name == "one" else f"c-{name}"
        (tmp_path / name).write_text(yaml.safe_dump(document))
    (tmp_path / "empty").write_text("")
    files = ":".join(str(tmp_path / name) for name in ("empty", "gone", "one", "two", "three"))
    client = await Client.connect(files)
    other = await Client.connect(files, "mine")
    with pytest.raises(ClusterError, match=r"no context 'yours' in .*; existing contexts: mine, no"):
        await Client.connect(files, "yours")
    await client.close()
    await other.close()

    assert ("http://one", "http://one") == (client.server, other.server)


async def test_busy_server_is_retried_after_retry_after(tmp_path: Path) -> None:
    """Given 429 or 503 with Retry-After, then the request is sent again after that time, for at most 10 s;
    without the header, and for evictions, it fails at once.
    """
    asked: list[str] = []
    answers = [
        (429, "0"),
        (503, "0"),
        (200, None),
        (429, None),
        (429, "3600"),
        (503, "Wed, 21 Oct 2026 07:28:00 GMT"),
        (429, "1"),
    ]

    async def busy(request: web.Request) -> web.StreamResponse:
        status, after = answers[len(asked)]
        asked.append(request.path)
        headers = {"Retry-After": after} if after is not None else {}
        return web.json_response(NOTHING, status=status, headers=headers)

    async with api_server(busy) as server:
        write_kubeconfig(tmp_path / "config", server, "any")
        client = await Client.connect(str(tmp_path / "config"))
        began = asyncio.get_running_loop().time()
        try:
            assert [] == await client.list("Service")
            for _ in range(3):
                with pytest.raises(ClusterError):
                    await client.list("Service")
            with pytest.raises(Throttled):
                await client.evict("default", "a", "uid", "1")
        finally:
            await client.close()

        assert 7 == len(asked)
        assert 0.2 <= asyncio.get_running_loop().time() - began < 1.0


ODD = [
    ("a page", web.Response(text="<html>welcome</html>", content_type="text/html"), "not JSON: '<html>"),
    ("an empty response", web.Response(), "not JSON"),
    ("another object", web.json_response({"hello": "world"}), "is not a list"),
    ("a list", web.json_response([1]), "is not a list"),
]


@pytest.mark.parametrize(("response", "words"), [row[1:] for row in ODD], ids=[row[0] for row in ODD])
async def test_server_that_is_not_an_api_server_is_reported(
    tmp_path: Path, response: web.Response, words: str
) -> None:
    """Given a server that answers every request with 200 and no Kubernetes object, then the error asks
    whether it is an API server.
    """

    async def welcome(request: web.Request) -> web.StreamResponse:
        return response

    async with api_server(welcome) as server:
        write_kubeconfig(tmp_path / "config", server, "any")
        client = await Client.connect(str(tmp_path / "config"))
        try:
            with pytest.raises(ClusterError, match=f"{words}.*is {server} an API server"):
                await client.list("Service")
        finally:
            await client.close()


async def test_deletes_evictions_and_patches_name_the_uid(tmp_path: Path) -> None:
    """Given an object, then each request that deletes, evicts or changes it has its UID as a precondition;
    the kill of a pod also has the version that was read.
    """
    bodies: list[dict[str, Any]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.json())
        return web.json_response({})

    body = {"kind": "Pod", "metadata": {"name": "a", "namespace": "default"}}
    async with api_server(answer) as server:
        write_kubeconfig(tmp_path / "config", server, "good")
        client = await Client.connect(str(tmp_path / "config"))
        try:
            await client.delete("Pod", "default", "a", "u")
            await client.delete("Pod", "default", "a", "u", 0, "7")
            await client.evict("default", "a", "u", "7")
            await client.patch(body, {"metadata": {"labels": {}}}, "u", "m")
            await client.patch_status("Fault", "default", "a", "u", {}, "m")
        finally:
            await client.close()

    found = [b.get("preconditions") or b.get("deleteOptions", {}).get("preconditions") for b in bodies]
    assert found[:3] == [{"uid": "u"}, *[{"uid": "u", "resourceVersion": "7"}] * 2]
    assert [b["metadata"]["uid"] for b in bodies[3:]] == ["u", "u"]


@pytest.mark.parametrize(
    ("details", "kind"),
    [
        ({"causes": [{"reason": "NamespaceTerminating"}]}, NamespaceTerminating),
        ({"causes": [{"reason": "FieldValueForbidden"}]}, Forbidden),
        ({"causes": ["x"]}, Forbidden),
        ({}, Forbidden),
        (None, Forbidden),
    ],
)
async def test_namespace_that_is_being_deleted_is_an_error_of_its_own(
    details: Any, kind: type[Forbidden], tmp_path: Path
) -> None:
    """Given a 403, then it is NamespaceTerminating if a cause says so, else Forbidden."""

    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.json_response({"message": "no", "details": details}, status=403)

    async with api_server(refuse) as server:
        write_kubeconfig(tmp_path / "config", server, "good")
        client = await Client.connect(str(tmp_path / "config"))
        try:
            with pytest.raises(Forbidden) as found:
                await client.create("Service", {"metadata": {"namespace": "x"}}, "m")
        finally:
            await client.close()

    assert type(found.value) is kind


async def test_first_page_is_one_bounded_request(tmp_path: Path) -> None:
    """Given a server with more pages, or one that ignores the limit, then one request is sent, with both
    selectors, and no more objects than the limit are returned.
    """
    queries: list[dict[str, str]] = []

    async def serve(request: web.Request) -> web.StreamResponse:
        queries.append(dict(request.query))
        items = [{"metadata": {"name": str(number)}} for number in range(9)]
        return web.json_response({"metadata": {"continue": "more"}, "items": items})

    async with api_server(serve) as server:
        write_kubeconfig(tmp_path / "config", server, "good")
        client = await Client.connect(str(tmp_path / "config"))
        try:
            found = await client.first_page("Pod", "default", "a=b,c in (d,e)", "status.phase=Pending", 5)
        finally:
            await client.close()

    selectors = {"labelSelector": "a=b,c in (d,e)", "fieldSelector": "status.phase=Pending"}
    assert [selectors | {"limit": "5"}] == queries
    assert 5 == len(found)
