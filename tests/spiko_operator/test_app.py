"""All requests of a real operator process, recorded: what kopf does with these settings."""

from __future__ import annotations

import ast
import asyncio
import base64
import inspect
import os
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import ClientSession, ClientTimeout, web

from spiko_operator import main
from spiko_operator.full_lists import WATCHED
from tests.support.signals import default_interrupts

Object = dict[str, Any]
KINDS = {
    "/apis/spiko.dev/v1alpha1": {"architectures": "Architecture", "faults": "Fault"},
    "/apis/apps/v1": {"deployments": "Deployment"},
    "/apis/policy/v1": {"poddisruptionbudgets": "PodDisruptionBudget"},
    "/api/v1": {
        "services": "Service",
        "configmaps": "ConfigMap",
        "pods": "Pod",
        "nodes": "Node",
        "namespaces": "Namespace",
    },
    "/apis/apiextensions.k8s.io/v1": {"customresourcedefinitions": "CustomResourceDefinition"},
}
OURS = "spiko.dev/architecture"
SELECTORS = {
    "architectures": "",
    "faults": "",
    "deployments": OURS,
    "services": OURS,
    "configmaps": OURS,
    "poddisruptionbudgets": OURS,
    "pods": "spiko.dev/tier=eureka",
}
REFUSED: Object = {
    "metadata": {
        "name": "shop",
        "namespace": "default",
        "uid": "u1",
        "resourceVersion": "5",
        "generation": 1,
    },
    "spec": {"victim": "unknown", "services": [{"name": "db", "package": "store", "count": 1}]},
}


class Recorder:
    """An API server with one invalid Architecture, which records all requests.

    Args:
        busy: number of requests of each watch that are answered with 429 first.

    Attributes:
        lease: of the operators, once one has created it.
        forbidden: namespaces in which nothing may be read.
        without_key: whether reads of the operator's key fail.
    """

    def __init__(self, busy: int = 0) -> None:
        self.requests: list[web.BaseRequest] = []
        self.watches: dict[str, web.StreamResponse] = {}
        self.silent = self.without_key = False
        self.lease: Object | None = None
        self.forbidden: set[str] = set()
        self.tries: dict[str, list[float]] = {plural: [] for plural in SELECTORS}
        self._busy = busy

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer any request."""
        self.requests.append(request)
        if self.silent:
            await asyncio.sleep(3600)
        if "/leases" in request.path:
            return await self._answer_lease(request)
        if (found := re.search("/namespaces/([^/]+)/", request.path)) and found[1] in self.forbidden:
            return web.json_response({"message": f"forbidden in {found[1]}"}, status=403)
        group, _, plural = re.sub(r"/namespaces/[^/]+(?=/)", "", request.path).rpartition("/")
        if request.method != "GET":
            written = {"metadata": REFUSED["metadata"] | {"resourceVersion": "10"}}
            return web.json_response(REFUSED | written | {"status": (await request.json()).get("status")})
        if request.path in ("/api", "/apis"):
            return web.json_response(_groups(request.path))
        if request.path in KINDS:
            return web.json_response(_resources(KINDS[request.path]))
        if plural == "spiko-operator-key" and self.without_key:
            return web.json_response({"message": "no key today"}, status=500)
        if plural == "spiko-operator-key":
            return web.json_response({"metadata": {}, "data": {"key": base64.b64encode(b"k" * 32).decode()}})
        if request.path == "/api/v1/namespaces/default":
            return web.json_response({"metadata": {"name": "default", "uid": "u0"}})
        if plural not in KINDS.get(group, {}):
            return web.json_response({"message": f"{request.path} not found"}, status=404)
        if "watch" in request.query:
            return await self._watch(request, plural)
        items = [REFUSED] if plural == "architectures" else []
        return web.json_response({"metadata": {"resourceVersion": "9"}, "items": items})

    async def _answer_lease(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET":
            return web.json_response(
                self.lease or {"message": "not found"}, status=200 if self.lease else 404
            )
        body = await request.json()
        before = self.lease["metadata"]["resourceVersion"] if self.lease else None
        if body["metadata"].get("resourceVersion") != before:
            return web.json_response({"message": "conflict"}, status=409)
        body["metadata"]["resourceVersion"] = str(int(before or 0) + 1)
        self.lease = body
        return web.json_response(body)

    async def _watch(self, request: web.BaseRequest, plural: str) -> web.StreamResponse:
        self.tries[plural].append(time.monotonic())
        if len(self.tries[plural]) <= self._busy:
            return web.json_response({"message": "busy"}, status=429, headers={"Retry-After": "1"})
        response = self.watches[plural] = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(3600)
        return response

    def writes(self) -> set[tuple[str, str]]:
        """Return method and path of all requests that are not reads."""
        return {(r.method, r.path) for r in self.requests if r.method != "GET"}


def _groups(path: str) -> Object:
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    found = []
    for prefix in KINDS:
        if prefix.startswith("/apis/"):
            _, _, name, version = prefix.split("/")
            known = {"groupVersion": f"{name}/{version}", "version": version}
            found.append({"name": name, "versions": [known], "preferredVersion": known})
    return {"kind": "APIGroupList", "groups": found}


def _resources(kinds: dict[str, str]) -> Object:
    verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
    every = [
        {
            "name": plural,
            "singularName": kind.lower(),
            "namespaced": kind != "Namespace",
            "kind": kind,
            "verbs": verbs,
        }
        for plural, kind in kinds.items()
    ]
    return {"kind": "APIResourceList", "resources": every}


@asynccontextmanager
async def operator(
    recorder: Recorder, folder: Path, **settings: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run an operator process with the recorder as its API server; `settings` are
    added to its environment. There is no election unless they ask for it.
    """
    async with running(recorder, folder, ("-m", "spiko_operator"), settings) as process:
        yield process


