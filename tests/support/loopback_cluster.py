"""A small architecture in one process: eurekas and pods of tiers, each with a loopback address of its own."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from spiko_nanoservice.contract import (
    EUREKA,
    Configuration,
    Place,
    Revision,
    TierConfig,
    VersionConfig,
    Zones,
)
from spiko_nanoservice.eureka.pod import EurekaPod
from spiko_nanoservice.settings import Settings, read_settings
from spiko_nanoservice.tier.pod import TierPod
from spiko_nanoservice.wire.connection_pool import Pool
from spiko_nanoservice.wire.http_client import Reply
from tests.support.keys import volumes_root

# Every process of tests has a network of its own, and every cluster of it a part of that network, so that
# runs of
# the tests do not disturb each other.
_NETWORK = f"127.{100 + os.getpid() % 150}"
_clusters = itertools.count()


class LoopbackCluster:
    """Pods and eurekas of one architecture; `names` has the answers of the resolver."""

    def __init__(self) -> None:
        self._network = f"{_NETWORK}.{next(_clusters) % 256}"
        self._hosts = itertools.count(1)
        self.names: dict[str, list[str]] = {"arch-eureka.default": []}
        self.eurekas: dict[str, EurekaPod] = {}
        self.pods: dict[str, TierPod] = {}
        self._running: dict[str, tuple[asyncio.Task[None], asyncio.Event]] = {}

    async def resolve(self, name: str) -> list[str]:
        """Return what a cluster's DNS would answer."""
        return list(self.names.get(name, ()))

    def settings(self, name: str, tier: str, package: str, **more: str) -> Settings:
        """Return settings of a pod with an address of its own."""
        host = next(self._hosts)
        assert host < 255, "a cluster has at most 254 pods and eurekas"
        address = f"{self._network}.{host}"
        environ = {
            "SPIKO_ARCHITECTURE": "arch",
            "SPIKO_TIER": tier,
            "SPIKO_PACKAGE": package,
            "SPIKO_REGION": "r",
            "SPIKO_ZONE": "a",
            "SPIKO_POD_NAME": name,
            "SPIKO_POD_UID": name,
            "SPIKO_POD_IP": address,
            "SPIKO_BIND_ADDRESS": address,
            "SPIKO_VOLUMES_ROOT": volumes_root(),
        } | more
        environ.setdefault("SPIKO_EUREKA", f"arch-eureka-{environ['SPIKO_ZONE']},arch-eureka")
        return read_settings(environ)

    async def add_eureka(self, zone: str, configuration: Configuration | None, **more: str) -> EurekaPod:
        """Start the eureka of a zone."""
        settings = self.settings(
            f"eureka-{zone}-{next(self._hosts)}", EUREKA, EUREKA, SPIKO_ZONE=zone, **more
        )
        pod = EurekaPod(settings, self.resolve)
        self.eurekas[zone] = pod
        self.names[f"arch-eureka-{zone}.default"] = [settings.address]
        self.names["arch-eureka.default"].append(settings.address)
        self._start(f"eureka-{zone}", pod.run)
        if configuration is not None:
            pod.eureka.perform(pod.eureka.registry.configure(configuration, time.monotonic()))
        return pod

    async def add(self, name: str, tier: str, package: str, seed: int = 1, **more: str) -> TierPod:
        """Start a tier's pod."""
        pod = TierPod(self.settings(name, tier, package, **more), Random(f"{seed}/{name}"), self.resolve)
        self.pods[name] = pod
        self._start(name, pod.run)
        return pod

    def _start(self, name: str, run: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
        stop = asyncio.Event()
        task = asyncio.get_running_loop().create_task(run(stop))
        self._running[name] = task, stop

    async def stop(self, name: str) -> None:
        """Stop a pod as SIGTERM does."""
        task, stop = self._running.pop(name)
        stop.set()
        await task

    async def close(self) -> None:
        """Stop everything, pods before eurekas."""
        names = sorted(self._running, key=lambda name: name.startswith("eureka-"))
        for group in (False, True):
            chosen = [name for name in names if name.startswith("eureka-") is group]
            await asyncio.gather(*(self.stop(name) for name in chosen))


@asynccontextmanager
async def loopback_cluster() -> AsyncIterator[LoopbackCluster]:
    """Yield an empty cluster and stop everything at the end."""
    made = LoopbackCluster()
    try:
        yield made
    finally:
        await made.close()


def tier(
    name: str, package: str, *dependencies: str, zones: str = "a", count: int = 1, rate: int = 0
) -> TierConfig:
    """Return a tier with `count` instances in each of the zones, whose names have one letter."""
    places = tuple(Place("r", zone, count) for zone in zones)
    return TierConfig(name, package, dependencies, places, (VersionConfig("1.0.0", 100, places),), rate)


def configuration(*tiers: TierConfig, zones: str = "a", counter: int = 1, **more: object) -> Configuration:
    """Return a configuration of one region."""
    regions = (Zones("r", tuple(zones)),)
    return Configuration("arch", Revision(0, counter), regions, tiers, **more)  # type: ignore[arg-type]


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for a condition; fail after `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def ask(
    pod: TierPod, method: str, path: str, body: bytes = b"", headers: str = "", timeout_s: float = 5.0
) -> Reply:
    """Send one request to a pod and return the reply."""
    pool = Pool(pod.settings.address, pod.port)
    try:
        return await pool.call(method.encode(), path.encode(), lambda: headers.encode(), body, timeout_s)
    finally:
        pool.close()
