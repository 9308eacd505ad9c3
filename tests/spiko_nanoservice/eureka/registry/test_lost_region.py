"""Two regions in a simulation, with a caller outside them: a lost region, and upgrades of all eurekas."""

from __future__ import annotations

from random import Random

import pytest

from spiko_nanoservice.routing.table import Routes
from spiko_nanoservice.tier.caller import PROBE_S
from tests.support.registry_simulation import SIZE, ZONES, Pod, World

STEP_S = 0.01  # between two requests of the caller
TIMEOUT_S = 2.0  # until a call to a pod without power fails


class TwoRegions:
    """Two regions with one caller, which sends 100 requests a second.

    Attributes:
        failures: times of requests whose callee was not alive when they failed.
        served: the regions whose pods answered, by request.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.routes = Routes("caller")
        self.worlds = [World(Random(f"{seed}/{name}"), name) for name in "rs"]
        self.callers: list[Pod] = []
        for world in self.worlds:
            for zone in ZONES:
                world.start_eureka(zone, started=False)
            start_databases(world)
            self.callers.append(world.start_pod("web", "a", self.routes))
        self.failures: list[float] = []
        self.served: list[str] = []
        self.now = 0.0
        for world in self.worlds:
            world.run(8.0)

    def run(self, seconds: float) -> None:
        """Let virtual seconds pass."""
        for _ in range(round(seconds / STEP_S)):
            self.now += STEP_S
            for world in self.worlds:
                world.run(STEP_S)
            self._call()

    def _call(self) -> None:
        to = self.routes.pick(self.random)
        assert to is not None
        world = next(world for world in self.worlds if world.region == to.region)
        if to.id in world.pods:
            self.served.append(to.region)
            return
        silent = world.eurekas == {}

        def fail() -> None:
            self.failures.append(self.now)
            if self.routes.is_stale(to.id):
                world.at(PROBE_S if silent else 0.0, lambda: self.routes.eject(to.id))

        world.at(TIMEOUT_S if silent else 0.001, fail)


def start_databases(world: World) -> None:
    """Start the databases of a region."""
    for zone in ZONES:
        for _ in range(SIZE):
            world.start_pod("db", zone)


@pytest.mark.parametrize("seed", range(5))
def test_callers_leave_a_lost_region_within_five_seconds_and_find_it_again(seed: int) -> None:
    """Given a region whose pods and eurekas all fall silent, then the last call fails within 5 s; when the
    region comes back, no call fails and both regions serve.
    """
    two = TwoRegions(seed)
    two.run(2.0)
    assert ([], {"r", "s"}) == (two.failures, set(two.served))

    lost_at = two.now
    two.worlds[1].lose_region(two.callers[1])
    two.run(20.0)
    assert lost_at < max(two.failures) <= lost_at + 5.0
    assert {"r"} == set(two.served[-1000:])

    two.failures.clear()
    for zone in ZONES:
        two.worlds[1].start_eureka(zone)
    two.run(2.0)
    start_databases(two.worlds[1])
    two.run(8.0)
    assert ([], {"r", "s"}) == (two.failures, set(two.served[-200:]))


@pytest.mark.parametrize("at_once", [True, False], ids=["all at once", "one after another"])
def test_upgrade_of_all_eurekas_of_a_region_fails_no_request(at_once: bool) -> None:
    """Given eurekas of a region that are away for 10 s, at once or one after another, then no request fails
    and its pods serve all the time.
    """
    two = TwoRegions(7)
    (world, _), upgraded = two.worlds, 0
    for zones in (ZONES,) if at_once else tuple((zone,) for zone in ZONES):
        for zone in zones:
            world.kill_eureka(zone)
        two.run(10.0)
        for zone in zones:
            world.start_eureka(zone)
            upgraded += 1
        two.run(10.0)
        assert {"r", "s"} == set(two.served[-200:])

    assert ([], 3, []) == (two.failures, upgraded, [id for id in two.routes.instances if "caller" in id])
    databases = {pod.hello.id for each in two.worlds for pod in each.pods.values() if pod.hello.tier == "db"}
    assert databases == set(two.routes.instances)


def test_pod_that_dies_while_the_eurekas_are_away_fails_one_request() -> None:
    """Given no eureka, when a pod dies, then one request to it fails, and no other one until they return."""
    two = TwoRegions(8)
    for zone in ZONES:
        two.worlds[0].kill_eureka(zone)
    victim = next(pod for pod in two.worlds[0].pods.values() if pod.hello.tier == "db")
    two.worlds[0].kill_pod(victim)
    two.run(10.0)
    for zone in ZONES:
        two.worlds[0].start_eureka(zone)
    two.run(10.0)

    assert len(two.failures) == 1
    assert victim.hello.id not in two.routes.instances
