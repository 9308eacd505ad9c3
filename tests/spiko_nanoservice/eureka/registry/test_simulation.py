"""Registries in a simulation: tables and slots recover from every failure."""

from __future__ import annotations

from random import Random

import pytest

from tests.support.registry_simulation import SIZE, ZONES, Pod, World

# Seed 141 has two messages of one connection that arrive at the same time.
SEEDS = (*range(40), 141)
QUIET_S = 15.0


def a_world(seed: int) -> World:
    """Return a simulation with three eurekas and full tiers, settled."""
    world = World(Random(seed))
    for zone in ZONES:
        world.start_eureka(zone, started=False)
    for zone in ZONES:
        for _ in range(SIZE):
            world.start_pod("web", zone)
            world.start_pod("db", zone)
    world.run(3.0)
    return world


def trouble(world: World) -> None:
    """Cause one random failure, or end one."""
    random = world.random
    zone = random.choice(ZONES)
    match random.randrange(6):
        case 0 | 1:
            pod = random.choice(list(world.pods.values()))
            world.kill_pod(pod)
            world.at(random.uniform(0.0, 3.0), lambda: bring(world, pod))
        case 2:
            world.kill_eureka(zone)
            world.at(random.uniform(0.1, 8.0), lambda: revive(world, zone))
        case 3:
            pair = frozenset(random.sample(ZONES, 2))
            world.cut.add(pair)
            a, b = sorted(pair)
            world.disconnect(a, b)
            world.disconnect(b, a)
        case 4:
            world.cut.clear()
        case _:
            pass


def bring(world: World, pod: Pod) -> None:
    """Start a pod in place of one that died."""
    world.start_pod(pod.hello.tier, pod.hello.zone)


def revive(world: World, zone: str) -> None:
    """Start a eureka unless the zone has one."""
    if world.eurekas.get(zone) is None:
        world.start_eureka(zone)


@pytest.mark.parametrize("seed", SEEDS)
def test_tables_and_slots_recover_from_random_failures(seed: int) -> None:
    """Given pods and eurekas that die and connections that are cut, once no more fail every table is exact,
    no slot is held twice, and every node sees its ring.
    """
    world = a_world(seed)
    assert not world.wrong_tables()
    assert not world.duplicates()
    assert not world.wrong_rings()

    for _ in range(25):
        trouble(world)
        world.run(world.random.uniform(0.0, 2.0))
    world.cut.clear()
    for zone in ZONES:
        revive(world, zone)
    world.run(QUIET_S)

    assert world.wrong_tables() == []
    assert world.duplicates() == []
    assert world.wrong_rings() == []
    assert {0, 1, 2} == {pod.hello.slot for pod in world.pods.values()}


def test_a_death_reaches_every_table_within_a_tenth_of_a_second() -> None:
    """Given a pod that dies, then after 0.1 s no table has it."""
    world = a_world(1)
    victim = next(pod for pod in world.pods.values() if pod.hello.tier == "db")

    world.kill_pod(victim)
    world.run(0.1)

    assert world.wrong_tables() == []


def test_a_restarted_eureka_removes_no_live_pod_from_any_table() -> None:
    """Given a eureka that is away and comes back, then no pod loses an instance that lives."""
    world = a_world(2)
    world.kill_eureka("a")
    for _ in range(200):
        world.run(0.05)
        if world.now > 5.0:
            revive(world, "a")
        assert world.wrong_tables() == []


def test_eurekas_restarted_together_remove_no_live_pod_from_any_table() -> None:
    """Given three new eurekas, then tables are partial until they know every pod: pods keep instances and
    rings.
    """
    world = a_world(3)
    for zone in ZONES:
        world.kill_eureka(zone)
    world.run(0.5)
    for zone in ZONES:
        world.start_eureka(zone)
    for _ in range(200):
        world.run(0.05)
        assert world.wrong_tables() == []
        assert world.wrong_rings() == []


def test_a_pod_that_registers_again_keeps_its_slot() -> None:
    """Given a eureka that restarts, then every pod brings its slot along, wherever it registers."""
    world = a_world(4)
    before = {pod.hello.id: pod.hello.slot for pod in world.pods.values()}
    world.kill_eureka("b")
    world.run(2.0)
    world.start_eureka("b")
    world.run(QUIET_S)

    assert before == {pod.hello.id: pod.hello.slot for pod in world.pods.values()}


@pytest.mark.parametrize("seed", range(5))
def test_pods_of_a_silent_zone_are_dropped_once_its_eureka_is_missed(seed: int) -> None:
    """Given a zone without power, then its pods are probed and dropped within the grace period of 5 s."""
    world = a_world(seed)
    world.lose_zone("b")
    world.run(3.0 + 1.0 + 0.2)

    assert world.wrong_tables() == []


def test_a_pod_that_answers_the_probe_is_kept() -> None:
    """Given a dead eureka, then its live pods stay in every table and its dead ones leave."""
    world = a_world(6)
    dead = next(pod for pod in world.pods.values() if (pod.hello.tier, pod.hello.zone) == ("db", "a"))
    dead.alive = False
    del world.pods[dead.hello.id]  # the end of its session is not noticed, because its eureka dies as well
    dead.at = dead.number = None
    world.kill_eureka("a")
    for _ in range(40):
        world.run(0.1)
        if world.now > 3.0 + 1.1:
            assert world.wrong_tables() == []
