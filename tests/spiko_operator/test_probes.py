"""Probes of a real operator process that starts."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout

from tests.spiko_operator.test_app import Recorder, operator, wait_until


async def test_probes_are_answered_before_the_api_server_is(tmp_path: Path) -> None:
    """Given an API server that does not answer, when the operator starts, then it is alive and not ready, and
    the page of its metrics has it as no leader.
    """
    recorder = Recorder()
    recorder.silent = True
    with socket.create_server(("127.0.0.1", 0)) as probe:
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    statuses: dict[str, int] = {}
    texts: dict[str, str] = {}

    async with operator(recorder, tmp_path, SPIKO_HTTP_LISTEN=listen), ClientSession() as session:
        await wait_until("a request", lambda: bool(recorder.requests), tmp_path / "log", 60)
        for path in ("/healthz", "/readyz", "/metrics"):
            async with session.get(f"http://{listen}{path}", timeout=ClientTimeout(30)) as answer:
                statuses[path], texts[path] = answer.status, await answer.text()

    assert {"/healthz": 200, "/readyz": 503, "/metrics": 200} == statuses
    assert "the first full list has not succeeded yet" in texts["/healthz"]
    assert "the first full list has not succeeded yet\n" == texts["/readyz"]
    assert "spiko_operator_reconciles_total" in texts["/metrics"]
    assert "spiko_operator_leader 0.0" in texts["/metrics"]
    assert "spiko_operator_list_age_seconds" not in texts["/metrics"]


async def test_an_address_that_is_taken_ends_the_process(tmp_path: Path) -> None:
    """Given an address in SPIKO_HTTP_LISTEN that another process has, then the operator exits, and its log
    names the setting and the address.
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        async with operator(Recorder(), tmp_path, SPIKO_HTTP_LISTEN=listen) as process:
            assert 0 != await asyncio.wait_for(process.wait(), 60)
    assert "SPIKO_HTTP_LISTEN: 127.0.0.1 port" in (tmp_path / "log").read_text()


async def test_a_standby_is_ready_and_not_the_leader(tmp_path: Path) -> None:
    """Given two operators, then both are ready, and the metrics of exactly one say that it is the leader."""
    recorder = Recorder()
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        listens = [f"127.0.0.1:{probe.getsockname()[1]}" for probe in (one, two)]
    first, second = ({"SPIKO_LEADER_ELECTION": "true", "SPIKO_HTTP_LISTEN": listen} for listen in listens)
    async with operator(recorder, tmp_path / "one", **first), ClientSession() as session:
        log = tmp_path / "one" / "log"
        await wait_until("a leader", lambda: "ready: " in log.read_text(), log, 60)
        async with operator(recorder, tmp_path / "two", **second):
            log = tmp_path / "two" / "log"
            await wait_until("a standby", lambda: "standby: " in log.read_text(), log, 60)
            for listen in listens:
                async with session.get(f"http://{listen}/readyz", timeout=ClientTimeout(30)) as answer:
                    role = (answer.status, (await answer.json())["role"])
                async with session.get(f"http://{listen}/metrics", timeout=ClientTimeout(30)) as answer:
                    leads = "spiko_operator_leader 1.0" in await answer.text()
                found.append((*role, leads))

    assert [(200, "leader", True), (200, "standby", False)] == found
