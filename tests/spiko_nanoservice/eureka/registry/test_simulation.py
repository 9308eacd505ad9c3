"""Registries in a simulated world: whatever dies, tables and slots become right again, by themselves."""

from __future__ import annotations

from random import Random

import pytest

from tests.support.registry_simulation import SIZE, ZONES, Pod, World

SEEDS = range(40)
QUIET_S = 15.0


def a_world(seed: int) -> World:
    """Three eurekas, full tiers, settled."""
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
    """One random thing that goes wrong, or right again."""
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
    """A pod in place of one that died."""
    world.start_pod(pod.hello.tier, pod.hello.zone)


def revive(world: World, zone: str) -> None:
    """A new eureka, unless one is there."""
    if world.eurekas.get(zone) is None:
        world.start_eureka(zone)


@pytest.mark.parametrize("seed", SEEDS)
def test_after_trouble_everything_is_right_again(seed: int) -> None:
    """Pods and eurekas die, connections are cut; once it is quiet every table is exact, no slot is held twice, and every node sees its ring."""
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


def test_one_death_is_known_everywhere_within_a_tenth_of_a_second() -> None:
    """A session's end removes the pod from every table that has it."""
    world = a_world(1)
    victim = next(pod for pod in world.pods.values() if pod.hello.tier == "db")

    world.kill_pod(victim)
    world.run(0.1)

    assert world.wrong_tables() == []


def test_a_restarted_eureka_takes_nobody_from_any_table() -> None:
    """While a eureka is away and when it comes back no pod loses an instance that lives."""
    world = a_world(2)
    world.kill_eureka("a")
    for _ in range(200):
        world.run(0.05)
        if world.now > 5.0:
            revive(world, "a")
        assert world.wrong_tables() == []


def test_all_eurekas_restarted_at_once_take_nobody_from_any_table() -> None:
    """Partial tables: pods keep what they knew until the new registries have heard of everybody; rings as well."""
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


def test_a_returning_pod_keeps_its_slot() -> None:
    """A pod that registers again brings its slot along, wherever it registers."""
    world = a_world(4)
    before = {pod.hello.id: pod.hello.slot for pod in world.pods.values()}
    world.kill_eureka("b")
    world.run(2.0)
    world.start_eureka("b")
    world.run(QUIET_S)

    assert before == {pod.hello.id: pod.hello.slot for pod in world.pods.values()}


@pytest.mark.parametrize("seed", range(5))
def test_a_zone_that_falls_silent_is_left_when_its_eureka_is_missed(seed: int) -> None:
    """Its pods are asked and do not answer: nobody waits the five seconds that pods of a dead eureka have to register elsewhere."""
    world = a_world(seed)
    world.lose_zone("b")
    world.run(3.0 + 1.0 + 0.2)

    assert world.wrong_tables() == []


def test_a_pod_that_answers_is_kept_while_its_eureka_is_away() -> None:
    """Only those that are silent are dropped: a dead eureka's living pods stay in every table, its dead ones leave."""
    world = a_world(6)
    dead = next(pod for pod in world.pods.values() if (pod.hello.tier, pod.hello.zone) == ("db", "a"))
    dead.alive = False
    del world.pods[dead.hello.id]  # its session would have told, but its eureka dies at the same moment
    dead.at = dead.number = None
    world.kill_eureka("a")
    for _ in range(40):
        world.run(0.1)
        if world.now > 3.0 + 1.1:
            assert world.wrong_tables() == []