@asynccontextmanager
async def running(
    recorder: Recorder, folder: Path, arguments: tuple[str, ...], settings: Mapping[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run Python with these arguments, which start an operator, as `operator` does."""
    runner = web.ServerRunner(web.Server(recorder.answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    document = {
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{runner.addresses[0][1]}"}}],
        "users": [{"name": "c", "user": {"token": "any"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }
    (folder / "config").write_text(yaml.safe_dump(document))
    election = {"SPIKO_LEADER_ELECTION": "false"}
    environ = os.environ | {"KUBECONFIG": str(folder / "config")} | election | dict(settings)
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            env=environ,
            stdout=log,
            stderr=log,
            preexec_fn=default_interrupts,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await runner.cleanup()


async def wait_until(what: str, asked: Callable[[], bool], log: Path, seconds: float = 20.0) -> None:
    """Wait wait_until a condition holds."""
    end = time.monotonic() + seconds
    while not asked():
        assert time.monotonic() < end, f"{what}\n{log.read_text()[-3000:]}"
        await asyncio.sleep(0.05)


async def test_only_selected_objects_are_read_and_only_status_and_event_written(
    tmp_path: Path,
) -> None:
    """Given an Architecture, when the operator watches it, then it writes no annotation or finalizer, reads
    no namespaces or CRDs, and never lists the pods of tiers.
    """
    recorder = Recorder()
    async with operator(recorder, tmp_path):
        await wait_until("watches", lambda: SELECTORS.keys() <= recorder.watches.keys(), tmp_path / "log")
        await wait_until("a status", lambda: len(recorder.writes()) == 2, tmp_path / "log")
        await asyncio.sleep(2)

    lists = [r for r in recorder.requests if r.method == "GET" and r.path.rpartition("/")[2] in SELECTORS]
    for request in lists:
        assert request.query.get("labelSelector", "") == SELECTORS[request.path.rpartition("/")[2]], (
            request.path_qs
        )
    asked = {r.path for r in recorder.requests}
    assert not {path for path in asked if "namespaces" in path.split("/")[-1] or "customresource" in path}
    status = "/apis/spiko.dev/v1alpha1/namespaces/default/architectures/shop/status"
    assert recorder.writes() == {
        ("PATCH", status),
        ("POST", "/apis/events.k8s.io/v1/namespaces/default/events"),
    }


async def test_only_the_configured_namespaces_are_read(tmp_path: Path) -> None:
    """Given two namespaces, then every list and watch is in one of them; nodes, which have no namespace, may
    be forbidden.
    """
    recorder = Recorder()
    async with operator(recorder, tmp_path, SPIKO_NAMESPACES="one, two"):
        await wait_until("watches", lambda: SELECTORS.keys() <= recorder.watches.keys(), tmp_path / "log")
        await asyncio.sleep(0.5)

    asked = {request.path for request in recorder.requests if request.path.rpartition("/")[2] in SELECTORS}
    watched = [(group, plural) for group, kinds in KINDS.items() for plural in kinds if plural in SELECTORS]
    assert {
        f"{group}/namespaces/{space}/{plural}" for group, plural in watched for space in ("one", "two")
    } == asked


async def test_namespace_pattern_is_a_settings_error(tmp_path: Path) -> None:
    """Given a pattern in SPIKO_NAMESPACES, then the process exits with a message that has the value and the
    remedy.
    """
    async with operator(Recorder(), tmp_path, SPIKO_NAMESPACES="team-*") as process:
        assert 0 != await process.wait()
    assert "SPIKO_NAMESPACES: 'team-*': not a valid namespace name" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)])
async def test_operator_stops_within_5_s_with_open_watches(tmp_path: Path, number: signal.Signals) -> None:
    """Given open watches, when the process gets a signal, then it exits within 5 s, of the 20 s that it may
    take.
    """
    recorder = Recorder()
    async with operator(recorder, tmp_path) as process:
        await wait_until("watches", lambda: SELECTORS.keys() <= recorder.watches.keys(), tmp_path / "log")
        process.send_signal(number)
        code = await asyncio.wait_for(process.wait(), 5)

    assert code == 0


@pytest.mark.long
async def test_watches_are_retried_after_429(tmp_path: Path) -> None:
    """Given watches that are refused twice with 429 and Retry-After, then all are open in the end, and no
    request was sent too early.
    """
    recorder = Recorder(busy=2)
    async with operator(recorder, tmp_path) as process:
        await wait_until("watches", lambda: SELECTORS.keys() <= recorder.watches.keys(), tmp_path / "log", 30)

        assert process.returncode is None
    for tries in recorder.tries.values():
        assert len(tries) == 3
        assert min(later - sooner for sooner, later in pairwise(tries)) >= 1


@pytest.mark.long
async def test_liveness_fails_when_full_lists_stop(tmp_path: Path) -> None:
    """Given open watches, when the API server stops answering, then /healthz changes from 200 to 500 after
    three missed lists, and /readyz to 503.
    """
    recorder = Recorder()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    url = f"http://{listen}/healthz"
    settings = {"SPIKO_HTTP_LISTEN": listen, "SPIKO_RESYNC_SECONDS": "1"}
    async with operator(recorder, tmp_path, **settings), ClientSession() as session:
        await wait_until("watches", lambda: SELECTORS.keys() <= recorder.watches.keys(), tmp_path / "log")
        async with session.get(url) as well:
            before = (well.status, await well.json())
        recorder.silent = True
        began = time.monotonic()
        status = 200
        while status == 200 and time.monotonic() < began + 20:
            await asyncio.sleep(0.5)
            async with session.get(url, timeout=ClientTimeout(5)) as later:
                status = later.status
        async with session.get(f"http://{listen}/readyz", timeout=ClientTimeout(5)) as ready:
            readiness = ready.status

    assert before[0] == 200
    assert before[1]["list_age_seconds"] < 3
    assert (status, readiness) == (500, 503)


def test_only_raw_events_are_handled_and_only_by_coroutines() -> None:
    """There are no change handlers, daemons, timers, indices or webhooks, so kopf writes no annotations and
    finalizers and needs no threads.
    """
    tree = ast.parse(inspect.getsource(main))
    kinds: dict[str, list[type[ast.AST]]] = {}
    for function in (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
        for decorator in function.decorator_list:
            kinds.setdefault(ast.unparse(decorator).split("(")[0], []).append(type(function))

    assert {
        "kopf.on.startup",
        "kopf.on.cleanup",
        "kopf.on.login",
        "kopf.on.event",
    } == kinds.keys()
    assert {ast.AsyncFunctionDef} == set(kinds["kopf.on.event"])
    assert len(WATCHED) == len(kinds["kopf.on.event"])


@pytest.mark.long
async def test_nodes_are_listed_within_a_minute_whatever_the_period_of_full_lists(tmp_path: Path) -> None:
    """Given an hour between full lists, then the nodes, which are not watched, are listed again within a
    minute.
    """
    recorder = Recorder()

    def node_lists() -> int:
        return len([r for r in recorder.requests if r.path == "/api/v1/nodes" and "limit" in r.query])

    async with operator(recorder, tmp_path, SPIKO_RESYNC_SECONDS="3600"):
        await wait_until("the first list", lambda: node_lists() > 0, tmp_path / "log")
        await asyncio.sleep(5)
        before = node_lists()
        await wait_until("another list", lambda: node_lists() > before, tmp_path / "log", 55)
