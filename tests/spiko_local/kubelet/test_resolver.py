"""The name service over HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path

import aiohttp
import pytest

from spiko_local.kubelet.model.endpoint_index import Endpoint, EndpointIndex
from spiko_local.kubelet.resolver import Resolver, remembered_port
from spiko_local.kubelet.server import is_own_error
from spiko_local.objects import Object


@pytest.mark.parametrize("name", ["db.shop", "db.shop.svc", "db.shop.svc.cluster.local"])
async def test_a_name_is_resolved_to_ready_pods(tmp_path: Path, name: str) -> None:
    """Given a Service with a pod, then its name has the pod's address, at once after every change."""
    services = dict[tuple[str, str], Object]()
    pods = EndpointIndex()
    services["shop", "db"] = {"spec": {"selector": {"tier": "db"}}}
    answers = []
    async with (
        Resolver(services, pods).listen(tmp_path / "port") as address,
        aiohttp.ClientSession() as session,
    ):
        for ready in (True, False):
            pods.put("u", Endpoint("shop", "127.65.0.1", ready, {"tier": "db"}))
            async with session.get(f"http://{address}/resolve", params={"name": name}) as reply:
                answers.append((reply.status, json.loads(await reply.text())["addresses"]))

    assert [(200, ["127.65.0.1"]), (200, [])] == answers


async def test_an_unknown_name_is_404(tmp_path: Path) -> None:
    """Given no Services, then a name answers 404 with an empty list."""
    async with (
        Resolver({}, EndpointIndex()).listen(tmp_path / "port") as address,
        aiohttp.ClientSession() as session,
        session.get(f"http://{address}/resolve", params={"name": "db"}) as reply,
    ):
        assert (404, {"addresses": []}) == (reply.status, await reply.json())


def test_the_port_is_the_same_for_every_kubelet_of_a_folder(tmp_path: Path) -> None:
    """Given a file with a port, then it is used; a missing or damaged file gets a new one."""
    first = remembered_port(tmp_path / "port")
    (tmp_path / "damaged").write_text("x")

    assert first == remembered_port(tmp_path / "port")
    assert 0 < remembered_port(tmp_path / "damaged") == int((tmp_path / "damaged").read_text())


async def test_malformed_bytes_are_not_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Given the filter of the kubelet's process, when a request is malformed, then nothing is logged, and an
    error of a handler still is.
    """
    logger = logging.getLogger("aiohttp.server")
    logger.addFilter(is_own_error)
    try:
        async with Resolver({}, EndpointIndex()).listen(tmp_path / "port") as address:
            host, _, port = address.partition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET / HTTP/1.9\r\n\r\n")
            reply = await reader.readline()
            writer.close()
        malformed = list(caplog.records)
        logger.error("an error", exc_info=ValueError("of a handler"))
    finally:
        logger.removeFilter(is_own_error)

    assert b" 400 " in reply
    assert [] == malformed
    assert ["an error"] == caplog.messages
