"""`spiko run` with pods behind the proxy of an API server, which cannot export to its receiver."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from spiko_nanoservice.contract import Configuration
from spiko_nanoservice.contract.handshake import render_keys
from tests.support.keys import KEYS
from tests.support.kube_api import kube_api
from tests.support.loopback_cluster import configuration, loopback_cluster, tier

RATE = 50
SERVICES = [
    {"name": "web", "package": "store", "count": 1, "regions": 1},
    {"name": "www", "package": "denominator", "count": 0, "dependencies": ["web"]}
    | {"load": {"ratePerSecond": RATE}},
]
FILE = {"apiVersion": "spiko.dev/v1alpha1", "kind": "Architecture", "metadata": {"name": "arch"}}
STATUS = {
    "summary": {"pods": "2/2"},
    "regions": [{"name": "r", "zones": ["a"]}],
    "conditions": [
        {"type": "Ready", "status": "True", "message": ""},
        {"type": "Programmed", "status": "True", "message": ""},
        {"type": "Exporting", "status": "False", "message": "it takes no spans of 2 of 2 pods: refused"},
    ],
}


async def test_the_report_has_edges_and_the_reason_for_lost_traces(tmp_path: Path) -> None:
    """Given eurekas behind the proxy, and pods that cannot export, then the report has requests and
    latencies, and one line has the reason for the lost traces; without --no-traces, and with it none.
    """
    lost, without = await run_twice(tmp_path)

    for text in (lost, without):
        assert "arch: 2 pods in 1 zone, ready after" in text
        row = next(line.split() for line in text.splitlines() if line.startswith("www -> web "))
        assert int(row[3]) >= RATE / 2
    (line,) = [line for line in lost.splitlines() if "spans" in line or "traces" in line]
    assert line.startswith("no spans arrived at http://127.0.0.1:")
    assert line.endswith(
        "(it takes no spans of 2 of 2 pods: refused); use --otlp-listen ADDRESS, or --no-traces"
    )
    assert not [line for line in without.splitlines() if "spans" in line or "traces" in line]


async def run_twice(folder: Path) -> list[str]:
    """Return the outputs of a run, and of one with --no-traces."""
    async with loopback_cluster() as cluster:
        eureka = await cluster.add_eureka("a", configured(0, 1))
        await cluster.add("web-0", "web", "store")
        await cluster.add("www-0", "www", "denominator")
        loop, revision = asyncio.get_running_loop(), 1

        def configure(rate: int) -> None:
            nonlocal revision
            revision += 1
            registry = eureka.eureka.registry
            eureka.eureka.perform(registry.configure(configured(rate, revision), time.monotonic()))

        with kube_api(folder) as (api, kubeconfig):

            def change(body: dict[str, Any] | None) -> None:
                api.pods = {} if body is None else {"eureka-0": cluster.names["arch-eureka.default"][0]}
                services = [] if body is None else body["spec"]["services"]
                rates = [service["load"]["ratePerSecond"] for service in services if "load" in service]
                loop.call_soon_threadsafe(configure, sum(rates))

            keys = base64.b64encode(render_keys(KEYS["read"]).encode()).decode()
            api.answers["GET /api/v1/namespaces/demo"] = (200, {})
            api.answers["GET /api/v1/namespaces/demo/secrets/spiko-read"] = (200, {"data": {"read": keys}})
            api.status, api.changed = STATUS, change
            return [await run(kubeconfig, *options) for options in ((), ("--no-traces",))]


def configured(rate: int, revision: int) -> Configuration:
    """Return the configuration of the eureka."""
    tiers = (tier("web", "store"), tier("www", "denominator", "web", rate=rate))
    return configuration(*tiers, counter=revision, started=revision > 1)


async def run(kubeconfig: Path, *options: str) -> str:
    """Run the file through the proxy, and return the output."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "spiko_cli", "run", "-", "-d", "2", "--reach", "proxy", *options),
        env=os.environ | {"KUBECONFIG": str(kubeconfig), "SPIKO_HOME": str(kubeconfig.parent / "home")},
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
    )
    text = yaml.safe_dump(FILE | {"spec": {"services": SERVICES}})
    output, errors = await process.communicate(text.encode())
    assert 0 == process.returncode, errors.decode()
    return output.decode()
