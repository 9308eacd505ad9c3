"""The exercise of a prefork template before its first fork.

A eureka, a monolith and a store on loopback serve some requests.

The exercise runs the code that every pod runs, so that its bytecode is specialized and its caches are filled
before the fork.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from dataclasses import replace
from random import Random

from spiko_nanoservice.contract import (
    EUREKA,
    Configuration,
    Place,
    Revision,
    TierConfig,
    VersionConfig,
    Zones,
)
from spiko_nanoservice.contract.handshake import KEY_BYTES, KEY_FILES, EpochKey, render_keys
from spiko_nanoservice.eureka.pod import EurekaPod
from spiko_nanoservice.settings import Settings, read_settings
from spiko_nanoservice.tier.pod import TierPod
from spiko_nanoservice.wire.connection_pool import Pool
from spiko_nanoservice.wire.http_server import Server
from spiko_nanoservice.wire.resolve import choose_resolver

REQUESTS = 60
ZONE = "warm"


async def exercise() -> None:
    """Start the three pods, send requests through them, and stop them again.

    Raises:
        TimeoutError: the pods did not register with the eureka within 10 s.
    """
    with tempfile.TemporaryDirectory() as volumes:
        await _exercise(volumes)


async def _exercise(volumes: str) -> None:
    address = f"127.254.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"
    base = _settings(address, volumes)
    _write_keys(base.keys)

    names = Server(lambda request: request.reply(200, json.dumps({"addresses": [address]}).encode()))
    resolve = choose_resolver(f"{address}:{(await names.listen(address, 0))[1]}")
    eureka = EurekaPod(replace(base, package=EUREKA, tier=EUREKA, port=7070), resolve)
    store = TierPod(replace(base, package="store", tier="store", pod_uid="store", port=0), Random(1), resolve)
    front = TierPod(
        replace(base, package="monolith", tier="front", pod_uid="front", port=0), Random(1), resolve
    )
    eureka.eureka.perform(eureka.eureka.registry.configure(_configuration(), time.monotonic()))
    stop = asyncio.Event()
    running = [asyncio.create_task(pod.run(stop)) for pod in (eureka, store, front)]
    try:
        async with asyncio.timeout(10.0):
            # No event signals this condition.
            while not (front.tier.routes.has_route and store.tier.ready):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            await _request(address, front, store)
    finally:
        stop.set()
        await asyncio.gather(*running)
        await names.drain(1.0)


async def _request(address: str, *pods: TierPod) -> None:
    """Send requests to the first pod; after every other one all pods do the work of every second."""
    pool = Pool(address, pods[0].port)
    headers = (
        b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nspiko-deadline-ms: 2000\r\n"
    )
    for number in range(REQUESTS):
        method = b"PUT" if number % 3 == 0 else b"GET"
        await pool.call(
            method, b"/k/Why%d" % (number % 7), lambda: headers, b"me" if number % 3 == 0 else b"", 2.0
        )
        if number % 2:
            for pod in pods:
                pod.tick()
    pool.close()


def _write_keys(directory: str) -> None:
    os.makedirs(directory)
    for name in set(KEY_FILES.values()):
        with open(f"{directory}/{name}", "w", encoding="ascii") as file:
            file.write(render_keys([EpochKey(1, os.urandom(KEY_BYTES))]))


def _settings(address: str, volumes: str) -> Settings:
    return read_settings(
        {
            "SPIKO_ARCHITECTURE": "warm",
            "SPIKO_TIER": "warm",
            "SPIKO_PACKAGE": "monolith",
            "SPIKO_REGION": ZONE,
            "SPIKO_ZONE": ZONE,
            "SPIKO_EUREKA": "warm-eureka",
            "SPIKO_POD_NAME": "warm",
            "SPIKO_POD_UID": "warm",
            "SPIKO_POD_IP": address,
            "SPIKO_BIND_ADDRESS": address,
            "SPIKO_VOLUMES_ROOT": volumes,
        }
    )


def _configuration() -> Configuration:
    one = (Place(ZONE, ZONE, 1),)
    versions = (VersionConfig("1.0.0", 100, one),)
    return Configuration(
        architecture="warm",
        revision=Revision(0, 1),
        regions=(Zones(ZONE, (ZONE,)),),
        tiers=(
            TierConfig("front", "monolith", ("store",), one, versions),
            TierConfig("store", "store", (), one, versions),
        ),
    )
