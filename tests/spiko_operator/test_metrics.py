"""The operator's instruments: what they count, as Prometheus' parser reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from spiko_operator.cluster.client import Client
from spiko_operator.errors import ClusterError, Conflict
from spiko_operator.handlers.fault import inject
from spiko_operator.handlers.monkey import visit
from spiko_operator.metrics import Figures, Metrics, start_metrics
from tests.spiko_operator.cluster.test_client import api_server, write_kubeconfig
from tests.spiko_operator.handlers.test_fault import KEY, prepared
from tests.spiko_operator.handlers.test_monkey import switched_on
from tests.support.fake_control_plane import NAMESPACE, SHOP

Render = Callable[[], tuple[str, bytes]]


def values(render: Render, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """Return the samples of a name that are not 0, by the values of these labels."""
    families = text_string_to_metric_families(render()[1].decode())
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return {tuple(s.labels[label] for label in labels): s.value for s in samples if s.value}


async def test_passes_are_counted_by_kind_and_result_with_their_duration() -> None:
    """Given passes that succeed, requeue, fail and are interrupted, then the first three are counted."""
    metrics, render = start_metrics()

    async def work(key: str) -> float | None:
        if key == "fails":
            raise ClusterError("no answer")
        if key == "waits":
            await asyncio.sleep(60)
        return 5.0 if key == "again" else None

    measured = metrics.measure("fault", work)
    assert (None, 5.0) == (await measured("done"), await measured("again"))
    with pytest.raises(ClusterError):
        await measured("fails")
    interrupted = asyncio.ensure_future(measured("waits"))
    await asyncio.sleep(0)
    interrupted.cancel()
    await asyncio.gather(interrupted, return_exceptions=True)

    passes = values(render, "spiko_operator_reconciles_total", "kind", "result")
    assert passes == {("fault", "success"): 1, ("fault", "requeue"): 1, ("fault", "error"): 1}
    assert values(render, "spiko_operator_reconcile_duration_seconds_count", "kind") == {("fault",): 3}


async def test_requests_are_counted_by_what_they_do_and_their_status(tmp_path: Path) -> None:
    """Given an API server that answers, refuses and breaks, then every request is counted, without the name
    of an object.
    """
    metrics, render = start_metrics()

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            return web.json_response({"message": "exists"}, status=409)
        if request.path.endswith("nodes") and request.transport is not None:
            request.transport.close()
        return web.json_response({"metadata": {}, "items": []})

    async with api_server(answer) as server:
        write_kubeconfig(tmp_path / "config", server, "good")
        client = await Client.connect(str(tmp_path / "config"))
        client.connection.observe = metrics.count_request
        try:
            await client.list("Pod", "secret")
            with pytest.raises(Conflict):
                await client.evict("secret", "web", "u", "5")
            with pytest.raises(ClusterError):
                await client.list("Node")
        finally:
            await client.close()

    assert values(render, "spiko_operator_api_requests_total", "verb", "resource", "code") == {
        ("list", "pods", "200"): 1,
        ("create", "pods/eviction", "409"): 1,
        ("list", "nodes", "error"): 1,
    }
    assert b"secret" not in render()[1]


async def test_victims_are_counted_by_their_final_state() -> None:
    """Given a Fault that kills two pods and a monkey that kills one, then three kills are counted."""
    metrics, render = start_metrics()
    for api, key, handle in (
        (prepared(kill={"count": 2}), KEY, inject),
        (switched_on(), (NAMESPACE, SHOP), visit),
    ):
        context = api.operator()
        context.metrics = metrics
        for _ in range(20):
            again = await handle(context, key)
            if again is None or again > 60:
                break

    assert values(render, "spiko_operator_kills_total", "source", "method", "result") == {
        ("fault", "Evict", "Killed"): 2,
        ("monkey", "Delete", "Killed"): 1,
    }


def test_figures_are_read_once_for_a_page() -> None:
    """Given an operator, then a page has the figures of one moment; without one, it has none."""
    metrics, render = start_metrics()
    assert {} == values(render, "spiko_operator_list_age_seconds")
    reads: list[Figures] = []

    def read() -> Figures:
        reads.append(Figures(list_age_s=7.0, leader=True, queue_depths={"fault": 3}))
        return reads[-1]

    metrics.observe(read)

    assert {(): 7.0} == values(render, "spiko_operator_list_age_seconds")
    assert 1 == len(reads)
    assert {("fault",): 3} == values(render, "spiko_operator_queue_depth", "queue")
    assert {(): 1} == values(render, "spiko_operator_leader")


def test_two_operators_of_a_process_do_not_share_counts() -> None:
    """Given two sets of instruments, then each page has its own counts only."""
    (one, render), (_, other) = start_metrics(), start_metrics()
    one.count_kill("fault", "Evict", "Gone")

    name = "spiko_operator_kills_total"
    assert ({("Gone",): 1}, {}) == (values(render, name, "result"), values(other, name, "result"))
    assert isinstance(one, Metrics)
